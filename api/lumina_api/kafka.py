"""What this package asks Kafka itself: is it up, which topics has it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

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
