"""All that lies in a topic."""

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings


async def everything(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """The records of a topic with the settings' number of partitions, each partition's in order."""
    async with AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        messages: list[ConsumerRecord] = []
        while len(messages) < sum(ends.values()):
            for some in (await consumer.getmany(timeout_ms=200)).values():
                messages += some
    return messages
