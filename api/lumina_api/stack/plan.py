"""The plan of a stack: which ports, which settings, which children with which commands. Nothing runs yet."""

import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from lumina_api.provision import provision
from lumina_api.stack.broker import HOST, Broker, answers
from lumina_api.stack.environment import environment
from lumina_api.stack.ports import Choice, choose, holder, is_free, spare
from lumina_api.stack.state import Ports
from lumina_api.stack.supervisor import ChildSpec
from lumina_schemas.settings import Settings

LOCAL_PARTITIONS = 4
LOCAL_REPLICATION = 1
READY_TIMEOUT_S = 3.0

# Loading the system's certificates at each question would cost more than the question.
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class PortTaken(RuntimeError):
    """A port that has no stand-in cannot be had."""


@dataclass(frozen=True)
class Addresses:
    """Ports of a stack, and what was said about those that differ from the wanted ones."""

    ports: Ports
    moved: tuple[tuple[str, Choice], ...]


def client_host(settings: Settings) -> str:
    """Address by which clients on this machine reach servers that bind `settings.host`."""
    host = {"0.0.0.0": HOST, "::": HOST, "": HOST}.get(settings.host, settings.host)  # noqa: S104 - not bound
    return f"[{host}]" if ":" in host else host


def addresses(settings: Settings) -> Addresses:
    """Choose the stack's ports. Raises PortTaken for the API's, NoPort where no stand-in is free."""
    for wanted in (settings.port, settings.otlp_http_port, settings.otlp_grpc_port, settings.kafka_port):
        if not 1 <= wanted <= 65_535:
            raise PortTaken(f"{wanted} is no port: ports are 1 to 65535. Check the LUMINA_..._PORT settings.")
    if not is_free(settings.host, settings.port):
        who = holder(settings.port) or "another process (of another user: its name cannot be seen)"
        raise PortTaken(
            f"Port {settings.port} is taken by {who}. Lumina needs it for REST, dashboard and OTLP: stop "
            f"that process, or choose another port with `lumina up --port {settings.port + 1}` (LUMINA_PORT)."
        )
    used = {settings.port}
    moved: list[tuple[str, Choice]] = []

    def pick(what: str, host: str, wanted: int) -> int:
        choice = choose(host, wanted, used)
        used.add(choice.port)
        if choice.port != wanted:
            moved.append((what, choice))
        return choice.port

    otlp_http = pick("OTLP/HTTP", settings.host, settings.otlp_http_port)
    otlp_grpc = pick("OTLP/gRPC", settings.host, settings.otlp_grpc_port)
    kafka = controller = 0
    if not settings.kafka_bootstrap_servers:
        kafka = pick("Kafka", HOST, settings.kafka_port)
        controller = spare(HOST, settings.kafka_port, used)
        used.add(controller)
    health = spare(HOST, settings.port, used)
    used.add(health)
    actor = spare(HOST, settings.port, used)
    ports = Ports(settings.port, otlp_http, otlp_grpc, health, actor, kafka, controller)
    return Addresses(ports, tuple(moved))


def resolved(settings: Settings, ports: Ports) -> Settings:
    """The settings with which the children run: real ports, absolute paths, the local broker's defaults."""
    update: dict[str, object] = {
        "otlp_http_port": ports.otlp_http,
        "otlp_grpc_port": ports.otlp_grpc,
        "health_port": ports.health,
        "data_dir": settings.data_dir.absolute(),
    }
    if ports.kafka:
        update |= {"kafka_bootstrap_servers": f"{HOST}:{ports.kafka}", "kafka_port": ports.kafka}
        if "partitions" not in settings.model_fields_set:
            update["partitions"] = LOCAL_PARTITIONS
        if "replication" not in settings.model_fields_set:
            update["replication"] = LOCAL_REPLICATION
        if settings.manage_topics is None:
            update["manage_topics"] = True  # nobody else's cluster
    return settings.model_copy(update=update)


def children(settings: Settings, ports: Ports, broker: Broker | None, demo: bool) -> list[ChildSpec]:
    """Specs of all children in order of start, for settings already `resolved`."""
    host = client_host(settings)
    env = environment(settings)

    def python(name: str, module: str, port: int, address: str = host, **more: str) -> ChildSpec:
        return ChildSpec(
            name,
            # -P: a file of the user's own folder must not stand in for a module.
            (sys.executable, "-P", "-m", module),
            env | more,
            ready_over_http(f"http://{address}:{port}/ready"),
            requires=("kafka",) if broker else (),
        )

    specs = [
        python("stream", "lumina_streams.worker", ports.health, HOST),
        python("actor", "lumina_streams.actor", ports.actor, HOST, LUMINA_HEALTH_PORT=str(ports.actor)),
        python("gateway", "lumina_api.gateway", ports.otlp_http),
        python("api", "lumina_api.server", ports.api),
    ]
    if broker:

        async def make_topics() -> None:
            await provision(settings)

        specs.insert(0, ChildSpec("kafka", broker.command, env, kafka_ready(broker), then=make_topics))
    if demo:
        specs.append(
            ChildSpec(
                "demo",
                (sys.executable, "-P", "-m", "lumina_api.demo", "--until-real"),
                env | {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{host}:{ports.otlp_http}"},
                _at_once,
                requires=tuple(spec.name for spec in specs),
                essential=False,
                shown=True,
            )
        )
    return specs


def ready_over_http(url: str) -> Callable[[], Awaitable[str]]:
    """Readiness by a GET that answers 200; the answer's text says why not."""

    async def ready() -> str:
        try:
            async with httpx.AsyncClient(
                trust_env=False, verify=_NO_CERTIFICATES, timeout=READY_TIMEOUT_S
            ) as client:
                answer = await client.get(url)
        except httpx.HTTPError as error:
            return f"no answer from {url} ({type(error).__name__})"
        return "" if answer.status_code == 200 else f"{answer.status_code} {answer.text[:300]}"

    return ready


def kafka_ready(broker: Broker) -> Callable[[], Awaitable[str]]:
    """Readiness of the local broker: it answers clients."""

    async def ready() -> str:
        return "" if await answers(broker) else f"no answer on port {broker.port}"

    return ready


async def _at_once() -> str:
    return ""
