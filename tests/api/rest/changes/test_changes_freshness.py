"""The freshness contract: a write is seen by its writer, by replicas that wait for it, or is said to pend."""

import asyncio
import socket
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from api.rest.changes.running import Api, serving
from lumina_api.provision import provision
from lumina_api.rest import doors
from lumina_api.rest.changes import change, marks
from lumina_api.stack.broker import running_broker
from lumina_api.stack.ports import free_port
from lumina_schemas.settings import Settings

RULE = {"project": "shop", "cost_spike_pct": 50.0}


@pytest.mark.kafka
async def test_what_is_written_on_one_replica_is_read_on_another_that_waits_for_it(
    settings: Settings, tmp_path: Path
) -> None:
    async with (
        serving(settings, tmp_path / "a.duckdb") as one,
        serving(settings, tmp_path / "b.duckdb") as two,
    ):
        for number in range(6):
            writing, reading = (one, two) if number % 2 else (two, one)
            path = f"/api/v1/rules/r{number}"
            await writing.put(path, RULE)
            assert (await reading.get(path, at_least=writing.position))["value"]["project"] == "shop"
        await one.delete("/api/v1/rules/r0")
        await two.get("/api/v1/rules/r0", 404, at_least=one.position)
        every = [f"{settings.topic('settings')}:{number}:0" for number in range(settings.partitions)]
        items = (await two.get("/api/v1/rules", at_least=[one.position, every[0]]))["items"]
        assert len(items) == 5


@pytest.mark.kafka
async def test_a_position_that_is_not_reached_is_a_503_that_says_how_far(
    api: Api, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doors, "FRESH_WITHIN_S", 0.3)
    await api.put("/api/v1/rules/r", RULE)
    topic, partition, offset = api.position.rsplit(":", 2)
    ahead = f"{topic}:{partition}:{int(offset) + 7}"
    for path in (
        "rules",
        "rules/r",
        "traces",
        "calls",
        "costs/summary",
        "errors",
        "series",
        "alerts",
        "alerts/x",
        "traces/x",
    ):
        problem = await api.get(f"/api/v1/{path}", 503, at_least=ahead)
        assert api.headers["retry-after"] == "1"
        assert f"read up to offset {offset} of {topic}, partition {partition}" in problem["detail"]
    nothing = await api.get("/api/v1/rules", 503, at_least=f"{settings.topic('spans')}:99:0")
    assert "read nothing yet of" in nothing["detail"]
    both = await api.get("/api/v1/rules", 503, at_least=[f"{topic}:{partition}:{offset}", ahead])
    assert f"offset {int(offset) + 7} is not there" in both["detail"]


@pytest.mark.kafka
async def test_positions_that_are_none_are_refused(api: Api, settings: Settings) -> None:
    for text in ("", "x", "a:b:c", "a:1:-1", f"{settings.topic('settings')}:1", "a" * 250 + ":1:1"):
        problem = await api.get("/api/v1/rules", 422, at_least=text)
        assert problem["errors"][0]["parameter"] == "at_least"
    for topic in ("settings", settings.topic("commands"), settings.topic("otlp")):
        problem = await api.get("/api/v1/rules", 422, at_least=f"{topic}:0:0")
        assert "the views read" in problem["detail"]
    await api.get("/health", 422, at_least=f"{settings.topic('settings')}:0:0")
    await api.put("/api/v1/rules/r?at_least=x:0:0", RULE, 422)


@pytest.mark.kafka
async def test_views_that_do_not_follow_make_it_pending(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (change, marks):
        monkeypatch.setattr(module, "FRESH_WITHIN_S", 0.3)
    async with serving(settings, tmp_path / "a.duckdb") as api:
        await api.put("/api/v1/rules/before", RULE)
        task = api.views._present.task
        assert task is not None
        task.cancel()  # it stands still, and its file is open
        for method, path, body in (
            ("PUT", "rules/r", RULE),
            ("DELETE", "rules/before", None),
            ("POST", "erasures", {"project": "shop", "user_id": "u"}),
            ("POST", "marks", {"text": "release"}),
        ):
            more: dict[str, Any] = {} if body is None else {"json": body}
            pending = await api.ask(method, f"/api/v1/{path}", 202, **more)
            topic = "commands" if path == "marks" else "settings"
            assert pending["topic"] == settings.topic(topic)
            assert {"partition", "offset", "detail"} < pending.keys()
            if topic == "settings":
                assert api.position == f"{pending['topic']}:{pending['partition']}:{pending['offset']}"
        made = await api.ask("POST", "/api/v1/keys", 202, json={"scopes": ["read"]})
        assert made["key"].startswith("lk_"), "its secret cannot be had again"
        async with serving(settings, tmp_path / "b.duckdb") as other:
            assert (await other.get("/api/v1/rules/r"))["value"]["project"] == "shop"
            await other.get("/api/v1/rules/before", 404)


async def in_time(api: Api, method: str, path: str, **more: Any) -> Any:
    began = time.monotonic()
    problem = await api.ask(method, path, 503, **more)
    assert time.monotonic() - began < 2
    assert api.headers["retry-after"] == "2"
    return problem


async def test_kafka_that_is_not_there_or_hangs_is_a_503_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections, and never answers
        for port in (hanging.getsockname()[1], free_port()):
            settings = Settings(kafka_bootstrap_servers=f"127.0.0.1:{port}")
            async with serving(settings, tmp_path / f"{port}.duckdb", follow=False) as api:
                while api.views._store is None:
                    await asyncio.sleep(0.02)
                problem = await in_time(api, "PUT", "/api/v1/rules/r", json=RULE)
                assert "Nothing was written" in problem["detail"]
                await in_time(api, "POST", "/api/v1/marks", json={"text": "release"})
                await in_time(api, "POST", "/api/v1/keys", json={"scopes": ["read"]})


async def test_writes_go_on_when_the_broker_is_back(tmp_path: Path) -> None:
    """A broker of the test's own: the suite's serves others."""
    port = free_port()
    settings = Settings(kafka_bootstrap_servers=f"127.0.0.1:{port}", partitions=2, replication=1)
    with ExitStack() as broker:
        await asyncio.to_thread(broker.enter_context, running_broker(tmp_path / "kafka", port))
        await provision(settings)
        async with serving(settings, tmp_path / "views.duckdb") as api:
            await api.put("/api/v1/rules/r", RULE)
            before = api.position
            await asyncio.to_thread(broker.close)
            for _ in range(3):
                await in_time(api, "PUT", "/api/v1/rules/r", json=RULE | {"cooldown_s": 1})
            got = await api.get("/api/v1/rules/r", at_least=before)
            assert got["value"]["cost_spike_pct"] == 50, "what was read stays readable"
            await asyncio.to_thread(broker.enter_context, running_broker(tmp_path / "kafka", port))

            async def written() -> bool:
                response = await api.client.put("/api/v1/rules/r", json=RULE | {"cooldown_s": 2})
                return response.status_code == 200

            deadline = time.monotonic() + 60
            while not await written():
                assert time.monotonic() < deadline, "writes do not go on"
                await asyncio.sleep(0.1)
            assert (await api.get("/api/v1/rules/r"))["value"]["cooldown_s"] == 2
