"""The limit of series on real processes: what is replayed after kill -9 is in the series that it was in."""

import random
import time

import msgspec
from aiokafka import AIOKafkaProducer

from e2e.otlp_calls import normal_calls, request
from e2e.stack import Stack, eventually
from e2e.truth import records
from lumina_schemas.control import TICK, Tick
from lumina_schemas.kafka import client_options
from lumina_schemas.series import OTHER, KnownSeries
from lumina_schemas.span import Span
from lumina_schemas.topics import OTLP, SERIES, SPANS, TYPE_HEADER

SEEN_S = 40.0
LIMIT = 5
ENDPOINTS = 40


async def land(stack: Stack, seed: int) -> None:
    """A call of each endpoint, in another order each time; endpoints are named by ids that are no ids."""
    rng = random.Random(seed)
    topic = stack.settings.topic(OTLP)
    async with AIOKafkaProducer(**client_options(stack.settings), acks="all") as producer:
        for number in rng.sample(range(ENDPOINTS), ENDPOINTS):
            calls = normal_calls(rng, 1, time.time_ns(), endpoint=f"name {number}")
            partition = number % stack.settings.partitions
            await producer.send_and_wait(topic, request(calls).SerializeToString(), partition=partition)


async def written(stack: Stack) -> list[Span]:
    return [
        msgspec.json.decode(line, type=Span)
        for record in await records(stack.settings, stack.settings.topic(SPANS))
        if TYPE_HEADER not in record.headers
        for line in record.value.split(b"\n")
    ]


async def until_written(stack: Stack, count: int) -> list[Span]:
    spans: list[Span] = []

    async def there() -> bool:
        spans[:] = await written(stack)
        return len(spans) >= count

    await eventually(there, SEEN_S, lambda: f"{len(spans)} lines, not {count}")
    return spans


async def test_a_replay_after_kill_9_finds_every_span_in_its_series(stack: Stack) -> None:
    # Nothing is committed: the second worker replays all that the first one has done.
    stack.env |= {"LUMINA_MAX_SERIES": str(LIMIT), "LUMINA_COMMIT_INTERVAL_S": "600", "LUMINA_TICK_S": "0.5"}
    (worker,) = await stack.start("stream")
    await land(stack, 1)
    first = await until_written(stack, ENDPOINTS)
    worker.kill()
    await land(stack, 2)  # it lies behind what is replayed
    await stack.start("stream")
    spans = await until_written(stack, 3 * ENDPOINTS)

    series: dict[str, set[str]] = {}
    for span in spans:
        series.setdefault(span.span_id, set()).add(span.series_id)
    assert len(series) == 2 * ENDPOINTS
    assert {len(one) for one in series.values()} == {1}
    assert len({(span.span_id, span.src) for span in spans}) == 2 * ENDPOINTS
    placed = {span.endpoint for span in first if not span.endpoint_overflow}
    assert len(placed) == LIMIT
    assert {span.endpoint for span in spans} == placed | {OTHER}
    assert {span.endpoint_overflow for span in spans} == {"", "lumina.endpoint"}

    notes = [
        msgspec.json.decode(record.value, type=KnownSeries)
        for record in await records(stack.settings, stack.settings.topic(SERIES))
    ]
    assert {note.endpoint for note in notes} == placed | {OTHER}
    assert len(notes) == LIMIT + 1, "the second worker knows what the first one noted"

    counts: list[dict[str, int]] = []

    async def told() -> bool:
        counts[:] = [
            msgspec.json.decode(record.value, type=Tick).series
            for record in await records(stack.settings, stack.settings.topic(SPANS))
            if record.headers.get(TYPE_HEADER) == TICK
        ]
        return bool(counts) and counts[-1] == {"e2e": LIMIT + 1}

    await eventually(told, SEEN_S, lambda: f"ticks say {counts[-1:]}")
