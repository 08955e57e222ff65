"""Are the views what a quiet run makes of the same log, row by row?"""

from collections import Counter
from pathlib import Path

import duckdb
from aiokafka import AIOKafkaConsumer, TopicPartition

from faults.attack import Outcome
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.reader import TOPICS
from lumina_api.views.store import Store
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import describe

AT_ONCE = 200

Row = tuple[object, ...]

MOVING = ("positions", "calls_5m", "rolled")
"""Tables that differ with the time of looking: ticks move positions on, and what is rolled up depends on when
the views had nothing else to do. What is rolled up equals its calls: tests/api/views/test_views_rollup.py."""


def rows(path: Path) -> list[Row]:
    """Every row of every table in the file, sorted, each with its table's name before it."""
    with duckdb.connect(str(path), read_only=True) as database:
        found: list[Row] = []
        for (table,) in database.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_type = 'BASE TABLE' ORDER BY 1"
        ).fetchall():
            found.extend((table, *row) for row in database.table(table).fetchall())
        return sorted(found, key=repr)


def content(found: list[Row]) -> list[Row]:
    """The rows that the log alone decides."""
    return [row for row in found if row[0] not in MOVING]


async def quiet_rows(settings: Settings, folder: Path) -> list[Row]:
    """The truth: the whole log into a new file, once, with nothing in its way."""
    options = client_options(settings)
    names = {settings.topic(topic): topic for topic in TOPICS}
    facts = await describe(options, list(names))
    path = folder / "quiet.duckdb"
    store = Store.open(path)
    consumer = AIOKafkaConsumer(auto_offset_reset="earliest", max_partition_fetch_bytes=8_000_000, **options)
    await consumer.start()
    try:
        partitions = [TopicPartition(name, n) for name, fact in facts.items() for n in range(fact.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            fetched = await consumer.getmany(timeout_ms=200, max_records=AT_ONCE)
            records = [
                LogRecord(names[r.topic], r.partition, r.offset, r.timestamp, r.key, r.value, r.headers)
                for batch in fetched.values()
                for r in batch
            ]
            if records:
                store.apply(batch_of(records), {names[name]: fact.epoch for name, fact in facts.items()})
    finally:
        await consumer.stop()
        store.close()
    return rows(path)


def compared_rows(truth: list[Row], actual: list[Row]) -> Outcome:
    """Counts of rows that are missing and rows that are too many; the same row twice is one too many."""
    expected, found = Counter(map(repr, truth)), Counter(map(repr, actual))
    return Outcome(lost=(expected - found).total(), duplicated=(found - expected).total())
