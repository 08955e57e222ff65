"""`lumina tail`: what goes over the topics, one line each, straight from Kafka, without a group."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from lumina_api.commands.settings import read_settings
from lumina_api.kafka import admin_client, partition_counts
from lumina_api.stack.state import of_running_stack
from lumina_api.text import plain
from lumina_schemas.alert import Alert
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings
from lumina_schemas.span import Content, Line, Span
from lumina_schemas.topics import ALERTS, SPANS, TYPE_HEADER
from lumina_streams.core.alert.summary import SUMMARY_CHARS

CALL_KINDS = ("llm", "embedding", "rerank")

_line = msgspec.json.Decoder(Line)
_alert = msgspec.json.Decoder(Alert)


class What(StrEnum):
    """What can be followed."""

    spans = "spans"
    calls = "calls"
    alerts = "alerts"


def describe_span(span: Span) -> str:
    """A span in one line: time, series, model, tokens, cost, latency, status."""
    at = datetime.fromtimestamp(span.start_ns / 1e9, UTC)
    parts = [
        f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}",
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
    parts.append(f"trace {span.trace_id}")
    return "  ".join(part for part in parts if part)


def describe_alert(alert: Alert) -> str:
    """An alert in one line: time, state, kind, series, summary."""
    series = f"{plain(alert.project, 40)}/{plain(alert.service, 40)}/{plain(alert.endpoint, 60)}"
    head = f"{plain(alert.updated_at, 40)}  {alert.severity.upper()}  {alert.kind}  {alert.state}"
    return (
        f"{head}  {series}  {plain(alert.summary, SUMMARY_CHARS)}  id {plain(alert.id, 40)} rev {alert.rev}"
    )


def span_lines(value: bytes, project: str, calls_only: bool, raw: bool) -> Iterator[str]:
    """Lines of one `lumina.spans` message; raises msgspec's DecodeError at a line that is none of ours."""
    for line in value.splitlines():
        if not line:
            continue
        span = _line.decode(line)
        if (project and span.project != project) or isinstance(span, Content):
            continue
        if calls_only and span.kind not in CALL_KINDS:
            continue
        yield plain(line.decode("utf-8", "replace")) if raw else describe_span(span)


def alert_lines(value: bytes, project: str, raw: bool) -> Iterator[str]:
    """The line of one `lumina.alerts` message; raises msgspec's DecodeError where it is none of ours."""
    alert = _alert.decode(value)
    if not project or alert.project == project:
        yield plain(value.decode("utf-8", "replace")) if raw else describe_alert(alert)


def tail(
    what: Annotated[What, typer.Argument(help="What to follow.")],
    project: Annotated[str, typer.Option(help="Only this project.")] = "",
    from_start: Annotated[bool, typer.Option("--from-start", help="From the oldest record on.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Raw JSON, one record a line.")] = False,
) -> None:
    """Follow spans, calls or alerts as they pass through Kafka. Ctrl-C ends it."""
    settings = of_running_stack(read_settings())

    def lines(record: ConsumerRecord) -> Iterator[str]:
        if record.value is None or any(key == TYPE_HEADER for key, _ in record.headers):
            return iter(())  # a tombstone, or a control message
        if what is What.alerts:
            return alert_lines(record.value, project, as_json)
        return span_lines(record.value, project, what is What.calls, as_json)

    topic = settings.topic(ALERTS if what is What.alerts else SPANS)
    try:
        asyncio.run(_follow(settings, topic, from_start, lines))
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


async def _follow(
    settings: Settings, topic: str, from_start: bool, lines: Callable[[ConsumerRecord], Iterator[str]]
) -> None:
    options = client_options(settings, "lumina-tail")
    async with admin_client(options) as admin:
        count = (await partition_counts(admin)).get(topic, 0)
        if not count:
            raise LookupError(
                f"Topic {topic} does not exist. `lumina up` or `lumina topics --create` makes it."
            )
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, fetch_max_wait_ms=100)
    try:
        await consumer.start()
        partitions = [TopicPartition(topic, number) for number in range(count)]
        consumer.assign(partitions)
        await (consumer.seek_to_beginning if from_start else consumer.seek_to_end)(*partitions)
        async for record in consumer:
            try:
                for line in lines(record):
                    print(line, flush=True)
            except msgspec.DecodeError as error:
                where = f"{topic} partition {record.partition} offset {record.offset}"
                print(f"Not readable: {where}: {plain(str(error), 200)}", file=sys.stderr, flush=True)
    finally:
        await consumer.stop()


def _count(tokens: int | None) -> str:
    return "?" if tokens is None else str(tokens)


def _money(span: Span) -> str:
    if span.cost_usd is None:
        return f"cost unknown ({plain(span.cost_reason, 80)})" if span.cost_reason else "cost unknown"
    return f"{'~' if span.cost_status == 'estimated' else ''}${span.cost_usd:.6f}"


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    raise typer.Exit(1)
