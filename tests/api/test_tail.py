"""`lumina tail` and `lumina topics` against a real Kafka, as processes of their own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from lumina_api.commands.tail import describe_alert, describe_score, describe_span
from lumina_schemas.alert import Alert
from lumina_schemas.kafka import client_options
from lumina_schemas.score import Score
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Content, Message, Part, Span, SpanError
from lumina_schemas.topics import ALERTS, SCORES, SPANS, TYPE_HEADER

pytestmark = pytest.mark.kafka

SOURCE = Source("epoch", "otlp", 0, 0, 0)
CALL = Span(
    v=1,
    src=SOURCE,
    series_id="0" * 16,
    trace_id="a" * 32,
    span_id="b" * 16,
    project="shop",
    service="support",
    endpoint="answer\x1b[2J",
    name="chat",
    kind="llm",
    start_ns=1_700_000_000_123_000_000,
    duration_ms=812.4,
    response_model="gpt-5-mini",
    input_tokens=1200,
    output_tokens=80,
    cost_usd=0.00123,
    cost_status="exact",
)
TOOL = msgspec.structs.replace(CALL, span_id="c" * 16, kind="tool", project="other", cost_status=None)
CONTENT = Content(
    v=1, src=SOURCE, series_id="0" * 16, trace_id="a" * 32, span_id="b" * 16, project="shop", system="hi"
)
ALERT = Alert(
    v=1,
    rev=2,
    id="id-1",
    kind="cost_and_quality",
    state="open",
    severity="critical",
    project="shop",
    service="support",
    endpoint="answer",
    series_id="0" * 16,
    summary="Cost doubled and answers got worse \u202e",
    opened_at="2026-01-01T00:00:00Z",
    updated_at="2026-01-01T00:00:01Z",
    detected_at="2026-01-01T00:00:02Z",
    signals=(),
)

ANSWERED = msgspec.structs.replace(
    CALL, span_id="d" * 16, output_messages=(Message("assistant", (Part("text", "I cannot help."),)),)
)
SCORE = Score(
    v=1,
    project="shop",
    series_id="0" * 16,
    trace_id="a" * 32,
    span_id="d" * 16,
    start_ns=ANSWERED.start_ns,
    quality=0.1,
    quality_tier="signs",
    quality_reason="refusal",
)

Follow = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def follow(child_env: dict[str, str]) -> Iterator[Follow]:
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", "from lumina_api.cli import app; app()", *words],
            env=child_env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait(10)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    read = [process.stdout.readline() for _ in range(count)]
    assert all(read), process.communicate(timeout=10)[1]
    return read


async def send(settings: Settings) -> None:
    def ndjson(*records: Span | Content) -> bytes:
        return b"".join(msgspec.json.encode(record) + b"\n" for record in records)

    async with AIOKafkaProducer(**client_options(settings)) as producer:
        topic = settings.topic(SPANS)
        await producer.send_and_wait(topic, ndjson(TOOL, CONTENT, CALL), partition=1)
        await producer.send_and_wait(topic, b"{}", partition=1, headers=[(TYPE_HEADER, b"tick")])
        await producer.send_and_wait(topic, b"no json\x1b", partition=1)
        await producer.send_and_wait(topic, ndjson(msgspec.structs.replace(CALL, name="last")), partition=1)
        await producer.send_and_wait(settings.topic(ALERTS), msgspec.json.encode(ALERT), key=b"id-1")
        await producer.send_and_wait(settings.topic(ALERTS), None, key=b"id-0")


async def test_spans_calls_and_alerts_are_followed(settings: Settings, follow: Follow) -> None:
    await send(settings)
    spans = follow("tail", "spans", "--from-start")
    assert lines(spans, 3) == [f"{describe_span(span)}\n" for span in (TOOL, CALL, CALL)]
    calls = follow("tail", "calls", "--from-start", "--json")
    assert [json.loads(line)["name"] for line in lines(calls, 2)] == ["chat", "last"]
    others = follow("tail", "spans", "--from-start", "--project", "other")
    assert lines(others, 1) == [f"{describe_span(TOOL)}\n"]
    alerts = follow("tail", "alerts", "--from-start")
    assert lines(alerts, 1) == [f"{describe_alert(ALERT)}\n"]
    assert spans.stderr is not None
    complaint = spans.stderr.readline()
    assert complaint.startswith(f"Not readable: {settings.topic(SPANS)} partition 1 offset 2")


@pytest.mark.parametrize(("service", "shown"), [("", "shop"), ("support", "shop/support")])
def test_an_alert_of_a_project_shows_its_place(service: str, shown: str) -> None:
    said = describe_alert(msgspec.structs.replace(ALERT, kind="budget", service=service, endpoint=""))
    assert f"  {shown}  " in said


async def test_a_reader_that_has_seen_enough_is_no_error(settings: Settings, follow: Follow) -> None:
    await send(settings)
    process = follow("tail", "spans", "--from-start")
    lines(process, 1)
    assert process.stdout is not None
    process.stdout.close()  # as `| head -1` does
    await send(settings)
    assert await asyncio.to_thread(process.wait, 20) == 0
    assert process.stderr is not None
    assert "cannot be read" not in process.stderr.read()


async def test_calls_are_shown_with_their_score(settings: Settings, follow: Follow) -> None:
    """Whether it comes before its call or after it; without one after a moment."""
    later = msgspec.structs.replace(ANSWERED, span_id="e" * 16)
    alone = msgspec.structs.replace(ANSWERED, span_id="f" * 16)
    after = msgspec.structs.replace(SCORE, span_id="e" * 16, quality=0.987, quality_reason="")
    stranger = msgspec.structs.replace(SCORE, project="other")
    async with AIOKafkaProducer(**client_options(settings)) as producer:

        async def put(topic: str, *records: Span | Score | bytes) -> None:
            lines = [one if isinstance(one, bytes) else msgspec.json.encode(one) for one in records]
            await producer.send_and_wait(topic, b"\n".join(lines), partition=1)

        await put(settings.topic(SCORES), stranger, SCORE)
        await put(settings.topic(SCORES), b"no score")
        await put(settings.topic(SPANS), alone, ANSWERED, later, CALL)
        calls = follow("tail", "calls", "--from-start")
        first = set(lines(calls, 2))
        assert first == {f"{describe_span(ANSWERED, SCORE)}\n", f"{describe_span(CALL)}\n"}
        assert lines(calls, 2) == [f"{describe_span(alone)}\n", f"{describe_span(later)}\n"]
        live = msgspec.structs.replace(later, span_id="1" * 16)
        live_score = msgspec.structs.replace(after, span_id="1" * 16)
        await put(settings.topic(SPANS), live)
        await put(settings.topic(SCORES), live_score)
        assert lines(calls, 1) == [f"{describe_span(live, live_score)}\n"]
    raw = follow("tail", "scores", "--from-start", "--json", "--project", "shop")
    assert [msgspec.json.decode(line, type=Score) for line in lines(raw, 2)] == [SCORE, live_score]
    scores = follow("tail", "scores", "--from-start")
    assert lines(scores, 3) == [f"{describe_score(one)}\n" for one in (stranger, SCORE, live_score)]
    assert calls.stderr is not None
    assert calls.stderr.readline().startswith(f"Not readable: {settings.topic(SCORES)} partition 1 offset 1")


def test_a_score_in_one_line() -> None:
    assert describe_score(SCORE) == (
        f"2023-11-14 22:13:20.123  shop/{'0' * 16}  quality 0.10 refusal (signs)  trace {'a' * 32}  "
        f"span {'d' * 16}"
    )
    good = msgspec.structs.replace(SCORE, quality=0.987, quality_reason="", quality_tier="similarity")
    assert "  quality 0.99 (similarity)  trace" in describe_span(ANSWERED, good)


def test_a_span_in_one_line_says_what_it_cost_and_obeys_nothing() -> None:
    line = describe_span(CALL)
    assert line == (
        "2023-11-14 22:13:20.123  shop/support/answer·[2J  llm  gpt-5-mini  1200->80 tokens  $0.001230  "
        f"812 ms  trace {'a' * 32}"
    )
    failed = msgspec.structs.replace(
        CALL,
        cost_usd=None,
        cost_status="unknown",
        cost_reason="no price",
        status="error",
        error=SpanError("timeout"),
    )
    assert "cost unknown (no price)" in describe_span(failed)
    assert "ERROR timeout" in describe_span(failed)


def test_topics_lists_what_the_cluster_has(follow: Follow, settings: Settings) -> None:
    out, err = follow("topics").communicate(timeout=30)
    assert not err
    assert f"{settings.topic(SPANS)} " in out
    assert "MISSING" not in out
    assert "normalise -> detect, views" in out


def test_tail_of_a_cluster_without_topics_says_what_to_do(follow: Follow, child_env: dict[str, str]) -> None:
    child_env["LUMINA_TOPIC_PREFIX"] = "nothing."
    process = follow("tail", "spans")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "Topic nothing.spans does not exist" in err
    assert "Traceback" not in err
    assert not out
