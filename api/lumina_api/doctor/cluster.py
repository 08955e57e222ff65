"""What the doctor asks Kafka: brokers, topics with their settings, groups, and the newest time of the log."""

import time
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from lumina_api import log
from lumina_api.inventory import GroupLag, take_inventory
from lumina_api.kafka import admin_client, topic_settings
from lumina_schemas.kafka import client_options
from lumina_schemas.key import KIND
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS, SPANS

ANSWER_MS = 3_000


@dataclass(frozen=True)
class TopicState:
    """A topic as its cluster has it."""

    name: str
    partitions: int
    replicas: int
    """Of the partition that has the fewest."""
    behind: int
    """Partitions with replicas that are not in sync."""
    settings: dict[str, str]


@dataclass(frozen=True)
class ClusterFacts:
    """What Kafka says of itself and of the topics under the prefix."""

    cluster_id: str
    brokers: int
    topics: dict[str, TopicState]
    lags: tuple[GroupLag, ...] = ()
    newest_ms: int | None = None
    """Append time of the newest record of `lumina.spans`; None where there is none."""
    now_ms: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    """This machine's clock when it was read."""


async def facts_of(settings: Settings) -> ClusterFacts:
    """Ask Kafka. Raises aiokafka's KafkaError and OSError where it does not answer."""
    async with admin_client(client_options(settings, "lumina-doctor")) as admin:
        cluster = await admin.describe_cluster()
        described = [
            topic
            for topic in await admin.describe_topics()
            if topic["topic"].startswith(settings.topic_prefix) and not topic["error_code"]
        ]
        names = [topic["topic"] for topic in described]
        configs = await topic_settings(admin, names)
    topics = {
        topic["topic"]: TopicState(
            topic["topic"],
            len(topic["partitions"]),
            min(len(partition["replicas"]) for partition in topic["partitions"]),
            sum(len(partition["isr"]) < len(partition["replicas"]) for partition in topic["partitions"]),
            configs.get(topic["topic"], {}),
        )
        for topic in described
    }
    inventory = await take_inventory(settings)
    newest_ms, now_ms = await _newest(settings, topics.get(settings.topic(SPANS)))
    return ClusterFacts(
        str(cluster.get("cluster_id") or ""),
        len(cluster["brokers"]),
        topics,
        inventory.lags,
        newest_ms,
        now_ms or time.time_ns() // 1_000_000,
    )


async def keys_of(settings: Settings) -> int:
    """How many API keys there are that were not revoked. Raises KafkaError, MissingTopic."""
    known: dict[bytes, bool] = {}
    async with log.consumer(settings) as reader:
        for partition in await log.partitions_of(settings, SETTINGS):
            async for record in log.records(reader, partition):
                if record.key and record.key.startswith(KIND.encode()):
                    known[record.key] = bool(record.value) and b'"revoked_at"' not in record.value
    return sum(known.values())


async def _newest(settings: Settings, spans: TopicState | None) -> tuple[int | None, int]:
    """Append time of the newest record of `lumina.spans`, and the time here when it came."""
    if spans is None:
        return None, 0
    newest: int | None = None
    async with AIOKafkaConsumer(
        **client_options(settings, "lumina-doctor"), enable_auto_commit=False
    ) as consumer:
        partitions = [TopicPartition(spans.name, number) for number in range(spans.partitions)]
        ends = await consumer.end_offsets(partitions)
        filled = [partition for partition in partitions if ends[partition]]
        if not filled:
            return None, 0
        consumer.assign(filled)
        for partition in filled:
            consumer.seek(partition, ends[partition] - 1)
        now_ms = 0
        waiting = set(filled)
        deadline = time.monotonic() + ANSWER_MS / 1000
        while waiting and time.monotonic() < deadline:
            fetched = await consumer.getmany(timeout_ms=200)
            now_ms = time.time_ns() // 1_000_000
            for partition, records in fetched.items():
                waiting.discard(partition)
                newest = max([newest or 0, *(record.timestamp for record in records)])
        return newest, now_ms
