"""`lumina tail`: what goes over the topics, one line each, straight from Kafka, without a group."""

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from lumina_api.commands.pairing import Judged, Pairing
from lumina_api.commands.settings import read_settings
from lumina_api.kafka import admin_client, partition_counts
from lumina_api.stack.state import of_running_stack
from lumina_api.text import plain
from lumina_schemas.alert import Alert
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.score import Score
from lumina_schemas.settings import Settings
from lumina_schemas.span import Content, Line, Span
from lumina_schemas.topics import ALERTS, SCORES, SPANS, TYPE_HEADER
from lumina_streams.core.alert.summary import SUMMARY_CHARS

CALL_KINDS = ("llm", "embedding", "rerank")

_line = msgspec.json.Decoder(Line)
_score = msgspec.json.Decoder(Score)
_alert = msgspec.json.Decoder(Alert)

IDLE_S = 1.0


class What(StrEnum):
    """What can be followed."""

    spans = "spans"
    calls = "calls"
    scores = "scores"
    alerts = "alerts"


def describe_span(span: Span, score: Score | None = None) -> str:
    """A span in one line: time, series, model, tokens, cost, latency, status, quality."""
    parts = [
        _moment(span.start_ns),
        f"{plain(span.project, 40)}/{plain(span.service, 40)}/{plain(span.endpoint, 60)}",
        span.kind,
        plain(span.response_model or span.request_model or span.name, 60),
    ]
    if span.input_tokens is not None or span.output_tokens is not None:
        parts.append(f"{_count(span.input_tokens)}->{_count(span.output_tokens)} tokens")
    if span.cost_status:
        parts.append(_money(span))
    parts.append(f"{span.duration_ms:.0f} ms")
    if span.status == "error":
        parts.append(f"ERROR {plain(span.error.type, 60) if span.error else ''}".rstrip())
    if score is not None:
        parts.append(_quality(score))
    parts.append(f"trace {span.trace_id}")
    return "  ".join(part for part in parts if part)


def describe_score(score: Score) -> str:
    """A score in one line: time of its call, project and series, quality, reason and tier, ids."""
    return "  ".join(
        (
            _moment(score.start_ns),
            f"{plain(score.project, 40)}/{plain(score.series_id, 16)}",
            _quality(score),
            f"trace {plain(score.trace_id, 32)}",
            f"span {plain(score.span_id, 16)}",
        )
    )


def describe_alert(alert: Alert) -> str:
    """An alert in one line: time, state, kind, series (or project, or service of it), summary."""
    series = f"{plain(alert.project, 40)}/{plain(alert.service, 40)}/{plain(alert.endpoint, 60)}".rstrip("/")
    head = f"{plain(alert.updated_at, 40)}  {alert.severity.upper()}  {alert.kind}  {alert.state}"
    return (
        f"{head}  {series}  {plain(alert.summary, SUMMARY_CHARS)}  id {plain(alert.id, 40)} rev {alert.rev}"
    )


def spans_of(value: bytes, project: str, calls_only: bool) -> Iterator[tuple[Span, bytes]]:
    """Spans of one `lumina.spans` message, each with its line; raises msgspec's DecodeError at a line that is
    none of ours.
    """
    for line in value.splitlines():
        if not line:
            continue
        span = _line.decode(line)
        if (project and span.project != project) or isinstance(span, Content):
            continue
        if calls_only and span.kind not in CALL_KINDS:
            continue
        yield span, line


def scores_of(value: bytes, project: str) -> Iterator[tuple[Score, bytes]]:
    """Scores of one `lumina.scores` message, as `spans_of` does."""
    for line in value.splitlines():
        if line:
            score = _score.decode(line)
            if not project or score.project == project:
                yield score, line


def alert_lines(value: bytes, project: str, raw: bool) -> Iterator[str]:
    """The line of one `lumina.alerts` message; raises msgspec's DecodeError where it is none of ours."""
    alert = _alert.decode(value)
    if not project or alert.project == project:
        yield _text(value) if raw else describe_alert(alert)


