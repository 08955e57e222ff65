"""What a quiet run makes of the log: the core, run over what lies on the topics, without Faust or faults.

Twice: from what landed (each series' calls in the order of its landing partition), and from `lumina.spans`
as it is, with its duplicates, ticks, commands and rules. What the workers left must equal both.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from lumina_schemas.alert import Alert
from lumina_schemas.control import COMMAND, MARK, TICK, SeriesCommand, SeriesMark, Tick
from lumina_schemas.kafka import client_options
from lumina_schemas.rule import RULES, RuleChange
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Line, Span
from lumina_schemas.topic_facts import describe
from lumina_schemas.topics import TYPE_HEADER
from lumina_streams.agents.detect import score_of
from lumina_streams.core.otlp import Undecodable, decode_traces
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.series.command import command
from lumina_streams.core.series.keys import rules_key
from lumina_streams.core.series.partition import Partition
from lumina_streams.core.series.quiet import advance
from lumina_streams.core.series.revision import is_newer, payload_of
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import learned_from
from lumina_streams.core.series.step import SeriesState, cold_version, step
from lumina_streams.core.span.lines import MESSAGE_OVERHEAD, encode_line
from lumina_streams.core.span.normalise import Landing, normalise

NO_TIME = "1970-01-01T00:00:00.000+00:00"


class Record(NamedTuple):
    """One record of a topic."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    headers: Mapping[str, bytes]
    appended_ms: int


@dataclass
class Outcome:
    """What a run leaves behind; equal for equal input, whatever happened on the way."""

    spans: dict[str, bytes] = field(default_factory=dict)
    """The line of each span, by span id."""
    tables: dict[str, bytes] = field(default_factory=dict)
    """The whole state of each series: positions, counts, tests, sketches, references."""
    alerts: dict[str, Alert] = field(default_factory=dict)
    """The last record of each alert, by id; `detected_at`, the one wall clock in it, is blanked."""
    books: dict[int, bytes] = field(default_factory=dict)
    """The rule book of each partition that was told a rule."""
    scores: dict[str, bytes] = field(default_factory=dict)
    """The line of each judged call, by span id."""


