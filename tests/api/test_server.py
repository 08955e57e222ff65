"""The API process as it is started: views, REST and OTLP on one port; stopped, killed, locked out."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from api.views.span_lines import Log, span
from lumina_api.stack.ports import free_port
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import OTLP

pytestmark = pytest.mark.kafka

DEADLINE_S = 30.0
EVER = {"since": "1970-01-01T00:00:00Z"}


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not await condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


class Server:
    """One API process and a client of it."""

    def __init__(self, env: dict[str, str], log: Path) -> None:
        port = free_port()
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lumina_api.server"],
                env=env | {"LUMINA_PORT": str(port)},
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        self.log = log
        self.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10)

    async def ready(self) -> tuple[int, Any]:
        """Status and body of /ready; 0 while nobody listens."""
        assert self.process.poll() is None, self.log.read_text()[-2000:]
        try:
            response = await self.client.get("/ready")
        except httpx.TransportError:
            return 0, {}
        return response.status_code, response.json()

    async def calls(self) -> int:
        response = await self.client.get("/api/v1/costs/breakdown", params=EVER)
        assert response.status_code == 200, response.text
        return int(response.json()["totals"]["calls"])


@asynccontextmanager
async def serving(env: dict[str, str], log: Path, wait: bool = True) -> AsyncIterator[Server]:
    server = Server(env, log)

    async def is_ready() -> bool:
        return (await server.ready())[0] == 200

    try:
        if wait:
            await until(is_ready, f"never ready:\n{log.read_text()[-2000:]}")
        yield server
    finally:
        server.process.kill()
        server.process.wait()
        await server.client.aclose()


async def produce(settings: Settings, log: Log, first: int, count: int) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for number in range(first, first + count, 20):
            record = log.spans([span(n) for n in range(number, number + 20)])
            await producer.send(settings.topic("spans"), record.value, partition=number // 20 % 4)


async def test_it_answers_takes_otlp_and_stops_cleanly(
    settings: Settings, child_env: dict[str, str], tmp_path: Path
) -> None:
    await produce(settings, Log(), 0, 200)
    async with serving(child_env, tmp_path / "api.log") as server:
        assert await server.calls() == 200
        assert (await server.client.get("/health")).json() == {"status": "ok"}
        _, page = await server.ready()
        assert {topic["topic"]: topic["replayed"] for topic in page["topics"]}[settings.topic("spans")] == 1
        metrics = (await server.client.get("/metrics")).text.splitlines()
        assert f'lumina_views_replayed_ratio{{topic="{settings.topic("spans")}"}} 1.0' in metrics
        assert 'lumina_views_stopped{cause="disk_full"} 0.0' in metrics
        assert "lumina_views_ready 1.0" in metrics
        request = ExportTraceServiceRequest()
        request.resource_spans.add().scope_spans.add().spans.add(
            trace_id=b"t" * 16, span_id=b"s" * 8, name="chat", start_time_unix_nano=1, end_time_unix_nano=2
        )
        body = request.SerializeToString()

        async def accepted() -> bool:
            response = await server.client.post(
                "/v1/traces", content=body, headers={"content-type": "application/x-protobuf"}
            )
            assert response.status_code in (200, 503), response.text
            return response.status_code == 200

        await until(accepted, "OTLP is not taken")
        (used,) = (await server.client.get("/api/v1/usage")).json()["items"]
        assert (used["project"], used["traces"], used["limit"]) == ("default", 1, 50_000)
        assert (await server.client.get("/v1/nothing")).headers["content-type"] == "application/problem+json"
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0
    async with AIOKafkaConsumer(
        settings.topic(OTLP), **client_options(settings), auto_offset_reset="earliest"
    ) as consumer:
        assert (await asyncio.wait_for(consumer.getone(), 10)).value == body


async def test_a_second_process_on_the_same_file_says_so_and_waits(
    settings: Settings, child_env: dict[str, str], tmp_path: Path
) -> None:
    async with (
        serving(child_env, tmp_path / "first.log") as first,
        serving(child_env, tmp_path / "second.log", wait=False) as second,
    ):

        async def says_who() -> bool:
            status, body = await second.ready()
            return status == 503 and f"pid {first.process.pid}" in body["reasons"][0]

        await until(says_who, "it does not say who has the file")
        response = await second.client.get("/api/v1/calls")
        assert response.status_code == 503
        assert "in use by another process" in response.json()["detail"]
        first.process.kill()

        async def takes_over() -> bool:
            return (await second.ready())[0] == 200

        await until(takes_over, "it does not take the file over")
