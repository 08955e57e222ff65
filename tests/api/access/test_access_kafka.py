"""Keys over a real Kafka: made on the command line, followed by several processes, revoked, used."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from msgspec import json as msgspec_json
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner, Result

from lumina_api.access.keyring import Keyring
from lumina_api.access.refused import Refused
from lumina_api.commands.keys import app
from lumina_api.stack.environment import environment
from lumina_api.stack.ports import free_port
from lumina_schemas.audit import AuditEntry
from lumina_schemas.key import USE, ApiKey, KeyUse
from lumina_schemas.settings import Settings
from lumina_schemas.topics import AUDIT, OTLP, SETTINGS, TYPE_HEADER, USAGE
from topic_log import everything

pytestmark = pytest.mark.kafka

DEADLINE_S = 30.0
SEEN_WITHIN_S = 5.0

Lumina = Callable[..., Awaitable[Result]]


@pytest.fixture
def closed(settings: Settings) -> Settings:
    return settings.model_copy(update={"auth_required": True})


@pytest.fixture
def lumina(closed: Settings) -> Lumina:
    env: dict[str, str | None] = dict(environment(closed))

    async def run(*words: str, expect: int = 0) -> Result:
        # In this process: to start another one takes longer than all that the command does.
        ended = await asyncio.to_thread(CliRunner().invoke, app, list(words), env=env)
        assert ended.exit_code == expect, ended.stderr
        return ended

    return run


async def until(condition: Callable[[], Awaitable[bool]], what: str, within_s: float = DEADLINE_S) -> None:
    deadline = asyncio.get_running_loop().time() + within_s
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


@asynccontextmanager
async def following(settings: Settings, **more: Any) -> AsyncIterator[Keyring]:
    keyring = Keyring(settings, **more)
    await keyring.start()
    try:
        async with asyncio.timeout(DEADLINE_S):
            await keyring._follower.caught_up()
        yield keyring
    finally:
        await keyring.stop()


def opens(keyring: Keyring, text: str) -> bool:
    try:
        return keyring.caller([f"Bearer {text}"]) is not None
    except Refused:
        return False


async def test_a_key_is_made_listed_used_and_revoked(closed: Settings, lumina: Lumina) -> None:
    assert "No keys" in (await lumina("list")).stdout
    made = await lumina(
        "create", "--scope", "ingest", "--scope", "read", "--project", "shop", "--name", "checkout",
        "--expires", "30d",
    )  # fmt: skip
    text = made.stdout.strip()
    assert text.startswith("lk_")
    assert text not in made.stderr
    id, secret = text.split("_", 2)[1:]
    (record,) = [
        msgspec_json.decode(one.value, type=ApiKey)
        for one in await everything(closed, closed.topic(SETTINGS))
    ]
    assert (record.id, record.scopes, record.project, record.name) == (
        id,
        ("ingest", "read"),
        "shop",
        "checkout",
    )
    assert record.expires_at is not None
    assert 29 <= (record.expires_at - record.created_at).days <= 30
    listed = (await lumina("list")).stdout
    assert "ingest,read on shop" in listed
    assert "never used" in listed
    async with following(closed) as one, following(closed, shows_uses=True) as other:
        assert opens(one, text)
        assert opens(other, text)

        async def told() -> bool:
            return any(
                (TYPE_HEADER, USE) in record.headers
                for record in await everything(closed, closed.topic(USAGE))
            )

        await until(told, "the use is not told")
        (line,) = (await lumina("list", "--json")).stdout.splitlines()
        shown = json.loads(line)
        assert shown["last_used"]
        assert "sha256" not in shown
        assert f"used {shown['last_used'][:10]}" in (await lumina("list")).stdout
        await lumina("revoke", id)

        async def shut() -> bool:
            return not opens(one, text) and not opens(other, text)

        await until(shut, "a revoked key still opens", SEEN_WITHIN_S)
    assert "revoked" in (await lumina("list")).stdout
    assert "nothing to do" in (await lumina("revoke", id)).stdout
    entries = [
        msgspec_json.decode(one.value, type=AuditEntry)
        for one in await everything(closed, closed.topic(AUDIT))
    ]
    assert sorted(entry.action for entry in entries) == ["key.create", "key.revoke"]
    assert {(entry.target, entry.project) for entry in entries} == {(f"keys/{id}", "shop")}
    assert all(entry.by.startswith("cli:") for entry in entries)
    for topic in (SETTINGS, AUDIT, USAGE):
        assert not [
            one for one in await everything(closed, closed.topic(topic)) if secret.encode() in one.value
        ]


async def test_what_is_no_key_is_not_made(closed: Settings, lumina: Lumina) -> None:
    assert "no scope" in (await lumina("create", "--scope", "root", expect=2)).stderr
    assert (
        "cannot be a key"
        in (await lumina("create", "--scope", "read", "--project", "_shop", expect=2)).stderr
    )
    await lumina("create", "--scope", "read", "--expires", "soon", expect=2)
    assert "lumina keys list" in (await lumina("revoke", "f" * 16, expect=1)).stderr
    assert await everything(closed, closed.topic(SETTINGS)) == []
    assert await everything(closed, closed.topic(AUDIT)) == []


async def test_the_last_use_is_known_to_other_processes(closed: Settings, lumina: Lumina) -> None:
    text = (await lumina("create", "--scope", "read")).stdout.strip()
    id = text.split("_")[1]
    async with following(closed) as user, following(closed, shows_uses=True) as other:
        assert opens(user, text)

        async def known() -> bool:
            return other.uses.last.of(id) == user.uses.last.of(id)

        await until(known, "the other process does not know of the use")
        assert user.uses.last.of(id) is not None
    (use,) = [
        msgspec_json.decode(one.value, type=KeyUse)
        for one in await everything(closed, closed.topic(USAGE))
        if (TYPE_HEADER, USE) in one.headers
    ]
    assert use.id == id


def request_of(project: str) -> bytes:
    """A span whose resource says that it is of this project."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="lumina.project").value.string_value = project
    group.scope_spans.add().spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, name="chat", start_time_unix_nano=1, end_time_unix_nano=2
    )
    body: bytes = request.SerializeToString()
    return body