async def records(settings: Settings, topic: str) -> list[Record]:
    """Everything in a topic, in order within each partition."""
    options = client_options(settings)
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", max_partition_fetch_bytes=8_000_000, **options)
    await consumer.start()
    try:
        facts = await describe(options, [topic])
        partitions = [TopicPartition(topic, number) for number in range(facts[topic].partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[Record] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found.extend(
                    Record(
                        r.partition,
                        r.offset,
                        r.key or b"",
                        r.value or b"",
                        dict(r.headers or ()),
                        r.timestamp,
                    )
                    for r in batch
                )
        return sorted(found, key=lambda record: record[:2])
    finally:
        await consumer.stop()


def comparable(state: SeriesState, clocks: bool) -> bytes:
    """A state without what runs need not share: the number of its cold version (that counts writes, and runs
    differ in length) and the wall clock of its alerts; without `clocks` also when ticks came among its calls.
    """
    for track in state.hot.book.tracks:
        track.alert = msgspec.structs.replace(track.alert, detected_at=NO_TIME)
    hot = msgspec.structs.replace(state.hot, cold_version=0)
    if not clocks:
        hot = msgspec.structs.replace(hot, clock_ms=0, heard_ms=0)
    _, *cold = msgspec.msgpack.decode(learned_from(state.pack_cold()))
    return msgspec.msgpack.encode((hot, cold))


async def landed_run(settings: Settings) -> Outcome:
    """The truth by what landed: every message through the core once, partition by partition.

    Each series must have been sent to one landing partition only: then its order is the log's.
    """
    topic = settings.topic("otlp")
    epoch = (await describe(client_options(settings), [topic]))[topic].epoch
    return core_run(
        settings,
        (
            (
                Landing(
                    epoch=epoch,
                    origin="otlp",
                    partition=record.partition,
                    offset=record.offset,
                    project=None,
                    appended_ms=record.appended_ms,
                ),
                record.value,
            )
            for record in await records(settings, topic)
        ),
    )


def core_run(settings: Settings, landed: Iterable[tuple[Landing, bytes]]) -> Outcome:
    """OTLP messages through the core, in the order given."""
    prices, rules, outcome = PriceBook(), Rules.from_settings(settings), Outcome()
    states: dict[str, SeriesState] = {}
    for landing, body in landed:
        try:
            spans = normalise(decode_traces(body), landing, prices).spans
        except Undecodable:
            continue  # a dead letter
        lines = [encode_line(span, settings.max_message_bytes - MESSAGE_OVERHEAD) for span in spans]
        outcome.spans.update((span.span_id, line) for span, line in zip(spans, lines, strict=True))
        for call in map(decode_line, lines):
            assert isinstance(call, Call)
            state = _state(states, call)
            assert state.positions.advance(call.src)
            _keep(outcome, step(state, call, rules, NO_TIME))
            _judge(outcome, state, call)
    outcome.tables = {series: comparable(state, clocks=False) for series, state in states.items()}
    return outcome


Failed = Callable[[Call, int, int], bool]


async def replayed_run(settings: Settings, failed: Failed = lambda *_: False) -> Outcome:
    """The truth by `lumina.spans`: each of its partitions through the core from its beginning.

    `failed(call, partition, offset)`: the worker of that time failed on it, and kept nothing of it but its
    position.
    """
    topic = settings.topic("spans")
    epoch = (await describe(client_options(settings), [topic]))[topic].epoch
    defaults, outcome = Rules.from_settings(settings), Outcome()
    states: dict[str, SeriesState] = {}
    partitions: dict[int, Partition] = {}

    def pass_time(partition: Partition, due: Iterable[str]) -> None:
        for series in due:
            state = states[series]
            _keep(outcome, advance(state, partition.clock.ms, partition.rules_for(state), NO_TIME))
            partition.expect(state)

    for record in await records(settings, topic):
        partition = partitions.setdefault(record.partition, Partition(record.partition, epoch, defaults))
        clock_ms = partition.clock.ms
        kind = record.headers.get(TYPE_HEADER)
        if kind == TICK:
            tick = msgspec.json.decode(record.value, type=Tick)
            pass_time(partition, partition.take(tick, record.offset))
        elif kind == RULES:
            with suppress(msgspec.ValidationError):  # for the dlq
                change = msgspec.json.decode(record.value, type=RuleChange)
                pass_time(partition, partition.change_rules(change, states.get) or ())
        elif kind == MARK:
            partition.take_mark(msgspec.json.decode(record.value, type=SeriesMark))
        elif kind == COMMAND:
            asked = msgspec.json.decode(record.value, type=SeriesCommand)
            src = asked.src or Source(epoch, "control", record.partition, record.offset, 0)
            found = states.get(asked.series_id)
            if found is not None and found.positions.advance(src):
                _keep(outcome, command(found, asked, partition.rules_for(found), NO_TIME, clock_ms))
                partition.expect(found)
        elif kind is None:
            for call in map(decode_line, record.value.split(b"\n")):
                if not isinstance(call, Call):
                    continue
                state = _state(states, call)
                if state.positions.advance(call.src) and not failed(call, record.partition, record.offset):
                    _keep(outcome, step(state, call, partition.rules_for(state), NO_TIME, clock_ms))
                    _judge(outcome, state, call)
                    partition.expect(state)
    outcome.tables = {series: comparable(state, clocks=True) for series, state in states.items()}
    for partition in partitions.values():
        changes = dict(partition.take_changes())
        if (key := rules_key(partition.number)) in changes:
            outcome.books[partition.number] = changes[key]
    return outcome


def _state(states: dict[str, SeriesState], call: Call) -> SeriesState:
    if call.series_id not in states:
        states[call.series_id] = SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
    return states[call.series_id]


def _keep(outcome: Outcome, alerts: Iterable[Alert]) -> None:
    for alert in alerts:
        outcome.alerts[alert.id] = msgspec.structs.replace(alert, detected_at=NO_TIME)


def _judge(outcome: Outcome, state: SeriesState, call: Call) -> None:
    if state.verdict is not None:
        outcome.scores[call.span_id] = msgspec.json.encode(score_of(call, state.verdict))


async def actual_run(settings: Settings, clocks: bool) -> Outcome:
    """What the running stack has left on its topics so far. `clocks`: to be compared with a replayed run."""
    outcome = Outcome()
    decode = msgspec.json.Decoder(Line)
    lines: dict[tuple[str, Source], bytes] = {}
    for record in await records(settings, settings.topic("spans")):
        if TYPE_HEADER in record.headers:
            continue
        for line in record.value.split(b"\n"):
            span = decode.decode(line)
            if isinstance(span, Span):
                kept = lines.setdefault((span.span_id, span.src), line)
                assert kept == line, "a replayed span differs from its first writing"
    for (span_id, _), line in sorted(lines.items()):
        outcome.spans.setdefault(span_id, line)  # a client's retry, a redrive: the smallest position wins
    stored: dict[bytes, bytes] = {}
    for record in await records(settings, settings.topic("stream-detect-changelog")):
        if is_newer(record.value, stored.get(record.key)):
            stored[record.key] = record.value
    table = {key.decode(): payload_of(value) for key, value in stored.items()}
    outcome.books = {int(name[2:]): book for name, book in table.items() if name.startswith("r|")}
    for name, hot in table.items():
        if name.startswith("h|"):
            series, version = name[2:], cold_version(hot)
            cold = table[f"c|{series}|{version % 2}"] if version else None
            try:
                state = SeriesState.unpack(hot, cold)
            except ValueError as error:  # no state at all, and unlike any
                outcome.tables[series] = str(error).encode()
                continue
            outcome.tables[series] = comparable(state, clocks)
    for record in await records(settings, settings.topic("alerts")):
        alert = msgspec.json.decode(record.value, type=Alert)
        known = outcome.alerts.get(alert.id)
        if known is None or alert.rev >= known.rev:
            outcome.alerts[alert.id] = msgspec.structs.replace(alert, detected_at=NO_TIME)
    for record in await records(settings, settings.topic("scores")):
        for line in record.value.split(b"\n"):
            span_id = msgspec.json.decode(line)["span_id"]
            if outcome.scores.setdefault(span_id, line) != line:
                outcome.scores[span_id] = b"told twice, and differently"
    return outcome
