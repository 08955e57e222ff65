"""One question to Kafka: which topics are there, and are they still the same?"""

from aiokafka.client import AIOKafkaClient

from lumina_schemas.kafka import ClientOptions
from lumina_schemas.topic_facts import TopicFacts, topic_facts

__all__ = ["TopicFacts", "describe"]


async def describe(options: ClientOptions, topics: list[str]) -> dict[str, TopicFacts]:
    """The facts of each of these topics; those that do not exist, or have no leader, are left out.

    `options` are aiokafka's client options. Raises aiokafka's KafkaError where no broker can be reached.
    """
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        return await topic_facts(client, topics)
    finally:
        await client.close()
