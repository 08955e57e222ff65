"""Calls of the log priced again, by today's prices: what would change, and the corrections that change it.

Flows in: `lumina.spans` as it was written, the corrections there are, the price list, the user's own prices.
Flows out: corrections, which the views put in place of what normalise had said. Memory holds a number for
each call of one partition in the asked time, and one for each correction of that time.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from msgspec import Struct, field

from lumina_api.log import consumer, partitions_of, records
from lumina_schemas import price_file
from lumina_schemas.correction import CORRECTION_VERSION, Correction, key_of
from lumina_schemas.kafka import client_options
from lumina_schemas.price import KIND
from lumina_schemas.settings import Settings
from lumina_schemas.span import Content, CostStatus, Span
from lumina_schemas.topics import CORRECTIONS, SETTINGS, SPANS, TYPE_HEADER
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.price.overrides import of_file, of_settings
from lumina_streams.core.span.cost import priced_again

CLOCK_MARGIN_MS = 3_600_000
"""A call arrives after it has started, unless its sender's clock is ahead: so far ahead it is still found."""

SAME_USD = 1e-12
"""Costs are rounded so: closer ones are the same."""

IN_FLIGHT = 1_000
"""Corrections sent and not yet acknowledged."""

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

_decode = msgspec.json.Decoder(Span | Content).decode
_decode_correction = msgspec.json.Decoder(Correction).decode
_encode = msgspec.json.Encoder().encode

Known = tuple[float | None, CostStatus]
"""A call's cost as it stands."""


class Sums(Struct):
    """Calls and what they cost before and after; None counts as nothing, `unknown_*` how many those are.

    Sampled calls count as they were seen, their cost for all that they stand for, as in REST.
    """

    calls: int = 0
    old_usd: float = 0.0
    new_usd: float = 0.0
    unknown_before: int = 0
    unknown_after: int = 0

    def add(self, old: float | None, new: float | None, sample_rate: float | None) -> None:
        """Count one call."""
        self.calls += 1
        self.old_usd += (old or 0.0) / (sample_rate or 1.0)
        self.new_usd += (new or 0.0) / (sample_rate or 1.0)
        self.unknown_before += old is None
        self.unknown_after += new is None


class Report(Struct, kw_only=True):
    """What a run found. The groups hold the calls that change alone.

    Sums count spans that are calls by their own message. Roll-ups and further spans of a call have a cost
    too, in case that views take one of them for the call: it is corrected with the others.
    """

    since_ns: int  # calls that started from here
    until_ns: int  # until before here
    dry_run: bool
    all: Sums = field(default_factory=Sums)
    changed: Sums = field(default_factory=Sums)
    by_model: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    by_price_version: dict[str, Sums] = field(default_factory=lambda: defaultdict(Sums))
    others_changed: int = 0  # spans that are no calls
    written: int = 0  # corrections
    unreadable: int = 0  # lines of the log, left as they are
    problems: dict[str, str] = field(default_factory=dict)  # settings that are no prices, and why


