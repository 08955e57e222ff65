"""A backtest of what lumina.spans retains raises the very alerts that detect raised, record for record."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from api.backtest.recorded import START_NS, recorded
from lumina_api.backtest.overrides import Overrides
from lumina_api.backtest.replay import Replay, alerts_fired
from lumina_api.backtest.summary import Raised, compared
from lumina_api.backtest.trial import Trial
from lumina_schemas.alert import Alert
from lumina_schemas.control import COMMAND, MARK, TICK, Reached, SeriesCommand, SeriesMark, Tick
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of, series_id
from lumina_schemas.rule import RULES, Rule, RuleChange
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.topics import ALERTS, SPANS, TYPE_HEADER
from lumina_streams.agents.detect import Detector
from lumina_streams.core.series.rules import Rules
from lumina_streams.metrics import Metrics
from streams.agents.sender import Sender
from streams.agents.table import Table
from topic_log import everything

pytestmark = pytest.mark.kafka

HOME = 2  # the one partition that the table of the test gains
START_MS = START_NS // 10**6
HOUR_MS = 3_600_000

Message = tuple[bytes, bytes | None]


def endpoints(partitions: int, count: int) -> list[str]:
    """Names of endpoints whose series live on the partition."""
    names = (f"e{number}" for number in range(10_000))
    at_home = (
        name for name in names if partition_of(series_id("shop", "checkout", name), partitions) == HOME
    )
    return [next(at_home) for _ in range(count)]


def log_of(partitions: int) -> Iterator[Message]:
    """Three series with incidents, ticks that tell active series, rules and a mark, in batches."""
    rng = random.Random(8)
    spans = [
        span
        for seed, name in enumerate(endpoints(partitions, 3))
        for span in recorded(500, endpoint=name, seed=seed, dear_from=300, dear_until=400, times=2.0 + seed)
    ]
    spans.sort(key=lambda span: span.start_ns)
    done = ticks = 0

    def tick(ms: int) -> Message:
        nonlocal ticks
        ticks += 1
        reached = (Reached("otlp", 0, ticks, ms),)
        told = Tick(v=1, sources={"otlp": 1}, reached=reached, series={"shop": 3 * ticks})
        return msgspec.json.encode(told), TICK

    yield tick(START_MS)
    while done < len(spans):
        batch = spans[done : done + rng.randrange(1, 40)]
        done += len(batch)
        yield b"\n".join(msgspec.json.encode(span) for span in batch), None
        yield tick(batch[-1].start_ns // 10**6)
        if rng.random() < 0.2:
            rule = Rule(v=1, cost_spike_pct=rng.choice([20, 60, 150]), silent_after_s=7_200)
            src = Source("settings", "control", 0, done, 0)
            yield msgspec.json.encode(RuleChange(v=1, id="a", src=src, rule=rule)), RULES
        if rng.random() < 0.1:
            at = datetime.fromtimestamp(batch[-1].start_ns // 10**9, UTC)
            mark = SeriesMark(
                v=1,
                type="mark",
                id=f"{done}",
                text="x",
                at=at,
                by="ada",
                src=Source("c", "control", 0, done, 0),
            )
            yield msgspec.json.encode(mark), MARK
    yield tick(spans[-1].start_ns // 10**6 + 3 * HOUR_MS)


def record_for_record(alerts: list[Alert]) -> dict[tuple[str, int], Alert]:
    return {(one.id, one.rev): msgspec.structs.replace(one, detected_at="") for one in alerts}


@pytest.mark.parametrize("with_commands", [False, True])
async def test_it_raises_what_detect_raised(settings: Settings, with_commands: bool) -> None:
    topic = settings.topic(SPANS)
    limit = settings.max_message_bytes + 100_000
    async with AIOKafkaProducer(**client_options(settings), max_request_size=limit, acks="all") as producer:

        async def write(messages: list[Message]) -> None:
            for value, kind in messages:
                headers = [(TYPE_HEADER, kind)] if kind else []
                await producer.send_and_wait(topic, value, partition=HOME, headers=headers)

        app = cast(Any, SimpleNamespace(producer=Sender(producer)))
        detector = Detector(app, cast(Any, Table()), settings, Metrics())
        worked = 0

        async def detect() -> None:
            nonlocal worked
            records = (await everything(settings, topic))[worked:]
            worked += len(records)
            for begin in range(0, len(records), 7):
                await detector.process(
                    [cast(Any, SimpleNamespace(message=r)) for r in records[begin : begin + 7]]
                )

        messages = list(log_of(settings.partitions))
        middle = len(messages) * 7 // 10  # among the incidents
        await write(messages[:middle])
        await detect()
        raised = [alert for alert in await alerts_fired(settings) or () if alert.state == "open"]
        assert raised
        if with_commands:
            alert = raised[0]
            asked = SeriesCommand(
                v=1, type="acknowledge", alert_id=alert.id, series_id=alert.series_id, by="ada"
            )
            await write([(msgspec.json.encode(asked), COMMAND)])
        await write(messages[middle:])
        await detect()

    fired = [
        msgspec.json.decode(record.value, type=Alert)
        for record in await everything(settings, settings.topic(ALERTS))
    ]
    tried: list[Alert] = []
    trial = Trial(Rules.from_settings(settings), Overrides(), tried.append, "now")
    replay = Replay(settings, [trial], lambda: None)
    await replay.spans(2**62, with_commands=with_commands)
    assert replay.unreadable == 0
    assert trial.calls == 1_500
    assert record_for_record(tried) == record_for_record(fired)
    assert {alert.reason for alert in tried} & {"recovered", "silent"}
    assert with_commands == any(step.by == "ada" for alert in tried for step in alert.history)
    newest = {one.id: Raised.of(one) for one in tried}
    found = compared(newest.values(), [Raised.of(one) for one in await alerts_fired(settings) or ()])
    assert found.same == found.fired == len(newest)
    assert found.only_now == found.only_then == []
