"""Is the stream alive? Its table's changelog grows whenever detect has done a run."""

import asyncio
import time

from aiokafka import AIOKafkaConsumer, TopicPartition

from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import describe
from lumina_schemas.topics import DETECT_CHANGELOG

LIMIT_S = 90.0


async def resumed(settings: Settings, since: float) -> float:
    """Seconds from `since` (monotonic) until the stream has processed something after this was called.

    Traffic must flow meanwhile. Raises TimeoutError where nothing comes.
    """
    options = client_options(settings)
    name = settings.topic(DETECT_CHANGELOG)
    partitions = [TopicPartition(name, n) for n in range((await describe(options, [name]))[name].partitions)]
    async with asyncio.timeout(LIMIT_S), AIOKafkaConsumer(**options) as consumer:
        before = sum((await consumer.end_offsets(partitions)).values())
        while sum((await consumer.end_offsets(partitions)).values()) == before:
            await asyncio.sleep(0.02)
        return time.monotonic() - since
