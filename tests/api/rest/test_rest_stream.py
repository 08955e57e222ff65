"""Server-sent events from real replicas on a real Kafka: what is told can be read, and any replica
resumes.
"""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.rest.conftest import Rest
from api.test_server import Server, until
from api.views.span_lines import SECOND_NS, Log, alert, span
from api.views.test_views_service import produce
from lumina_schemas.settings import Settings

pytestmark = pytest.mark.kafka

WAIT_S = 20.0


class Watch:
    """One open stream."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()
        self.last_id = ""

    async def event(self, *kinds: str) -> tuple[str, Any]:
        """The next event of one of these kinds."""
        async with asyncio.timeout(WAIT_S):
            fields: dict[str, str] = {}
            async for line in self._lines:
                if line:
                    name, _, value = line.partition(": ")
                    fields[name] = value
                    continue
                self.last_id = fields.get("id", self.last_id)
                if fields.get("event") in kinds:
                    return fields["event"], json.loads(fields["data"])
                fields = {}
        raise AssertionError("the stream has ended")


@asynccontextmanager
async def watching(server: Server, last_id: str = "", **params: Any) -> AsyncIterator[Watch]:
    headers = {"Last-Event-ID": last_id} if last_id else {}
    async with server.client.stream(
        "GET", "/api/v1/stream", params=params, headers=headers, timeout=WAIT_S
    ) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Watch(response)


@asynccontextmanager
async def replicas(env: dict[str, str], folder: Path, count: int) -> AsyncIterator[list[Server]]:
    servers = [
        Server(env | {"LUMINA_VIEWS_PATH": str(folder / f"{n}.duckdb")}, folder / f"{n}.log")
        for n in range(count)
    ]
    try:
        for server in servers:

            async def ready(server: Server = server) -> bool:
                return (await server.ready())[0] == 200

            await until(ready, "a replica is not ready")
        yield servers
    finally:
        for server in servers:
            if server.process.poll() is None:
                server.process.kill()
            server.process.wait()
            await server.client.aclose()


async def test_what_is_told_can_be_read_and_another_replica_goes_on(
    settings: Settings, child_env: dict[str, str], tmp_path: Path
) -> None:
    log = Log()
    now = time.time_ns()
    async with replicas(child_env, tmp_path, 2) as (one, two):
        async with watching(one, topics=["alerts", "traces", "pipeline"]) as watch:
            _, pipeline = await watch.event("pipeline")
            assert pipeline["ready"]
            assert {topic["topic"] for topic in pipeline["topics"]} >= {settings.topic("spans")}
            await produce(settings, log.alert(alert(1), partition=2))
            _, told = await watch.event("alert")
            read = (await one.client.get(f"/api/v1/alerts/{told['id']}")).json()
            assert read["rev"] == told["rev"]
            sent = span(3, start_ns=now - SECOND_NS)
            await produce(settings, log.spans([sent], partition=1))
            _, traces = await watch.event("traces")
            assert [item["trace_id"] for item in traces["items"]] == [sent.trace_id]
            assert traces["left_out"] == 0
            assert (await one.client.get(f"/api/v1/traces/{sent.trace_id}")).status_code == 200
            last = watch.last_id
        # While nobody watches: revisions on several partitions, of two projects.
        await produce(
            settings,
            log.alert(alert(1, rev=2), partition=2),
            log.alert(alert(2), partition=0),
            log.alert(alert(3, project="mail"), partition=3),
            log.alert(alert(1, rev=3), partition=2),
            log.spans([span(4, start_ns=now)], partition=0),
        )

        async def applied() -> bool:
            return len((await two.client.get("/api/v1/alerts")).json()["items"]) == 3

        await until(applied, "the other replica does not show the alerts")
        async with watching(two, last, topics=["alerts", "traces"]) as watch:
            missed = [(await watch.event("alert"))[1] for _ in range(4)]
            assert {(one["id"], one["rev"]) for one in missed} == {
                (alert(1).id, 2),
                (alert(2).id, 1),
                (alert(3).id, 1),
                (alert(1).id, 3),
            }
            _, traces = await watch.event("traces")
            assert [item["trace_id"] for item in traces["items"]] == [span(4).trace_id]
            await produce(settings, log.alert(alert(5), partition=1))
            assert (await watch.event("alert"))[1]["id"] == alert(5).id
        async with watching(two, topics="alerts", project="mail", last_event_id=last) as watch:
            assert (await watch.event("alert"))[1]["id"] == alert(3).id
            await produce(settings, log.alert(alert(6), partition=1), log.alert(alert(7, project="mail")))
            assert (await watch.event("alert"))[1]["id"] == alert(7).id
            # It ends with the process, at once.
            started = time.monotonic()
            two.process.send_signal(signal.SIGTERM)
            with pytest.raises((AssertionError, httpx.TransportError)):
                await watch.event("alert")
            assert await asyncio.to_thread(two.process.wait, 10) == 0
            assert time.monotonic() - started < 4


def test_wrong_ids_and_parameters_are_refused(rest: Rest) -> None:
    rest.get("/api/v1/stream", 422, last_event_id="x")
    rest.get("/api/v1/stream", 422, topics="everything")
    rest.get("/api/v1/stream", 422, nothing="1")
