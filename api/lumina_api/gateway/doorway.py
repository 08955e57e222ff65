"""What HTTP and gRPC share: a body comes in for a signal and a project, and is on Kafka when this returns."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from lumina_api.access.keyring import Keyring
from lumina_api.access.refused import Refused
from lumina_api.gateway.budget import Hold
from lumina_api.gateway.intake import Intake, Receiver
from lumina_api.gateway.limit import over_limit, said
from lumina_api.gateway.measures import INVALID_IDS, TRACE_LIMIT, Measures
from lumina_api.gateway.recent import Recent
from lumina_api.gateway.refusal import Refusal, invalid, not_let_in, too_large, unavailable
from lumina_api.gateway.sink import Sink
from lumina_api.gateway.status import Encoding
from lumina_api.usage.limiter import NOW, Limiter
from lumina_schemas.settings import Settings
from lumina_schemas.topics import OTLP, OTLP_LOGS, PROJECT_HEADER
from lumina_streams.core.otlp import LOGS, TRACES, Signal, TooComplex, Undecodable
from lumina_streams.core.otlp.project import NAME as PROJECT_NAME

log = structlog.get_logger()

LARGE_BYTES = {"protobuf": 512 * 1024, "json": 64 * 1024}
"""Bodies above this (a millisecond's work) are decoded in a thread, one after another."""


class Doorway:
    """Takes OTLP requests, whatever they came by."""

    def __init__(
        self,
        settings: Settings,
        sink: Sink,
        now: Callable[[], float] = NOW,
        keyring: Keyring | None = None,
    ) -> None:
        """A `keyring` that is given is started and stopped by the caller."""
        self.settings = settings
        self.sink = sink
        self.keyring = keyring or Keyring(settings, now)
        self._owns_keyring = keyring is None
        self.limiter = Limiter(settings, secrets.token_hex(8), now)
        self.recent = Recent()
        self.measures = Measures(self.limiter.usages)
        self.measures.gauge(
            "lumina_gateway_in_flight_bytes",
            "Bytes of requests that Kafka has not acknowledged.",
            lambda: sink.budget.used,
        )
        self.measures.gauge(
            "lumina_gateway_ready", "1 where requests can be taken.", lambda: not self.reasons
        )
        self._now = now
        self._receiver = Receiver(settings)
        self._topics = {TRACES: settings.topic(OTLP), LOGS: settings.topic(OTLP_LOGS)}
        self._thread = ThreadPoolExecutor(1, "gateway-decode")

    async def start(self) -> None:
        """Begin to connect, in the background; `reasons` tells how far it is."""
        await self.sink.start()
        await self.limiter.start()
        if self._owns_keyring:
            await self.keyring.start()

    async def stop(self) -> None:
        """Let what is under way arrive, then disconnect."""
        await self.sink.stop()
        await self.limiter.stop()
        if self._owns_keyring:
            await self.keyring.stop()
        self._thread.shutdown(wait=False)

    @property
    def reasons(self) -> list[str]:
        """Why requests cannot be taken now; empty where they can."""
        keys = self.keyring.why if self.keyring.required else ""
        return [reason for reason in dict.fromkeys((self.sink.reason, self.limiter.why, keys)) if reason]

    def enter(self, authorization: Sequence[str], project: str | None) -> str | None:
        """The project that a request's spans are of: that of its key, else the one it names (None: they say
        themselves). Raises Refusal (401, 403, 503). Cookies open nothing here.
        """
        try:
            caller = self.keyring.caller(authorization) or self.keyring.anybody()
            if not caller.may("ingest"):
                raise Refused(
                    403, f"To send OTLP a key needs the scope `ingest`; `{caller.name}` has it not."
                )
            if project is not None and not caller.sees(project):
                raise Refused(
                    403,
                    f"The key `{caller.name}` is of project {caller.project} and sends to no other: leave "
                    "out the header X-Lumina-Project.",
                )
        except Refused as refused:
            raise not_let_in(refused.status, refused.message, refused.headers) from refused
        return caller.project or project

    async def take(self, signal: Signal, encoding: Encoding, body: bytes, project: str | None) -> Intake:
        """Put a request on Kafka. Raises Refusal."""
        headers = [] if project is None else [(PROJECT_HEADER, _checked(project))]
        try:
            if len(body) > LARGE_BYTES[encoding]:
                loop = asyncio.get_running_loop()
                intake = await loop.run_in_executor(
                    self._thread, self._receiver.receive, signal, encoding, body, project
                )
            else:
                intake = self._receiver.receive(signal, encoding, body, project)
        except TooComplex as error:
            raise too_large(str(error)) from error
        except Undecodable as error:
            raise invalid(str(error)) from error
        self.measures.rejected(signal.name, INVALID_IDS, intake.rejected)
        if intake.traces:
            intake = await self._within_limits(intake, project)
        if intake.messages:
            await self.sink.send(self._topics[signal], intake.messages, headers)
            self.measures.kept(signal.name, intake.items - intake.rejected, sum(map(len, intake.messages)))
        return intake

    async def _within_limits(self, intake: Intake, project: str | None) -> Intake:
        """What the limits of the day admit of it; raises Refusal (429) where that is nothing."""
        await self._limits_known()
        self.sink.check()
        beyond = self.limiter.admit(intake.traces)
        if not beyond:
            return intake
        loop = asyncio.get_running_loop()
        usages = [self.limiter.usage(name) for name in beyond]
        left = await loop.run_in_executor(
            self._thread, self._receiver.without, intake, beyond, project, said(usages)
        )
        for name, spans in left.over_limit.items():
            self.limiter.refused(name, spans)
        self.measures.rejected(TRACES.name, TRACE_LIMIT, left.over_limit.total())
        if not left.messages:
            raise over_limit(usages, self._now())
        return left

    async def _limits_known(self) -> None:
        """Wait for a moment where the limiter has just been started. Raises Refusal (503)."""
        if self.limiter.why:
            try:
                await asyncio.wait_for(self.limiter.caught_up(), self.settings.produce_timeout_s)
            except TimeoutError:
                raise unavailable(f"{self.limiter.why} Nothing was kept: send it again.", 2) from None

    def answered(
        self,
        signal: Signal | None,
        transport: str,
        encoding: str,
        status: str,
        seconds: float,
        intake: Intake,
        refusal: Refusal | None,
        *,
        project: str | None,
        client: str,
    ) -> None:
        """Count an answer, and remember it for a while."""
        name = signal.name if signal else "metrics"
        self.measures.answered(name, encoding, status, seconds)
        self.recent.add(
            transport,
            name,
            status,
            project=project,
            client=client,
            spans=intake.items,
            rejected=intake.rejected,
            reason=refusal.message if refusal else intake.problem,
        )

    def hold(self) -> Hold:
        """A share of the memory budget, to be used in a `with` block."""
        return Hold(self.sink.budget)


def unexpected(error: Exception) -> Refusal:
    """What is answered to an error that nobody foresaw. Its text may quote a prompt: it is not repeated."""
    log.error("request failed", error=type(error).__name__, exc_info=True)
    return unavailable(
        "An internal error occurred; the gateway's log has it. Nothing was kept: send it again."
    )


def _checked(project: str) -> bytes:
    if not PROJECT_NAME.fullmatch(project):
        raise invalid(
            "X-Lumina-Project must be 1 to 100 characters out of A-Z, a-z, 0-9, dot, underscore, slash and "
            "hyphen, the first one a letter or a digit."
        )
    return project.encode()
