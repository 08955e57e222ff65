"""What people decide through REST, by the whole round: router, log, detection, alerts, views, and back."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from api.backtest.recorded import recorded
from api.rest.changes.running import serving
from e2e.stack import Stack, eventually
from lumina_schemas.control import Mark
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SPANS


async def eventually_there(check: Callable[[], Awaitable[bool]], what: str) -> None:
    await eventually(check, 40, lambda: what)


async def test_marks_and_actions_reach_detection_and_come_back(stack: Stack, settings: Settings) -> None:
    """The whole round: REST, commands, router, spans, detect, alerts, views, REST."""
    spans = list(recorded(420, dear_from=350))
    home = partition_of(spans[0].series_id, settings.partitions)
    _, _, _ = await stack.start("stream", "actor", "api")
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        value = b"\n".join(map(msgspec.json.encode, spans))
        await producer.send_and_wait(settings.topic(SPANS), value, partition=home)
    found: list[Any] = []

    async def opened() -> bool:
        found[:] = (await stack.get("/api/v1/alerts"))["items"]
        return bool(found)

    await eventually_there(opened, "no alert")
    path = f"/api/v1/alerts/{found[0]['id']}"
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=20) as client:

        async def post(action: str, body: Any, expect: int = 200) -> Any:
            response = await client.post(f"{path}/{action}", json=body)
            assert response.status_code == expect, response.text
            return response.json()

        acked = await post("acknowledge", {"note": "mine"})
        assert (acked["state"], acked["history"][-1]["by"]) == ("acknowledged", "anonymous")
        judged = await post("feedback", {"feedback": "noise"})
        assert (judged["state"], judged["feedback"]) == ("acknowledged", "noise")
        resolved = await post("resolve", {})
        assert (resolved["state"], resolved["reason"], resolved["feedback"]) == (
            "resolved",
            "manual",
            "noise",
        )
        useful = await post("feedback", {"feedback": "useful", "note": "after all"})
        assert (useful["state"], useful["feedback"]) == ("resolved", "useful")
        assert useful["history"][-1]["note"] == "useful: after all"
        mark_id = str(uuid.uuid4())
        mark = {"text": "release 1.4", "project": "shop", "id": mark_id, "at": "2026-01-01T12:00:00Z"}
        made = await client.post("/api/v1/marks", json=mark)
        assert made.status_code == 201, made.text
        position = made.headers["lumina-position"]
        assert position.startswith(settings.topic(SPANS) + ":")
        again = await client.post("/api/v1/marks", json=mark | {"text": "another"})
        assert (again.status_code, again.json()["text"]) == (200, "release 1.4")
        assert (await client.get(f"/api/v1/marks/{mark_id}")).json() == made.json()
        async with serving(settings, stack.logs / "other.duckdb", follow=False) as other:
            listed = await other.get("/api/v1/marks", at_least=position)
            assert [one["id"] for one in listed["items"]] == [mark_id]
        assert msgspec.convert(made.json(), Mark).by == "anonymous"