async def reprice(settings: Settings, since_ns: int, until_ns: int, by: str, dry_run: bool) -> Report:
    """Price the calls that started in a time again; write a correction for each whose cost is another one.

    Raises PriceFileError, MissingTopic, KafkaError. Whatever was written before an error holds; a second run
    writes the rest.
    """
    report = Report(since_ns=since_ns, until_ns=until_ns, dry_run=dry_run)
    own = of_file(price_file.read(settings.prices_file))
    topic = await partitions_of(settings, SPANS)
    corrected = await _corrected(settings, since_ns, until_ns)
    prices, report.problems = of_settings(await prices_set(settings))
    book = PriceBook(
        overrides=[*own, *prices],
        prefer_reported=settings.prefer_reported_cost,
        estimate_tokens=settings.estimate_tokens,
    )
    at = datetime.fromtimestamp(time.time_ns() // 1_000 / 1e6, UTC)
    async with _Writer(settings, dry_run) as writer, consumer(settings) as reader:
        for partition in topic:
            seen: set[bytes] = set()
            async for record in records(reader, partition, max(0, since_ns // 10**6 - CLOCK_MARGIN_MS)):
                if any(name == TYPE_HEADER for name, _ in record.headers):
                    continue
                for span in _spans(record.value or b"", report):
                    key = key_of(span.project, span.trace_id, span.span_id)
                    known = _digest(key)
                    if not since_ns <= span.start_ns < until_ns or known in seen:
                        continue  # a client's retry brings a call twice
                    seen.add(known)
                    old = corrected.get(known, (span.cost_usd, span.cost_status))
                    if correction := _priced(span, old, book, report, at, by):
                        await writer.send(key, _encode(correction))
    report.written = writer.written
    return report


def _priced(
    span: Span, old: tuple[float | None, str | None], book: PriceBook, report: Report, at: datetime, by: str
) -> Correction | None:
    """Price one call again and count it; returns its correction where it costs something else."""
    cost = priced_again(span, book)
    changed = cost.status != old[1] or not _same(cost.usd, old[0])
    counting = [report.all] if span.priced else []
    if changed and span.priced:
        model = span.response_model or span.request_model or "(no model)"
        counting += [
            report.changed,
            report.by_model[model],
            report.by_price_version[cost.version or "(none)"],
        ]
    for sums in counting:
        sums.add(old[0], cost.usd, span.sample_rate)
    if not changed:
        return None
    report.others_changed += not span.priced
    return Correction(
        v=CORRECTION_VERSION,
        project=span.project,
        trace_id=span.trace_id,
        span_id=span.span_id,
        start_ns=span.start_ns,
        cost_usd=cost.usd,
        cost_status=cost.status,
        cost_reason=cost.reason,
        price_version=cost.version,
        at=at,
        by=by,
    )


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= SAME_USD


def _spans(value: bytes, report: Report) -> list[Span]:
    """The spans of a message that have a cost, or could have one."""
    found = []
    for line in value.split(b"\n"):
        if not line or line.isspace():
            continue
        try:
            record = _decode(line)
        except UNREADABLE:
            report.unreadable += 1
            continue
        if isinstance(record, Span) and record.cost_status is not None:
            found.append(record)
    return found


async def _corrected(settings: Settings, since_ns: int, until_ns: int) -> dict[bytes, Known]:
    """The corrections in force of calls that started in a time, by `_digest` of their key."""
    found: dict[bytes, Known] = {}
    async with consumer(settings) as reader:
        for partition in await partitions_of(settings, CORRECTIONS):
            async for record in records(reader, partition):
                try:
                    correction = _decode_correction(record.value or b"")
                    key = key_of(correction.project, correction.trace_id, correction.span_id)
                except (*UNREADABLE, ValueError):
                    continue  # the views pass over it too
                if key == record.key and since_ns <= correction.start_ns < until_ns:
                    found[_digest(key)] = correction.cost_usd, correction.cost_status
    return found


async def prices_set(settings: Settings) -> dict[str, bytes]:
    """The prices among the settings, by key. Raises MissingTopic, KafkaError."""
    found: dict[str, bytes] = {}
    async with consumer(settings) as reader:
        for partition in await partitions_of(settings, SETTINGS):
            async for record in records(reader, partition):
                key = (record.key or b"").decode("utf-8", "replace")
                if not key.startswith(KIND):
                    continue
                if record.value is None:
                    found.pop(key, None)
                else:
                    found[key] = record.value
    return found


def _digest(key: bytes) -> bytes:
    """16 bytes that stand for a key: ids may be long, and there may be millions."""
    return blake2b(key, digest_size=16).digest()


class _Writer:
    """Sends corrections, so many at a time; all of them are on Kafka when its block ends without an error."""

    def __init__(self, settings: Settings, dry_run: bool) -> None:
        self.written = 0
        self._topic = settings.topic(CORRECTIONS)
        self._pending: list[Awaitable[Any]] = []
        self._producer: AIOKafkaProducer | None = None
        if not dry_run:
            self._producer = AIOKafkaProducer(
                **client_options(settings, "lumina-reprice"),
                acks="all",
                enable_idempotence=True,
                compression_type="zstd",
            )

    async def __aenter__(self) -> "_Writer":
        if self._producer is not None:
            await self._producer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._producer is not None:
            try:
                if error[0] is None:
                    await self._settle()
            finally:
                await self._producer.stop()

    async def send(self, key: bytes, value: bytes) -> None:
        """Send one; nothing happens in a dry run."""
        if self._producer is None:
            return
        self._pending.append(await self._producer.send(self._topic, value, key=key))
        if len(self._pending) >= IN_FLIGHT:
            await self._settle()

    async def _settle(self) -> None:
        pending, self._pending = self._pending, []
        await asyncio.gather(*pending)
        self.written += len(pending)
