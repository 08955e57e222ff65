"""What a quiet run makes of the log: the core, run here over what landed, without Faust or faults."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from lumina_schemas.alert import Alert
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.span import Line, Span
from lumina_schemas.topic_facts import describe
from lumina_streams.agents.normalise import MESSAGE_OVERHEAD
from lumina_streams.core.otlp import Undecodable, decode_traces
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, cold_version, step
from lumina_streams.core.span.lines import encode_line
from lumina_streams.core.span.normalise import Landing, normalise

NO_TIME = "1970-01-01T00:00:00.000+00:00"


@dataclass
class Outcome:
    """What a run leaves behind; equal for equal input, whatever happened on the way."""

    spans: dict[str, bytes] = field(default_factory=dict)
    """The line of each span, by span id."""
    tables: dict[str, bytes] = field(default_factory=dict)
    """The whole state of each series: positions, counts, tests, sketches, references."""
    alerts: dict[str, Alert] = field(default_factory=dict)
    """The last record of each alert, by id; `detected_at`, the one wall clock in it, is blanked."""


async def records(settings: Settings, topic: str) -> list[tuple[int, int, bytes | None, bytes | None]]:
    """(partition, offset, key, value) of everything in a topic, in order within each partition."""
    options = client_options(settings)
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", max_partition_fetch_bytes=8_000_000, **options)
    await consumer.start()
    try:
        facts = await describe(options, [topic])
        partitions = [TopicPartition(topic, number) for number in range(facts[topic].partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found: list[tuple[int, int, bytes | None, bytes | None]] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found.extend((r.partition, r.offset, r.key, r.value) for r in batch)
        return found
    finally:
        await consumer.stop()


def comparable(state: SeriesState) -> bytes:
    """A state without what a quiet run need not share: the number of its cold version (that counts writes,
    and runs differ in length) and the wall clock of its alerts.
    """
    for track in state.hot.book.tracks:
        track.alert = msgspec.structs.replace(track.alert, detected_at=NO_TIME)
    hot = msgspec.structs.replace(state.hot, cold_version=0)
    _, *cold = msgspec.msgpack.decode(state.pack_cold()[8:])
    return msgspec.msgpack.encode((hot, cold))


async def quiet_run(settings: Settings) -> Outcome:
    """The truth: every landed message through the core once, partition by partition.

    Each series must have been sent to one landing partition only: then its order is the log's.
    """
    topic = settings.topic("otlp")
    epoch = (await describe(client_options(settings), [topic]))[topic].epoch
    prices, rules, outcome = PriceBook(), Rules.from_settings(settings), Outcome()
    states: dict[str, SeriesState] = {}
    for partition, offset, _, value in sorted(await records(settings, topic), key=lambda r: r[:2]):
        landing = Landing(epoch=epoch, origin="otlp", partition=partition, offset=offset, project=None)
        try:
            spans = normalise(decode_traces(value or b""), landing, prices).spans
        except Undecodable:
            continue  # a dead letter
        lines = [encode_line(span, settings.max_message_bytes - MESSAGE_OVERHEAD) for span in spans]
        outcome.spans.update((span.span_id, line) for span, line in zip(spans, lines, strict=True))
        for call in map(decode_line, lines):
            assert isinstance(call, Call)
            state = states.get(call.series_id) or SeriesState.fresh(
                call.series_id, call.project, call.service, call.endpoint
            )
            states[call.series_id] = state
            assert state.positions.advance(call.src)
            for alert in step(state, call, rules, NO_TIME):
                outcome.alerts[alert.id] = alert
    outcome.tables = {series: comparable(state) for series, state in states.items()}
    return outcome


async def actual_run(settings: Settings) -> Outcome:
    """What the running stack has left on its topics so far."""
    outcome = Outcome()
    decode = msgspec.json.Decoder(Line)
    for _, _, _, value in await records(settings, settings.topic("spans")):
        for line in (value or b"").split(b"\n"):
            span = decode.decode(line)
            if isinstance(span, Span):
                kept = outcome.spans.setdefault(span.span_id, line)
                # A call that detect refused comes back under the position of its dead letter.
                again = span.src.origin == "dlq"
                assert kept == line or again, "a replayed span differs from its first writing"
    table: dict[str, bytes] = {}
    for _, _, key, value in await records(settings, settings.topic("stream-detect-changelog")):
        table[(key or b"").decode()] = value or b""
    for name, hot in table.items():
        if name.startswith("h|"):
            series, version = name[2:], cold_version(hot)
            cold = table[f"c|{series}|{version % 2}"] if version else None
            outcome.tables[series] = comparable(SeriesState.unpack(hot, cold))
    for _, _, _, value in await records(settings, settings.topic("alerts")):
        alert = msgspec.json.decode(value or b"", type=Alert)
        known = outcome.alerts.get(alert.id)
        if known is None or alert.rev >= known.rev:
            outcome.alerts[alert.id] = msgspec.structs.replace(alert, detected_at=NO_TIME)
    return outcome


def differences(truth: Outcome, actual: Outcome) -> list[str]:
    """What a reader would want to know first; empty when the runs are equal."""
    found: list[str] = []
    pairs: Sequence[tuple[str, dict, dict]] = (  # type: ignore[type-arg]
        ("spans", truth.spans, actual.spans),
        ("tables", truth.tables, actual.tables),
        ("alerts", truth.alerts, actual.alerts),
    )
    for name, expected, got in pairs:
        lost, extra = expected.keys() - got.keys(), got.keys() - expected.keys()
        different = [key for key in expected.keys() & got.keys() if expected[key] != got[key]]
        if lost or extra or different:
            found.append(f"{name}: {len(lost)} lost, {len(extra)} extra, {len(different)} different")
    return found
