"""A gateway on free ports of 127.0.0.1 in front of a real Kafka, and a plain consumer behind it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from grpc import aio

from lumina_api.gateway.app import create_app
from lumina_api.gateway.doorway import Doorway
from lumina_api.gateway.grpc import create_server
from lumina_api.gateway.sink import Sink
from lumina_api.stack.ports import free_port
from lumina_schemas.settings import Settings
from lumina_schemas.topics import OTLP, Topic
from topic_log import everything

READY_S = 20.0


@dataclass
class Gateway:
    """A gateway under test."""

    settings: Settings
    sink: Sink
    doorway: Doorway
    http_port: int
    grpc_port: int
    client: httpx.AsyncClient
    channel: Any
    services: dict[str, str] = field(
        default_factory=lambda: {
            "traces": "trace.v1.TraceService",
            "logs": "logs.v1.LogsService",
            "metrics": "metrics.v1.MetricsService",
        }
    )

    async def post(self, path: str, body: bytes, kind: str = "application/x-protobuf", **more: str) -> Any:
        headers = {"content-type": kind} | {name.replace("_", "-"): value for name, value in more.items()}
        return await self.client.post(path, content=body, headers=headers)

    async def call(self, signal: str, body: bytes, **more: Any) -> bytes:
        export = self.channel.unary_unary(f"/opentelemetry.proto.collector.{self.services[signal]}/Export")
        answer: bytes = await export(body, timeout=10, **more)
        return answer

    async def landed(self, topic: Topic = OTLP) -> list[Any]:
        """Every message in a landing topic, by partition and offset."""
        return await everything(self.settings, self.settings.topic(topic))


@asynccontextmanager
async def running(settings: Settings, now: Callable[[], float] = time.time) -> AsyncIterator[Gateway]:
    """A gateway with these settings on free ports; whether Kafka is there is not waited for."""
    http_port, grpc_port = free_port(), free_port()
    sink = Sink(settings)
    doorway = Doorway(settings, sink, now)
    config = uvicorn.Config(
        create_app(doorway),
        port=http_port,
        http="httptools",
        loop="none",
        lifespan="off",
        log_level="warning",
    )
    server = uvicorn.Server(config)
    grpc_server = create_server(doorway, f"127.0.0.1:{grpc_port}")
    await doorway.start()
    await grpc_server.start()
    serving = asyncio.create_task(server._serve())
    await eventually(lambda: server.started, 5, "the HTTP server does not start")
    try:
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{http_port}", timeout=20) as client,
            aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel,
        ):
            yield Gateway(settings, sink, doorway, http_port, grpc_port, client, channel)
    finally:
        server.should_exit = True
        await serving
        await grpc_server.stop(1)
        await doorway.stop()


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[Gateway]:
    """A gateway that is ready."""
    async with running(settings) as started:
        await eventually(lambda: not started.doorway.reasons, READY_S, "the gateway is not ready")
        yield started


async def eventually(condition: Callable[[], Any], deadline_s: float, what: str) -> None:
    """Wait for a condition, plain or awaitable; fails with `what` when the deadline passes."""
    deadline = asyncio.get_running_loop().time() + deadline_s
    while True:
        held = condition()
        if await held if isinstance(held, Awaitable) else held:
            return
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


@pytest.fixture
def running_gateway() -> Any:
    """`running`, for tests that need settings of their own."""
    return running


@pytest.fixture(name="eventually")
def eventually_fixture() -> Any:
    """`eventually`, as importing from a conftest is not possible."""
    return eventually