async def test_two_processes_see_keys_and_revocations_alike(closed: Settings, lumina: Lumina) -> None:
    """The gateway and an api, as they are started; the first key is made where both already want one."""
    ports = {name: free_port() for name in ("LUMINA_PORT", "LUMINA_OTLP_HTTP_PORT", "LUMINA_OTLP_GRPC_PORT")}
    env = environment(closed) | {name: str(port) for name, port in ports.items()}
    processes = [
        subprocess.Popen([sys.executable, "-m", module], env=env, stdout=subprocess.DEVNULL)
        for module in ("lumina_api.gateway", "lumina_api.server")
    ]
    gateway, api = (f"http://127.0.0.1:{ports[name]}" for name in ("LUMINA_OTLP_HTTP_PORT", "LUMINA_PORT"))
    try:
        async with httpx.AsyncClient(timeout=10) as client:

            async def ask(url: str, text: str = "", body: bytes | None = None, **headers: str) -> int:
                if text:
                    headers["authorization"] = f"Bearer {text}"
                try:
                    if body is None:
                        return (await client.get(url, headers=headers)).status_code
                    headers["content-type"] = "application/x-protobuf"
                    return (await client.post(url, content=body, headers=headers)).status_code
                except httpx.TransportError:
                    return 0

            async def ready() -> bool:
                return {await ask(f"{url}/ready") for url in (gateway, api)} == {200}

            await until(ready, "they are not ready")
            doors = (f"{gateway}/v1/traces", f"{api}/v1/traces")
            pages = (f"{gateway}/metrics", f"{api}/metrics", f"{api}/api/v1/traces")
            for door in doors:
                assert await ask(door, "", b"") == 401
            for page in pages:
                assert await ask(page) == 401
            sender = (await lumina("create", "--scope", "ingest", "--project", "shop")).stdout.strip()
            reader = (await lumina("create", "--scope", "read")).stdout.strip()

            async def let_in() -> bool:
                sent = {await ask(door, sender, request_of("bank")) for door in doors}
                return sent | {await ask(page, reader) for page in pages} == {200}

            await until(let_in, "they do not know the keys", SEEN_WITHIN_S + 5)
            for door in doors:
                assert await ask(door, sender, b"", **{"x-lumina-project": "bank"}) == 403
                assert await ask(door, sender, b"", **{"x-lumina-project": "shop"}) == 200
                assert await ask(door, reader, b"") == 403
            for page in pages:
                assert await ask(page, sender) == 403
            landed = await everything(closed, closed.topic(OTLP))
            assert {header for message in landed for header in message.headers} == {
                ("lumina-project", b"shop")
            }
            for text in (sender, reader):
                await lumina("revoke", text.split("_")[1])

            async def shut() -> bool:
                found = {await ask(door, sender, b"") for door in doors}
                return found | {await ask(page, reader) for page in pages} == {401}

            await until(shut, "revoked keys still open something", SEEN_WITHIN_S)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
