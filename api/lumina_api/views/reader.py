"""The log, read for the views: all partitions of their topics, from the stored positions on.

Without a consumer group: each API process builds views of its own, and its positions live in its file.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from lumina_api.views.batch import LogRecord
from lumina_api.views.progress import PartitionProgress, Progress, TopicProgress
from lumina_api.views.store import Position
from lumina_api.views.trouble import Cause
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import TopicFacts, describe

log = structlog.get_logger(__name__)

TOPICS = ("settings", "alerts", "corrections", "scores", "audit", "spans")

# One batch: what is there, up to this. Larger ones make a row no cheaper and hold several times their size.
BATCH_BYTES = 5_000_000
BATCH_RECORDS = 2_000

# A transaction costs several ms whatever it holds: with less time between two, small ones would eat a core.
# A replay, or a log that outruns this, does not wait.
BATCH_INTERVAL_S = 0.25

# One fetch is in flight per broker, and a partition with data waiting is not part of it: its next data
# waits until the fetch for the idle ones returns.
FETCH_WAIT_MS = 50

# Bounds what lies fetched and not yet applied; lz4 makes it three times as much in memory.
FETCH_BYTES = 5_000_000
PARTITION_BYTES = 2_500_000

# How often topics are looked at: their ids, their ends, and whether Kafka is there at all.
LOOK_S = 3.0
ANSWER_S = 10.0

Apply = Callable[[list[LogRecord]], Awaitable[dict[tuple[str, int], int]]]
"""Applies records and returns the next offset of each (topic, partition) among them."""


class LogChanged(RuntimeError):
    """The log is not there, or not the one that is being read: start anew from the stored positions."""


class Reader:
    """One attachment to the log: `follow` until something changes, then make another."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self._names = {settings.topic(topic): topic for topic in TOPICS}
        self._options = client_options(settings, "lumina-views")
        self._progress = progress

    async def follow(
        self,
        positions: Mapping[tuple[str, int], Position],
        attached: Callable[[dict[str, str]], None],
        apply: Apply,
    ) -> None:
        """Read from `positions` on and hand over batches, without end.

        `attached` is told the Kafka id of each topic before the first batch. Raises LogChanged where the
        log is missing or was replaced, KafkaError where no broker can be reached, and what `apply` raises.
        """
        facts = await self._describe()
        attached({self._names[name]: fact.epoch for name, fact in facts.items()})
        async with self._consumer(facts) as consumer:
            await self._seek(consumer, facts, positions)
            self._progress.attached()
            look = asyncio.create_task(self._look(consumer, facts))
            try:
                while True:
                    if look.done():
                        look.result()
                    started = time.monotonic()
                    if records := await self._gather(consumer):
                        self._progress.applied(await apply(records))
                        size = sum(len(record.value or b"") for record in records)
                        if self._progress.caught_up and size < BATCH_BYTES / 2:
                            await asyncio.sleep(max(0.0, started + BATCH_INTERVAL_S - time.monotonic()))
            except OffsetOutOfRangeError as error:
                raise LogChanged(
                    "A position lies outside its topic: it was truncated or replaced."
                ) from error
            finally:
                look.cancel()
                await asyncio.gather(look, return_exceptions=True)

    async def _describe(self) -> dict[str, TopicFacts]:
        facts = await asyncio.wait_for(describe(self._options, list(self._names)), ANSWER_S)
        if missing := sorted(self._names.keys() - facts.keys()):
            raise LogChanged(
                f"Topics {', '.join(missing)} do not exist, or have no leader now. `lumina up` and "
                "`lumina topics` create them."
            )
        return facts

    @asynccontextmanager
    async def _consumer(self, facts: Mapping[str, TopicFacts]) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(
            **self._options,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            fetch_max_bytes=FETCH_BYTES,
            max_partition_fetch_bytes=PARTITION_BYTES,
        )
        try:
            await asyncio.wait_for(consumer.start(), ANSWER_S)
            consumer.assign(
                [TopicPartition(name, n) for name, fact in facts.items() for n in range(fact.partitions)]
            )
            yield consumer
        finally:
            await consumer.stop()

    async def _seek(
        self,
        consumer: AIOKafkaConsumer,
        facts: Mapping[str, TopicFacts],
        positions: Mapping[tuple[str, int], Position],
    ) -> None:
        partitions = sorted(consumer.assignment())
        begins = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        topics = {topic: TopicProgress(name) for name, topic in self._names.items()}
        for tp in partitions:
            topic = self._names[tp.topic]
            known = positions.get((topic, tp.partition))
            first = _start(tp, known, facts[tp.topic].epoch, begins[tp], ends[tp])
            consumer.seek(tp, first)
            topics[topic].partitions[tp.partition] = PartitionProgress(first, first, ends[tp], ends[tp])
        self._progress.topics = topics

    async def _gather(self, consumer: AIOKafkaConsumer) -> list[LogRecord]:
        """What is there, within the bounds of a batch; waits a moment for the first record."""
        records: list[LogRecord] = []
        size = 0
        wait_ms = 200
        while size < BATCH_BYTES and len(records) < BATCH_RECORDS:
            fetched = await consumer.getmany(timeout_ms=wait_ms, max_records=16)
            if not fetched:
                break
            for tp, messages in fetched.items():
                topic = self._names[tp.topic]
                for message in messages:
                    records.append(
                        LogRecord(
                            topic,
                            tp.partition,
                            message.offset,
                            message.timestamp,
                            message.key,
                            message.value,
                            message.headers,
                        )
                    )
                    size += len(message.value or b"")
            wait_ms = 0
        return records

    async def _look(self, consumer: AIOKafkaConsumer, facts: Mapping[str, TopicFacts]) -> None:
        """Watch over the topics; raises LogChanged when one is no longer the one that is read."""
        partitions = list(consumer.assignment())
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                now = await self._describe()
                ends = await asyncio.wait_for(consumer.end_offsets(partitions), ANSWER_S)
            except (KafkaError, OSError, TimeoutError) as error:
                if not self._progress.trouble:
                    log.warning("kafka is away, the views stand still", error=repr(error))
                self._progress.troubled(Cause.KAFKA, away(self._options, error))
                continue
            if self._progress.cause is Cause.KAFKA:
                self._progress.untroubled()
            for tp, end in ends.items():
                self._progress.topics[self._names[tp.topic]].partitions[tp.partition].end = end
            if now != facts:
                changed = sorted(name for name, fact in now.items() if fact != facts[name])
                raise LogChanged(f"Topics {', '.join(changed)} were recreated, or have other partitions now.")


def away(options: Mapping[str, Any], error: BaseException) -> str:
    """What to tell when Kafka does not answer."""
    return (
        f"Kafka at {options['bootstrap_servers']} does not answer ({error!r}). The views stay as they are "
        "and go on when it is back. Check that its brokers run and KAFKA_BOOTSTRAP_SERVERS is right."
    )


def _start(tp: TopicPartition, known: Position | None, epoch: str, begin: int, end: int) -> int:
    """Where to read on: at the stored position, or at the beginning where the log is another one."""
    if known is None:
        return begin
    if known.epoch != epoch:
        why = "the topic was recreated"
    elif known.next_offset > end:
        why = "the topic ends before the stored position: it was truncated"
    elif known.next_offset < begin:
        why = "retention has deleted records that were not applied yet"
    else:
        return known.next_offset
    log.warning(
        "reading from the beginning",
        topic=tp.topic,
        partition=tp.partition,
        why=why,
        stored=known.next_offset,
        begin=begin,
        end=end,
    )
    return begin
