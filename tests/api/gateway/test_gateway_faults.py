"""Kafka away, stopped or stalled; the gateway killed. Answered 200 is on Kafka; all else is 503, in time."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc import aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_api.provision import provision
from lumina_api.stack.broker import Broker, prepare, wait_until_up
from lumina_api.stack.ports import free_port
from lumina_api.stack.process import bound_to_parent
from lumina_schemas.settings import Settings

pytestmark = pytest.mark.kafka

PROTOBUF = {"content-type": "application/x-protobuf"}


def request_of(number: int, size: int = 100) -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id = (number + 1).to_bytes(16, "big"), (number + 1).to_bytes(8, "big")
    span.attributes.add(key="prompt").value.string_value = "x" * size
    body: bytes = request.SerializeToString()
    return body


class LocalKafka:
    """A broker of the test's own, to be stopped and paused."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.broker.folder / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(bound_to_parent(self.broker.command), stdout=log, stderr=log)

    def send(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process:
            self.send(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def local_kafka(tmp_path: Path) -> Iterator[LocalKafka]:
    broker = LocalKafka(prepare(tmp_path / "kafka", free_port(), free_port(), cache_dir=Settings().cache_dir))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
async def own(local_kafka: LocalKafka) -> Settings:
    """Settings for that broker, topics made."""
    await wait_until_up(local_kafka.broker)
    own = Settings(kafka_bootstrap_servers=local_kafka.broker.bootstrap_servers, partitions=4, replication=1)
    await provision(own)
    return own


async def answer(gateway: Any, number: int) -> tuple[int, float]:
    """Status of a request and how many seconds it took."""
    began = time.monotonic()
    response = await gateway.post("/v1/traces", request_of(number))
    if response.status_code == 503:
        assert int(response.headers["retry-after"]) >= 1
    return response.status_code, time.monotonic() - began


async def test_kafka_that_stalls_is_503_in_time_and_forgotten_when_it_goes_on(
    own: Settings, local_kafka: LocalKafka, running_gateway: Any, eventually: Any
) -> None:
    kept: list[int] = []
    async with running_gateway(own) as gateway:
        await eventually(lambda: gateway.sink.ready, 20, "not ready")
        for number in range(5):
            assert (await answer(gateway, number))[0] == 200
            kept.append(number)

        local_kafka.send(signal.SIGSTOP)
        answers = await asyncio.gather(*(answer(gateway, number) for number in range(100, 150)))
        assert {status for status, _ in answers} == {503}
        assert max(took for _, took in answers) < 2
        status, took = await answer(gateway, 150)  # now it is known
        assert (status, took < 0.5) == (503, True)
        with pytest.raises(aio.AioRpcError) as caught:
            await gateway.call("traces", request_of(151))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        ready = await gateway.client.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["reasons"]
        assert (await gateway.post("/v1/traces", b"")).status_code == 200
        await eventually(lambda: gateway.sink.budget.used == 0, 5, "what was refused is still in memory")

        local_kafka.send(signal.SIGCONT)
        await eventually(lambda: gateway.sink.ready, 15, "not ready again")
        for number in range(200, 205):
            assert (await answer(gateway, number))[0] == 200
            kept.append(number)
        bodies = [message.value for message in await gateway.landed()]
        for number in kept:
            assert bodies.count(request_of(number)) == 1


async def test_kafka_that_ends_and_returns(
    own: Settings, local_kafka: LocalKafka, running_gateway: Any, eventually: Any
) -> None:
    kept: list[int] = []
    done = asyncio.Event()
    slowest = 0.0

    async with running_gateway(own) as gateway:
        await eventually(lambda: gateway.sink.ready, 20, "not ready")

        async def send(first: int) -> None:
            nonlocal slowest
            number = first
            while not done.is_set():
                status, took = await answer(gateway, number)
                assert status in (200, 503)
                slowest = max(slowest, took)
                if status == 200:
                    kept.append(number)
                number += 1
                await asyncio.sleep(0.01)

        senders = [asyncio.create_task(send(first)) for first in (0, 100_000, 200_000)]
        await eventually(lambda: len(kept) > 50, 10, "nothing was kept")
        local_kafka.stop()
        await eventually(lambda: not gateway.sink.ready, 10, "the loss was not seen")
        before = len(kept)
        local_kafka.start()
        await eventually(lambda: len(kept) > before + 50, 40, "nothing is kept any more")
        done.set()
        await asyncio.gather(*senders)
        assert slowest < 2
        bodies = {message.value for message in await gateway.landed()}
        assert {number for number in kept if request_of(number) not in bodies} == set()


async def test_no_kafka_at_the_start(settings: Settings, running_gateway: Any, eventually: Any) -> None:
    door = free_port()
    away = settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{door}"})
    async with running_gateway(away) as gateway:
        await eventually(lambda: "cannot be reached" in gateway.sink.reason, 5, gateway.sink.reason)
        assert (await gateway.client.get("/health")).status_code == 200
        ready = await gateway.client.get("/ready")
        assert ready.status_code == 503
        assert f"127.0.0.1:{door}" in ready.json()["reasons"][0]
        status, took = await answer(gateway, 0)
        assert (status, took < 1) == (503, True)
        async with relay(door, settings.kafka_bootstrap_servers):
            await eventually(lambda: gateway.sink.ready, 15, gateway.sink.reason)
            assert (await answer(gateway, 1))[0] == 200


async def test_missing_topics_are_named(kafka: str, running_gateway: Any, eventually: Any) -> None:
    bare = Settings(kafka_bootstrap_servers=kafka, topic_prefix="never-made.")
    async with running_gateway(bare) as gateway:
        await eventually(lambda: "never-made.otlp" in gateway.sink.reason, 15, gateway.sink.reason)
        assert (await answer(gateway, 0))[0] == 503


async def test_an_error_that_nobody_foresaw_is_503_and_tells_no_secret(
    gateway: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a prompt")

    monkeypatch.setattr(gateway.sink, "send", broken)
    response = await gateway.post("/v1/traces", request_of(0))
    assert response.status_code == 503
    assert "retry-after" in response.headers
    assert b"a prompt" not in response.content
    with pytest.raises(aio.AioRpcError) as caught:
        await gateway.call("traces", request_of(0))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


class TestProcess:
    @pytest.fixture
    async def process(self, child_env: dict[str, str], eventually: Any) -> AsyncIterator[Any]:
        port = free_port()
        env = child_env | {
            "LUMINA_OTLP_HTTP_PORT": str(port),
            "LUMINA_OTLP_GRPC_PORT": str(free_port()),
        }
        child = subprocess.Popen([sys.executable, "-m", "lumina_api.gateway"], env=env)
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

                async def ready() -> bool:
                    assert child.poll() is None
                    try:
                        return (await client.get("/ready")).status_code == 200
                    except httpx.TransportError:
                        return False

                await eventually(ready, 20, "the process is not ready")
                yield child, client, env
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()

    async def test_sigterm_ends_it_cleanly_after_the_requests_under_way(self, process: Any) -> None:
        child, client, _ = process
        sending = [
            asyncio.create_task(
                client.post("/v1/traces", content=request_of(number, 100_000), headers=PROTOBUF)
            )
            for number in range(20)
        ]
        await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
        child.send_signal(signal.SIGTERM)
        began = time.monotonic()
        await asyncio.gather(*sending, return_exceptions=True)
        assert await asyncio.to_thread(child.wait, 10) == 0
        assert time.monotonic() - began < 8

    async def test_a_taken_port_ends_it_with_a_reason(self, process: Any) -> None:
        _, _, env = process
        second = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "lumina_api.gateway"],
            env=env,
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert second.returncode == 1
        assert "LUMINA_OTLP_GRPC_PORT" in second.stderr

    async def test_what_was_answered_200_survives_kill_9(
        self, process: Any, gateway: Any, eventually: Any
    ) -> None:
        child, client, _ = process
        kept: list[int] = []

        async def send(first: int) -> None:
            for number in range(first, first + 10_000):
                try:
                    response = await client.post("/v1/traces", content=request_of(number), headers=PROTOBUF)
                except httpx.TransportError:
                    return
                assert response.status_code == 200
                kept.append(number)

        senders = [asyncio.create_task(send(first)) for first in (0, 100_000, 200_000)]
        await eventually(lambda: len(kept) > 100, 20, "nothing was kept")
        os.kill(child.pid, signal.SIGKILL)
        await asyncio.gather(*senders)
        bodies = {message.value for message in await gateway.landed()}
        assert {number for number in kept if request_of(number) not in bodies} == set()


@asynccontextmanager
async def relay(port: int, target: str) -> AsyncIterator[None]:
    """Connections to a local port go on to `host:port` of another."""
    host, _, number = target.partition(",")[0].rpartition(":")
    tasks: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward_writer = await asyncio.open_connection(host, int(number))
        for task in (
            asyncio.create_task(pump(reader, onward_writer)),
            asyncio.create_task(pump(onward_reader, writer)),
        ):
            tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", port)
    try:
        yield
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
