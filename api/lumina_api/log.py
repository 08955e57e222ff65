"""The log read once, by a command: a partition or a whole topic, up to what lies there now.

Without a consumer group; memory holds what one fetch brings.
"""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import TopicFacts, describe
from lumina_schemas.topics import Topic


class MissingTopic(LookupError):
    """A topic that is needed does not exist."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Topic {name} does not exist. `lumina up` or `lumina topics --create` makes it.")


async def facts_of(settings: Settings, name: str) -> TopicFacts:
    """Kafka's id and the partitions of a topic by its full name. Raises MissingTopic, KafkaError."""
    facts = await describe(client_options(settings, "lumina-log"), [name])
    if name not in facts:
        raise MissingTopic(name)
    return facts[name]


async def partitions_of(settings: Settings, topic: Topic) -> list[TopicPartition]:
    """The partitions of a topic. Raises MissingTopic, KafkaError."""
    name = settings.topic(topic)
    facts = await facts_of(settings, name)
    return [TopicPartition(name, number) for number in range(facts.partitions)]


def consumer(settings: Settings) -> AIOKafkaConsumer:
    """A consumer for `records`; for the length of an `async with` block."""
    return AIOKafkaConsumer(
        **client_options(settings, "lumina-log"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )


async def records(
    reader: AIOKafkaConsumer, partition: TopicPartition, since_ms: int | None = None
) -> AsyncIterator[ConsumerRecord]:
    """What lies in a partition now, in its order, from its beginning or from a time of arrival on (Unix ms).

    Raises KafkaError.
    """
    reader.assign([partition])
    end = (await reader.end_offsets([partition]))[partition]
    if since_ms is None:
        await reader.seek_to_beginning(partition)
    else:
        found = (await reader.offsets_for_times({partition: since_ms}))[partition]
        if found is None:  # nothing arrived since
            return
        reader.seek(partition, found.offset)
    # Compaction and transactions leave gaps, also at the end: only the position tells.
    while await reader.position(partition) < end:
        for record in (await reader.getmany(partition, timeout_ms=500)).get(partition, ()):
            if record.offset >= end:
                return
            yield record
