"""`lumina baselines` beside a real worker: what it says is what the calls were."""

import asyncio
import json
import random
import subprocess
import sys
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from e2e.otlp_calls import normal_calls, request
from e2e.stack import Stack, eventually
from lumina_api.baselines import known_series
from lumina_api.series_baselines import SeriesBaselines
from lumina_schemas.baseline import SeriesBaseline
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of, series_id
from lumina_schemas.topics import DETECT_CHANGELOG, OTLP, SETTINGS
from lumina_streams.core.baseline.spend import SLOT_MS
from lumina_streams.core.series.keys import hot_key
from lumina_streams.core.series.revision import Revision, revised
from lumina_streams.core.series.state import SeriesState

SEEN_S = 40.0
OLD, YOUNG = 256, 40


def lumina(stack: Stack, *words: str, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", "from lumina_api.cli import app; app()", "baselines", *words],
        env=stack.env | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


async def told(stack: Stack) -> dict[str, SeriesBaseline]:
    now_ms = time.time_ns() // 1_000_000
    return {one.endpoint: one async for one in known_series(stack.settings, lambda _: True, now_ms)}


async def test_it_says_what_each_series_is_used_to(stack: Stack) -> None:
    settings = stack.settings
    await stack.start("stream", "actor")
    assert lumina(stack).stdout == "No such series has any calls yet.\n"
    rng = random.Random(8)
    # Whenever this runs, five minutes are over long before the last call: spend is told of whole ones.
    slot_ns = SLOT_MS * 1_000_000
    now_ns = time.time_ns() // slot_ns * slot_ns - slot_ns // 2
    calls = normal_calls(rng, OLD, now_ns, endpoint="old")
    calls += normal_calls(rng, YOUNG, now_ns, endpoint="young\x1b[2J")
    rule: dict[str, Any] = {"v": 1, "project": "e2e", "endpoint": "old", "min_samples": 240}
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(settings.topic(SETTINGS), json.dumps(rule).encode(), key=b"rules/r1")
        for start in range(0, len(calls), 8):
            body = request(calls[start : start + 8]).SerializeToString()
            await producer.send_and_wait(settings.topic(OTLP), body, partition=0)

    found: dict[str, SeriesBaseline] = {}

    async def learned() -> bool:
        found.clear()
        found.update(await told(stack))
        states = {(one.calls, one.state, one.wanted) for one in found.values()}
        return states == {(OLD, "ready", 240), (YOUNG, "learning", 200)}

    await eventually(learned, SEEN_S, lambda: f"{found}")
    old, young = found["old"], found["young\x1b[2J"]
    cost = next(one for one in old.measures if one.measure == "cost").windows[-1]
    assert (cost.window, cost.n) == ("7d", old.known)
    assert 240 <= old.known <= OLD
    inputs = sorted(call.input_tokens for call in calls[:OLD])
    tokens = next(one for one in old.measures if one.measure == "input_tokens").windows[-1]
    assert tokens.p50 is not None
    assert abs(tokens.p50 / inputs[OLD // 2] - 1) < 0.04
    assert young.progress.startswith(f"learning ({young.known}/200, about ")

    now_ms = time.time_ns() // 1_000_000
    assert [one async for one in known_series(settings, lambda _: True, now_ms, old.series_id)] == [old]
    known = SeriesBaselines(settings)
    assert await asyncio.to_thread(known.of, young.series_id) == (young, None)
    absent = await asyncio.to_thread(known.of, "0" * 16)
    assert absent.baseline is None and "Detection does not know this series" in str(absent.missing)

    (line,) = lumina(stack, "--json", "--endpoint", "old", "--project", "e2e").stdout.splitlines()
    assert msgspec.json.decode(line, type=SeriesBaseline).known == old.known
    text = lumina(stack).stdout
    assert "/old  ready" in text and young.progress in text and "\x1b" not in text
    whole = lumina(stack, "--endpoint", "old").stdout
    for measure in ("cost, USD", "latency, ms", "input_tokens, tokens", "spend, USD/min", "errors, share"):
        assert f"\n{measure} " in whole
    assert "\nttft" not in whole  # nothing is known of it

    # A former owner's write of an earlier term, behind all others: it is older, whatever its place.
    series = old.series_id
    assert series == series_id("e2e", old.service, "old")
    empty = SeriesState.fresh(series, "e2e", old.service, "old").pack_hot()
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(
            settings.topic(DETECT_CHANGELOG),
            revised(empty, Revision(0, 99)),
            hot_key(series),
            partition_of(series, settings.partitions),
        )
    assert (await told(stack))["old"].calls == OLD
    # One of a later term counts, and what cannot be read is said.
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(
            settings.topic(DETECT_CHANGELOG),
            revised(b"\xff", Revision(2**20, 1)),
            hot_key(series),
            partition_of(series, settings.partitions),
        )
    broken = lumina(stack)
    assert broken.returncode == 1 and "Traceback" not in broken.stderr
    assert settings.topic(DETECT_CHANGELOG) in broken.stderr
