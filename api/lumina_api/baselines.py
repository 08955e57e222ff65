"""What detect has learned of each series, read from the changelog of its table, without a group.

Nothing is asked of a worker, so it works while they are busy, stopped or elsewhere. A series' keys lie in one
partition: they are read partition by partition, in the memory that one of them needs.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from lumina_api.kafka import admin_client, partition_counts
from lumina_schemas.baseline import SeriesBaseline
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DETECT_CHANGELOG
from lumina_streams.core.baseline.report import report
from lumina_streams.core.series.keys import HOT, cold_key, hot_key, rules_key
from lumina_streams.core.series.revision import is_newer, payload_of
from lumina_streams.core.series.rulebook import RuleBook
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import Hot, SeriesState, cold_version

ROUNDS = 3
"""The changelog is compacted under its reader: a value may be gone whose successor lies behind the end that
was read to. Reading on to the new end finds it."""

STALL_S = 60.0
CLIENT = "lumina-baselines"

Wanted = Callable[[Hot], bool]


class Unreadable(RuntimeError):
    """Kafka does not give what it says it has, or a state is not to be understood."""


async def known_series(
    settings: Settings, wanted: Wanted, now_ms: int, series_id: str | None = None
) -> AsyncIterator[SeriesBaseline]:
    """What each wanted series is used to; `now_ms` decides which are stale.

    Of one series (`series_id`) only its partition is read, and no other state unpacked.

    Raises LookupError where the topic is missing, Unreadable, KafkaError, OSError.
    """
    topic = settings.topic(DETECT_CHANGELOG)
    async with admin_client(client_options(settings, CLIENT)) as admin:
        count = (await partition_counts(admin)).get(topic, 0)
    if not count:
        raise LookupError(f"Topic {topic} does not exist. `lumina up` or `lumina topics --create` makes it.")
    defaults = Rules.from_settings(settings)
    async with _consumer(settings) as consumer:
        for number in range(count) if series_id is None else (partition_of(series_id, count),):
            values: dict[bytes, bytes] = {}
            for left in reversed(range(ROUNDS)):
                await _read(consumer, TopicPartition(topic, number), values)
                try:
                    found = [*_reports(values, number, defaults, wanted, now_ms, series_id)]
                    break
                except ValueError as error:
                    if not left:
                        raise Unreadable(f"{topic} partition {number}: {error}") from error
            for one in found:
                yield one


def _reports(
    values: dict[bytes, bytes],
    number: int,
    defaults: Rules,
    wanted: Wanted,
    now_ms: int,
    series_id: str | None,
) -> list[SeriesBaseline]:
    """What the states of a partition say. Raises ValueError where one cannot be read."""
    packed = values.get(rules_key(number))
    book = RuleBook(defaults) if packed is None else RuleBook.unpack(payload_of(packed), defaults)
    found = []
    for key, stored in values.items():
        if not key.startswith(HOT if series_id is None else hot_key(series_id)):
            continue
        hot = payload_of(stored)
        version = cold_version(hot)
        cold = values.get(cold_key(key.removeprefix(HOT).decode(), version)) if version else None
        state = SeriesState.unpack(hot, None if cold is None else payload_of(cold))
        if wanted(state.hot):
            rules = book.rules_for(state.hot.project, state.hot.service, state.hot.endpoint)
            found.append(report(state, rules, now_ms))
    return found


async def _read(consumer: AIOKafkaConsumer, partition: TopicPartition, values: dict[bytes, bytes]) -> None:
    """Read a partition on to its present end: of each key the newest revision is kept."""
    loop = asyncio.get_running_loop()
    if partition not in consumer.assignment():
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
    end = (await consumer.end_offsets([partition]))[partition]
    deadline = loop.time() + STALL_S
    while await consumer.position(partition) < end:
        for record in (await consumer.getmany(partition, timeout_ms=500)).get(partition, ()):
            deadline = loop.time() + STALL_S
            if record.value is None:
                values.pop(record.key, None)
            elif is_newer(record.value, values.get(record.key)):
                values[record.key] = record.value
        if loop.time() > deadline:
            raise Unreadable(
                f"{partition.topic} partition {partition.partition} gives nothing although it goes on to "
                f"offset {end}. Check its brokers, then run this again."
            )


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client_options(settings, CLIENT),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    async with consumer:
        yield consumer
