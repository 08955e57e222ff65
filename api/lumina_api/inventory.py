"""What lies in the topics and how far the consumer groups are: offsets read from Kafka."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from lumina_api.kafka import admin_client, partition_counts
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings


@dataclass(frozen=True)
class TopicContent:
    """A topic: partitions, and how many records it holds by its offsets (compacted ones count the gaps)."""

    name: str
    partitions: int
    records: int


@dataclass(frozen=True)
class GroupLag:
    """How many records of a topic a consumer group has not committed yet."""

    group: str
    topic: str
    lag: int


@dataclass(frozen=True)
class Inventory:
    """All topics and consumer groups under the prefix, by name."""

    topics: tuple[TopicContent, ...]
    lags: tuple[GroupLag, ...]


async def take_inventory(settings: Settings) -> Inventory:
    """Read offsets and lags of everything under the prefix; raises aiokafka's KafkaError."""
    options = client_options(settings, "lumina-inventory")
    async with admin_client(options) as admin, AIOKafkaConsumer(**options) as consumer:
        counts = {
            name: count
            for name, count in (await partition_counts(admin)).items()
            if name.startswith(settings.topic_prefix)
        }
        ends, begins = await _offsets(consumer, counts)
        topics = tuple(
            TopicContent(name, count, sum(ends[tp] - begins[tp] for tp in _partitions({name: count})))
            for name, count in sorted(counts.items())
        )
        return Inventory(topics, await _lags(admin, settings.topic_prefix, ends))


def _partitions(counts: dict[str, int]) -> list[TopicPartition]:
    return [TopicPartition(name, number) for name, count in counts.items() for number in range(count)]


async def _offsets(
    consumer: AIOKafkaConsumer, counts: dict[str, int]
) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
    partitions = _partitions(counts)
    if not partitions:
        return {}, {}
    return await consumer.end_offsets(partitions), await consumer.beginning_offsets(partitions)


async def _lags(
    admin: AIOKafkaAdminClient, prefix: str, ends: dict[TopicPartition, int]
) -> tuple[GroupLag, ...]:
    groups: Iterable[str] = sorted(group for group, *_ in await admin.list_consumer_groups())
    lags: dict[tuple[str, str], int] = {}
    for group in groups:
        if not group.startswith(prefix):
            continue
        for partition, committed in (await admin.list_consumer_group_offsets(group)).items():
            if partition in ends and committed.offset >= 0:
                key = (group, partition.topic)
                lags[key] = lags.get(key, 0) + max(0, ends[partition] - committed.offset)
    return tuple(GroupLag(group, topic, lag) for (group, topic), lag in sorted(lags.items()))
