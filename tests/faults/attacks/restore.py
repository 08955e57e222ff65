"""An attack by size: a table of a million changelog records has to be read before anything is processed."""

import asyncio
import random
import time
from collections.abc import Iterator

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from e2e.otlp_calls import Call as Report
from e2e.otlp_calls import normal_calls, request
from e2e.stack import Process
from faults.arena import PARTITIONS, Arena
from faults.attack import Outcome, attack
from faults.attacks.log import calls_by_series, make_anew
from faults.traffic import land
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of, series_id
from lumina_schemas.topics import DETECT_CHANGELOG
from lumina_streams.core.otlp import decode_traces
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.series.keys import cold_key, hot_key
from lumina_streams.core.series.revision import Revision, revised
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import SeriesState
from lumina_streams.core.series.step import step
from lumina_streams.core.span.normalise import Landing, normalise

RESTORED_S = 60.0
"""A table of a million records is ready within so long."""

TAUGHT = 120


@attack("a worker that has to restore a million changelog records")
async def restore(arena: Arena) -> Outcome:
    """Its page tells how far it is; afterwards every series goes on where it was."""
    settings = arena.settings
    count, series = (1_000_000, 20_000) if arena.thorough else (60_000, 2_000)
    # Uncompacted, or the cleaner would halve the work while it is being made.
    await make_anew(settings, DETECT_CHANGELOG, **{"cleanup.policy": "delete"})
    async with AIOKafkaProducer(
        **client_options(settings), acks="all", compression_type="zstd", linger_ms=20, max_batch_size=500_000
    ) as producer:
        for partition, key, value in changelog(count, series):
            await producer.send(settings.topic(DETECT_CHANGELOG), value, key, partition)
        await producer.flush()
    began = time.monotonic()
    worker = arena.stack.spawn("stream")
    told = await _told_until_ready(worker)
    outcome = Outcome(resume_s=time.monotonic() - began)
    if (outcome.resume_s or 0) > RESTORED_S:
        outcome.broken.append(f"ready after {outcome.resume_s:.0f} s")
    if not any("records to go" in reason for reason in told):
        outcome.broken.append(f"its page did not tell the progress, only {sorted(told)}")
    some = random.Random(1).sample(range(series), 40)
    calls = [_report(number) for number in some]
    await land(settings, [(number % PARTITIONS, [call]) for number, call in enumerate(calls)], seconds=1)
    expected = {_series(number): TAUGHT + 1 for number in some}
    deadline = time.monotonic() + 40
    while (counts := await calls_by_series(settings, set(expected))) != expected:
        if time.monotonic() > deadline:
            outcome.baselines = sum(counts.get(name) != calls for name, calls in expected.items())
            outcome.broken.append("series did not go on where they were")
            break
        await asyncio.sleep(0.2)
    return outcome


async def _told_until_ready(worker: Process) -> set[str]:
    """Everything that a worker's page said before it was ready."""
    told: set[str] = set()
    deadline = time.monotonic() + 3 * RESTORED_S
    async with httpx.AsyncClient() as client:
        while time.monotonic() < deadline:
            assert worker.running, worker.log.read_text()[-2000:]
            try:
                answer = await client.get(worker.ready_url)
            except httpx.HTTPError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code == 200:
                return told
            told.update(answer.json()["reasons"])
            await asyncio.sleep(0.02)
    raise TimeoutError(f"never ready: {told}")


def changelog(count: int, series: int) -> Iterator[tuple[int, bytes, bytes]]:
    """(partition, key, value) of so many records over so many series, each a state that a worker could have
    written.
    """
    learned = _learned()
    hots: list[tuple[int, bytes, bytes]] = []
    cold = learned.pack_cold()
    for number in range(series):
        name = _series(number)
        partition = partition_of(name, PARTITIONS)
        hot = msgspec.structs.replace(learned.hot, series_id=name, endpoint=f"endpoint-{number}")
        hots.append((partition, hot_key(name), SeriesState(hot, None).pack_hot()))
        yield partition, cold_key(name, learned.cold_version), revised(cold, Revision(1, 1))
    for number in range(count - series):
        partition, key, hot_bytes = hots[number % series]
        yield partition, key, revised(hot_bytes, Revision(1, 1 + number // series))


def _learned() -> SeriesState:
    calls = [
        line
        for number, call in enumerate(normal_calls(random.Random(5), TAUGHT, time.time_ns() - 10**10))
        for line in _lines(call, number)
    ]
    state = SeriesState.fresh(_series(0), calls[0].project, calls[0].service, "endpoint-0")
    for call in calls:
        assert state.positions.advance(call.src)
        step(state, call, Rules(), "")
    return state


def _lines(call: Report, offset: int) -> list[Call]:
    landing = Landing(epoch="before", origin="otlp", partition=0, offset=offset, project=None)
    spans = normalise(decode_traces(request([call]).SerializeToString()), landing, PriceBook()).spans
    decoded = [decode_line(msgspec.json.encode(span)) for span in spans]
    return [line for line in decoded if isinstance(line, Call)]


def _report(number: int) -> Report:
    (call,) = normal_calls(random.Random(number), 1, time.time_ns(), endpoint=f"endpoint-{number}")
    return call


def _series(number: int) -> str:
    return series_id("e2e", "shop", f"endpoint-{number}")
