"""Nothing lost, nothing counted twice: kill -9, a worker that leaves and returns, views built anew."""

import asyncio
import random
import time
from pathlib import Path

import duckdb
from aiokafka import AIOKafkaProducer

from e2e.conftest import Stack, eventually
from e2e.otlp_calls import Call, dear, normal_calls, refused, request
from e2e.truth import actual_run, differences, quiet_run
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings

SERIES = 12
CALLS = 260
BAD_FROM = 230
PER_MESSAGE = 5
SETTLE_S = 60.0


def traffic(seed: int) -> list[tuple[int, list[Call]]]:
    """(landing partition, calls) messages in sending order. Each series lands on one partition, so that its
    order in the log, and with it every baseline, is known. A third of the series turns dear and bad.
    """
    rng = random.Random(seed)
    now = time.time_ns()
    messages: list[tuple[int, list[Call]]] = []
    for series in range(SERIES):
        calls = normal_calls(rng, CALLS, now, service=f"service-{series % 3}", endpoint=f"endpoint-{series}")
        if series % 3 == 0:
            calls[BAD_FROM:] = [refused(dear(call)) for call in calls[BAD_FROM:]]
        messages.extend(
            (series % 4, calls[start : start + PER_MESSAGE]) for start in range(0, CALLS, PER_MESSAGE)
        )
    messages.sort(key=lambda message: message[1][0].end_ns)
    return messages


async def land(settings: Settings, messages: list[tuple[int, list[Call]]], seconds: float) -> None:
    """Produce the messages to their landing partitions, spread over the given time."""
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **client_options(settings))
    await producer.start()
    try:
        pause = seconds / len(messages)
        for partition, calls in messages:
            body = request(calls).SerializeToString()
            await producer.send_and_wait(settings.topic("otlp"), body, partition=partition)
            await asyncio.sleep(pause)
    finally:
        await producer.stop()


async def until_equal_to_quiet_run(settings: Settings) -> None:
    """Wait until the topics hold exactly what a quiet run leaves; says what differs otherwise."""
    truth = await quiet_run(settings)
    assert len(truth.spans) == SERIES * CALLS
    assert truth.alerts, "the traffic must raise alerts, or equal alerts prove nothing"
    found: list[str] = ["nothing read yet"]

    async def equal() -> bool:
        found[:] = differences(truth, await actual_run(settings))
        return not found

    await eventually(equal, SETTLE_S, lambda: f"differs from the quiet run: {found}")


async def test_kill_9_in_mid_stream_loses_and_doubles_nothing(stack: Stack) -> None:
    (worker,) = await stack.start("stream")
    landing = asyncio.create_task(land(stack.settings, traffic(11), seconds=9))
    for pause in (2.0, 2.5):
        await asyncio.sleep(pause)  # in mid-stream: the moment of death is what is tested, not waited for
        worker.kill()
        (worker,) = await stack.start("stream")
    await landing
    await until_equal_to_quiet_run(stack.settings)


async def test_a_worker_that_leaves_and_returns_under_load_changes_nothing(stack: Stack) -> None:
    _, second = await stack.start("stream", "stream")
    landing = asyncio.create_task(land(stack.settings, traffic(12), seconds=12))
    await asyncio.sleep(3)
    assert second.stop() == 0
    await asyncio.sleep(2)
    await stack.start("stream")
    await landing
    await until_equal_to_quiet_run(stack.settings)


def rows(path: Path) -> list[tuple[object, ...]]:
    """Every row of every view in the file, sorted."""
    with duckdb.connect(str(path), read_only=True) as database:
        found: list[tuple[object, ...]] = []
        for (table,) in database.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' ORDER BY 1"
        ).fetchall():
            found.extend((table, *row) for row in database.table(table).fetchall())
        return sorted(found, key=repr)


async def test_views_rebuilt_from_nothing_are_identical(stack: Stack) -> None:
    path = stack.settings.views_path or stack.settings.data_dir / "views.duckdb"
    _, api = await stack.start("stream", "api")
    await land(stack.settings, traffic(13), seconds=3)
    await until_equal_to_quiet_run(stack.settings)

    async def complete() -> bool:
        costs = await stack.get("/api/v1/costs", project="e2e", since="2h")
        return bool(costs["totals"]["calls"] == SERIES * CALLS)

    await eventually(complete, SETTLE_S, lambda: "the views do not show every call")
    alerts = (await stack.get("/api/v1/alerts", project="e2e"))["items"]
    assert alerts
    api.stop()
    before = rows(path)
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    (api,) = await stack.start("api")
    await eventually(complete, SETTLE_S, lambda: "the rebuilt views do not show every call")
    assert (await stack.get("/api/v1/alerts", project="e2e"))["items"] == alerts
    api.stop()
    assert rows(path) == before
