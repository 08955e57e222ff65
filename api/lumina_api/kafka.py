"""What this package asks Kafka itself: is it up, which topics has it. And how a producer is given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, ProducerClosed

from lumina_schemas.kafka import ClientOptions


@asynccontextmanager
async def admin_client(options: ClientOptions) -> AsyncIterator[AIOKafkaAdminClient]:
    """A started admin client for the length of an `async with` block."""
    admin = AIOKafkaAdminClient(**options)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def is_up(options: ClientOptions) -> bool:
    """Whether a broker answers and knows of itself as part of the cluster."""
    try:
        async with admin_client(options) as admin:
            return bool((await admin.describe_cluster())["brokers"])
    except (KafkaError, OSError):
        return False


async def partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    """Partitions of each topic whose partitions all have a leader, by full name."""
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in await admin.describe_topics()
        if not topic["error_code"] and all(p["leader"] >= 0 for p in topic["partitions"])
    }


async def topic_settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Settings in force of each of these topics, the broker's defaults included."""
    if not names:
        return {}
    found: dict[str, dict[str, str]] = {}
    wanted = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    for response in await admin.describe_configs(wanted):
        for error, _, _, name, entries in response.resources:
            if not error:
                found[name] = {entry[0]: str(entry[1]) for entry in entries}
    return found


async def discard(producer: AIOKafkaProducer) -> None:
    """Close a producer and drop what it holds. Its own `stop` would wait until Kafka has taken everything."""
    sender = producer._sender.sender_task
    while sender is not None and not sender.done():
        sender.cancel()  # more than once: it waits for its own requests first
        await asyncio.wait([sender], timeout=0.05)
    producer._message_accumulator.fail_all(ProducerClosed())
    await producer.stop()
