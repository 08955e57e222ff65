"""Kafka away, stopped or stalled: what the gateway knows of it and says. Attacks are in tests/faults."""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from grpc import aio
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from faults.broker import OwnKafka
from faults.proxy import Proxy
from lumina_api.provision import provision
from lumina_api.stack.ports import free_port
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


@pytest.fixture
async def local_kafka(tmp_path: Path) -> AsyncIterator[OwnKafka]:
    broker = OwnKafka(tmp_path / "kafka")
    await broker.start()
    yield broker
    broker.kill()


@pytest.fixture
async def own(local_kafka: OwnKafka) -> Settings:
    """Settings for that broker, topics made."""
    own = Settings(kafka_bootstrap_servers=local_kafka.bootstrap_servers, partitions=4, replication=1)
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
    own: Settings, local_kafka: OwnKafka, running_gateway: Any, eventually: Any
) -> None:
    kept: list[int] = []
    async with running_gateway(own) as gateway:
        await eventually(lambda: not gateway.doorway.reasons, 20, "not ready")
        for number in range(5):
            assert (await answer(gateway, number))[0] == 200
            kept.append(number)

        local_kafka.pause()
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

        local_kafka.resume()
        await eventually(lambda: not gateway.doorway.reasons, 15, "not ready again")
        for number in range(200, 205):
            assert (await answer(gateway, number))[0] == 200
            kept.append(number)
        bodies = [message.value for message in await gateway.landed()]
        for number in kept:
            assert bodies.count(request_of(number)) == 1


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
        # Bootstrap through the door; the broker then names its own port.
        host, _, port = settings.kafka_bootstrap_servers.partition(",")[0].rpartition(":")
        async with Proxy(int(port), door, host):
            await eventually(lambda: not gateway.doorway.reasons, 15, gateway.sink.reason)
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