class Lines:
    """What is printed of the records of the topics that are followed."""

    def __init__(self, settings: Settings, what: What, project: str, raw: bool) -> None:
        self._what = what
        self._project = project
        self._raw = raw
        self._pairing = Pairing()
        self._scores_topic = settings.topic(SCORES)
        followed = {What.alerts: [ALERTS], What.scores: [SCORES]}.get(
            what, [SPANS] if raw else [SPANS, SCORES]
        )
        self.topics = [settings.topic(topic) for topic in followed]

    def of(self, record: ConsumerRecord) -> Iterator[str]:
        """Lines that a record leads to, now."""
        value = record.value
        if value is None or any(key == TYPE_HEADER for key, _ in record.headers):
            return  # a tombstone, or a control message
        if self._what is What.alerts:
            yield from alert_lines(value, self._project, self._raw)
        elif record.topic == self._scores_topic:
            for score, line in scores_of(value, self._project):
                if self._what is What.scores:
                    yield _text(line) if self._raw else describe_score(score)
                else:
                    yield from map(_described, self._pairing.score(score))
        else:
            for span, line in spans_of(value, self._project, self._what is What.calls):
                if self._raw:
                    yield _text(line)
                else:
                    yield from map(_described, self._pairing.span(span, time.monotonic()))

    def due(self) -> Iterator[str]:
        """Lines of the calls that have waited for their score long enough."""
        return map(_described, self._pairing.due(time.monotonic()))

    def wait_s(self) -> float:
        """Until `due` may have one."""
        wait = self._pairing.wait_s(time.monotonic())
        return IDLE_S if wait is None else min(wait, IDLE_S)


def tail(
    what: Annotated[What, typer.Argument(help="What to follow.")],
    project: Annotated[str, typer.Option(help="Only this project.")] = "",
    from_start: Annotated[bool, typer.Option("--from-start", help="From the oldest record on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Raw JSON, one record a line.")] = False,
) -> None:
    """Follow spans, calls, scores or alerts as they pass through Kafka. Ctrl-C ends it.

    A call whose answer may be judged is shown with its quality, or without after 2 s.
    """
    settings = of_running_stack(read_settings())
    try:
        asyncio.run(_follow(settings, from_start, Lines(settings, what, project, as_json)))
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`). What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (KafkaError, OSError) as error:
        where = settings.kafka_bootstrap_servers or f"127.0.0.1:{settings.kafka_port}"
        _fail(f"Kafka at {where} cannot be read: {error!r}. Is the stack up (`lumina status`)?")
    except (KafkaSettingsError, LookupError) as error:
        _fail(str(error))
    except KeyboardInterrupt:
        pass


async def _follow(settings: Settings, from_start: bool, lines: Lines) -> None:
    options = client_options(settings, "lumina-tail")
    async with admin_client(options) as admin:
        counts = await partition_counts(admin)
    for topic in lines.topics:
        if not counts.get(topic):
            raise LookupError(
                f"Topic {topic} does not exist. `lumina up` or `lumina topics --create` makes it."
            )
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, fetch_max_wait_ms=100)
    try:
        await consumer.start()
        partitions = [
            TopicPartition(topic, number) for topic in lines.topics for number in range(counts[topic])
        ]
        consumer.assign(partitions)
        await (consumer.seek_to_beginning if from_start else consumer.seek_to_end)(*partitions)
        while True:
            fetched = await consumer.getmany(timeout_ms=int(lines.wait_s() * 1000) + 1, max_records=100)
            for records in fetched.values():
                for record in records:
                    _print(record, lines)
            for line in lines.due():
                print(line, flush=True)
    finally:
        await consumer.stop()


def _print(record: ConsumerRecord, lines: Lines) -> None:
    try:
        for line in lines.of(record):
            print(line, flush=True)
    except msgspec.DecodeError as error:
        where = f"{record.topic} partition {record.partition} offset {record.offset}"
        print(f"Not readable: {where}: {plain(str(error), 200)}", file=sys.stderr, flush=True)


def _described(judged: Judged) -> str:
    return describe_span(judged.span, judged.score)


def _moment(ns: int) -> str:
    at = datetime.fromtimestamp(ns / 1e9, UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"


def _quality(score: Score) -> str:
    reason = f" {score.quality_reason}" if score.quality_reason else ""
    return f"quality {score.quality:.2f}{reason} ({score.quality_tier})"


def _text(line: bytes) -> str:
    return plain(line.decode("utf-8", "replace"))


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)


def _money(span: Span) -> str:
    if span.cost_usd is None:
        return f"cost unknown ({plain(span.cost_reason, 80)})" if span.cost_reason else "cost unknown"
    return f"{'~' if span.cost_status == 'estimated' else ''}${span.cost_usd:.6f}"


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    raise typer.Exit(1)
