"""Each judged call leaves one line on `lumina.scores`, before its series' state is written."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from faust.events import Event
from faust.types.tuples import ConsumerMessage

from e2e.otlp_calls import Call, normal_calls, refused, request
from lumina_schemas.kafka import client_options
from lumina_schemas.score import QualityReason, Score
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Span
from lumina_schemas.topics import DLQ, SCORES, SPANS
from lumina_streams.agents.detect import Detector
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.quality.score import Verdict, judge
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.metrics import Metrics
from streams.agents.sender import Sender
from streams.agents.table import Table
from topic_log import everything

pytestmark = pytest.mark.kafka

JUDGE = "lumina_streams.core.series.step.judge"
NOW_NS = 1_800_000_000_000_000_000


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as running:
        yield running


def detector_of(settings: Settings, producer: AIOKafkaProducer, table: Table | None = None) -> Detector:
    app = cast(Any, SimpleNamespace(producer=Sender(producer)))
    return Detector(app, cast(Any, Table() if table is None else table), settings, Metrics())


def spans_of(calls: list[Call]) -> list[Span]:
    """Spans of these calls, each a landed message of its own."""
    prices = PriceBook()
    return [
        span
        for offset, call in enumerate(calls)
        for span in normalise(request([call]), Landing("e" * 32, "otlp", 0, offset), prices).spans
    ]


def calls_of(count: int) -> list[Call]:
    return normal_calls(random.Random(4), count, NOW_NS)


def event(settings: Settings, offset: int, spans: list[Span]) -> Event[bytes]:
    value = b"\n".join(msgspec.json.encode(span) for span in spans)
    message = ConsumerMessage(settings.topic(SPANS), 2, offset, 0.0, 0, [], None, value, None)
    return Event(None, None, value, {}, message)


async def messages(settings: Settings) -> list[list[Score]]:
    """What lies on `lumina.scores`, a list a message, whichever partitions they went to."""
    return [
        [msgspec.json.decode(line, type=Score) for line in record.value.split(b"\n")]
        for record in await everything(settings, settings.topic(SCORES))
        if record.value is not None
    ]


async def scores(settings: Settings) -> list[Score]:
    found = [score for message in await messages(settings) for score in message]
    return sorted(found, key=lambda score: (score.start_ns, score.span_id))


async def test_every_judged_call_of_a_run_is_in_one_message(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    first, *others = calls_of(5)
    refusal, unanswered = spans_of([*others, refused(first)])[-1], spans_of([*others, first])[0]
    unanswered = msgspec.structs.replace(unanswered, output_messages=(), input_messages=(), system="")
    tool = msgspec.structs.replace(spans_of(others)[1], kind="tool", priced=False)
    good = spans_of(others)[2]
    detector = detector_of(settings, producer)
    await detector.process([event(settings, 0, [unanswered, tool, good]), event(settings, 1, [refusal])])
    (message,) = await messages(settings)
    wanted: list[tuple[Span, float, QualityReason]] = [(good, 1.0, ""), (refusal, 0.1, "refusal")]
    assert message == [
        Score(
            v=1,
            project="e2e",
            series_id=of.series_id,
            trace_id=of.trace_id,
            span_id=of.span_id,
            start_ns=of.start_ns,
            quality=quality,
            quality_tier="signs",
            quality_reason=reason,
        )
        for of, quality, reason in wanted
    ]
    assert detector.metrics["scores"] == 2


async def test_a_run_without_judged_calls_sends_nothing(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    (span,) = spans_of(calls_of(1))
    silent = msgspec.structs.replace(span, output_messages=(), input_messages=(), system="")
    await detector_of(settings, producer).process([event(settings, 0, [silent])])
    assert await messages(settings) == []


async def test_likeness_to_earlier_answers_is_told_in_four_digits(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    calls = [replace(call, question="Which is the capital of France?") for call in calls_of(120)]
    odd = replace(calls[-1], answer="Sharks have swum in every ocean for four hundred million years.")
    detector = detector_of(settings, producer)
    for offset, span in enumerate(spans_of([*calls[:-1], odd])):
        await detector.process([event(settings, offset, [span])])
    found = await scores(settings)
    assert len(found) == 120
    last = found[-1]
    assert last.quality < 0.7
    assert last.quality_tier != "signs"
    assert last.quality_reason
    assert all(round(score.quality, 4) == score.quality for score in found)


async def test_a_call_that_fails_has_none_and_its_neighbours_have_theirs_once(
    settings: Settings, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The series is made anew from the run's other calls: their scores are on the way already."""
    spans = spans_of(calls_of(7))
    bad = spans[4]

    def brittle(call: Any, *others: Any) -> Verdict | None:
        if call.span_id == bad.span_id:
            raise ZeroDivisionError("a prompt")
        return judge(call, *others)

    monkeypatch.setattr(JUDGE, brittle)
    await detector_of(settings, producer).process([event(settings, 0, spans)])
    assert [score.span_id for score in await scores(settings)] == [
        span.span_id for span in spans if span is not bad
    ]
    assert len(await everything(settings, settings.topic(DLQ))) == 1


async def test_what_was_counted_already_is_not_judged_again(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    spans = spans_of(calls_of(6))
    detector = detector_of(settings, producer)
    await detector.process([event(settings, 0, spans)])
    again = msgspec.structs.replace(spans[5], src=Source("d" * 32, "dlq", 1, 5, 0))
    await detector.process([event(settings, 0, spans), event(settings, 1, [again])])
    assert [score.span_id for score in await scores(settings)] == [span.span_id for span in spans]


class TornTable(Table):
    """A table of a worker that dies when it is about to write."""

    async def write(self, partition: int, key: bytes, value: bytes) -> None:
        raise SystemExit


async def test_after_a_crash_before_the_write_the_same_lines_come_again(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    """Scores are on Kafka when the state that knows their calls is written, so none can be missing."""
    spans = spans_of([*calls_of(6)[:5], refused(calls_of(6)[5])])
    with pytest.raises(SystemExit):
        await detector_of(settings, producer, TornTable()).process([event(settings, 0, spans)])
    before = await scores(settings)
    assert [score.span_id for score in before] == [span.span_id for span in spans]
    await detector_of(settings, producer).process([event(settings, 0, spans)])
    assert await scores(settings) == [score for score in before for _ in range(2)]


async def test_a_large_run_is_split_into_messages_that_kafka_takes(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    small = settings.model_copy(update={"max_message_bytes": 10_000})
    spans = spans_of(calls_of(120))
    await detector_of(small, producer).process([event(settings, 0, spans)])
    found = await messages(settings)
    assert len(found) > 1
    assert max(len(b"\n".join(map(msgspec.json.encode, message))) for message in found) <= 9_000
    assert [score.span_id for score in await scores(settings)] == [span.span_id for span in spans]
