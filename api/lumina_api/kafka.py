"""What this package asks Kafka itself: is it up, which topics has it. And how a producer is given up."""

import asyncio
from collections.abc import AsyncIterator, Callable
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


class HeldProducer:
    """A producer that `make` makes: when it is first needed, and anew after it was dropped."""

    def __init__(self, make: Callable[[], AIOKafkaProducer]) -> None:
        self._make = make
        self._producer: AIOKafkaProducer | None = None

    @property
    def held(self) -> bool:
        """Whether there is a producer now."""
        return self._producer is not None

    async def get(self) -> AIOKafkaProducer:
        """The started producer. Raises KafkaError, OSError, and what `make` raises."""
        if self._producer is None:
            producer = self._make()
            try:
                await producer.start()
            except BaseException:
                await discard(producer)
                raise
            self._producer = producer
        return self._producer

    async def drop(self) -> None:
        """Give it up, with what it holds."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await discard(producer)
