"""A call that detect fails on leaves nothing behind but its position and a dead letter, and can come back."""

import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from e2e.otlp_calls import normal_calls, request
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Span
from lumina_schemas.topics import DLQ, SPANS
from lumina_streams.agents.detect import Detector
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.quality.score import Verdict, judge
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.keys import cold_key, hot_key
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, cold_version, step
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.metrics import Metrics
from streams.agents.sender import Sender
from streams.agents.table import Table
from topic_log import everything

pytestmark = pytest.mark.kafka

JUDGE = "lumina_streams.core.series.step.judge"
NOW_NS = 1_800_000_000_000_000_000


@pytest.fixture
async def detector(settings: Settings) -> AsyncIterator[Detector]:
    limit = settings.max_message_bytes + 100_000
    async with AIOKafkaProducer(**client_options(settings), max_request_size=limit, acks="all") as producer:
        app = cast(Any, SimpleNamespace(producer=Sender(producer)))
        yield Detector(app, cast(Any, Table()), settings, Metrics())


def spans_of(count: int) -> list[Span]:
    """Spans of one series, each a landed message of its own."""
    calls = normal_calls(random.Random(4), count, NOW_NS)
    prices = PriceBook()
    return [
        span
        for offset, call in enumerate(calls)
        for span in normalise(request([call]), Landing("e" * 32, "otlp", 0, offset), prices).spans
    ]


def event(settings: Settings, offset: int, spans: list[Span]) -> Any:
    value = b"\n".join(msgspec.json.encode(span) for span in spans)
    message = SimpleNamespace(
        topic=settings.topic(SPANS), partition=2, offset=offset, value=value, headers=[]
    )
    return SimpleNamespace(message=message)


def state_after(settings: Settings, spans: list[Span], taken: list[Source] | None = None) -> bytes:
    """The packed state of a series that applied these spans, and took some more positions."""
    rules = Rules.from_settings(settings)
    first = spans[0]
    state = SeriesState.fresh(first.series_id, first.project, first.service, first.endpoint)
    for span in spans:
        if state.positions.advance(span.src):
            step(state, msgspec.json.decode(msgspec.json.encode(span), type=Call), rules, "x")
    for src in taken or ():
        assert state.positions.advance(src)
    state.hot.cold_version = 0
    return state.pack_hot() + state.pack_cold()


def table_state(detector: Detector, series_id: str) -> SeriesState:
    hot = detector.table.read(hot_key(series_id))
    assert hot is not None
    version = cold_version(hot)
    return SeriesState.unpack(hot, detector.table.read(cold_key(series_id, version)) if version else None)


def stored(detector: Detector, series_id: str) -> bytes:
    """The packed state of the table."""
    state = table_state(detector, series_id)
    state.hot.cold_version = 0
    return state.pack_hot() + state.pack_cold()


@pytest.mark.parametrize("position", [0, 1, 30, 63, 99])
@pytest.mark.parametrize("run_length", [1, 7, 100])
async def test_it_comes_back_as_if_it_had_never_been_there(
    detector: Detector, settings: Settings, monkeypatch: pytest.MonkeyPatch, position: int, run_length: int
) -> None:
    """A step that raises halfway, anywhere in a run: the baseline is that of the log without the call."""
    spans = spans_of(100)
    bad = spans[position]
    rest = [span for span in spans if span is not bad]

    def brittle(call: Call, *others: Any) -> Verdict | None:
        if call.span_id == bad.span_id:
            raise ZeroDivisionError("a prompt")
        return judge(call, *others)

    monkeypatch.setattr(JUDGE, brittle)
    events = [event(settings, offset, [span]) for offset, span in enumerate(spans)]
    for start in range(0, len(events), run_length):
        await detector.process(events[start : start + run_length])
    (letter,) = await everything(settings, settings.topic(DLQ))
    assert letter.value == msgspec.json.encode(bad)
    headers = dict(letter.headers)
    assert headers["lumina-dlq-stage"] == b"detect"
    assert headers["lumina-dlq-error"] == b"internal error: ZeroDivisionError"
    assert headers["lumina-dlq-spans"] == b"1"
    assert letter.key == b"2:%d" % position
    series = bad.series_id
    monkeypatch.setattr(JUDGE, judge)
    last = [bad.src] if position == 99 else []
    assert stored(detector, series) == state_after(settings, rest, last)

    back = msgspec.structs.replace(bad, src=Source("d" * 32, "dlq", 1, 5, 0))
    for offset in range(2):
        await detector.process([event(settings, 100 + offset, [back])])
    state = table_state(detector, series)
    assert state.hot.calls == 100


async def test_a_call_that_fails_again_says_which_letter_it_was(
    detector: Detector, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Verdict:
        raise ZeroDivisionError

    monkeypatch.setattr(JUDGE, broken)
    (span,) = spans_of(1)
    back = msgspec.structs.replace(span, src=Source("d" * 32, "dlq", 1, 5, 0))
    await detector.process([event(settings, 9, [back])])
    (letter,) = await everything(settings, settings.topic(DLQ))
    assert dict(letter.headers)["lumina-dlq-redriven"] == b"d" * 32 + b":1:5:0"
    assert letter.key == b"1:5"


async def test_what_is_no_line_is_kept_whatever_it_is(detector: Detector, settings: Settings) -> None:
    """Too deep, too large, no JSON: the neighbours are counted."""
    (span,) = spans_of(1)
    large = b"\xff" * (settings.max_message_bytes - 100)
    for body in (b"[" * 100_000, b'{"type":"span","input_messages":' + b"[" * 100_000, large):
        value = b"\n".join((body, msgspec.json.encode(span)))
        message = SimpleNamespace(topic=settings.topic(SPANS), partition=2, offset=1, value=value, headers=[])
        await detector.process([cast(Any, SimpleNamespace(message=message))])
    letters = await everything(settings, settings.topic(DLQ))
    assert len(letters) == 3
    assert [letter for letter in letters if "lumina-dlq-cut-from" in dict(letter.headers)]
    assert detector.metrics["calls"] == 3
    assert detector.metrics["duplicate_spans"] == 2
