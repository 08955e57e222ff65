"""All partitions of a topic as one stream, oldest first, in memory that does not grow with the topic."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

BATCH_RECORDS = 200
WAIT_MS = 500
STALL_S = 60.0
"""A partition that gives nothing for so long is taken for unreadable."""


class Stalled(RuntimeError):
    """Kafka does not give what it said it has."""


async def merged(
    consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]
) -> AsyncIterator[ConsumerRecord]:
    """Every record before `ends` of the assigned partitions, each partition's in their order, and across
    partitions by time: retention drops a log from its beginning, so old must not lie behind new.
    """
    heads: dict[TopicPartition, deque[ConsumerRecord]] = {}
    for partition, end in ends.items():
        heads[partition] = await _more(consumer, partition, end)
    while heads:
        oldest = None
        for partition, waiting in list(heads.items()):
            if not waiting:
                heads[partition] = waiting = await _more(consumer, partition, ends[partition])
                if not waiting:
                    del heads[partition]
                    continue
            if oldest is None or waiting[0].timestamp < heads[oldest][0].timestamp:
                oldest = partition
        if oldest is not None:
            yield heads[oldest].popleft()


async def _more(consumer: AIOKafkaConsumer, partition: TopicPartition, end: int) -> deque[ConsumerRecord]:
    """The next records of a partition; none at its end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + STALL_S
    # Compaction leaves holes: the position tells the end, not the last record.
    while await consumer.position(partition) < end:
        fetched = await consumer.getmany(partition, timeout_ms=WAIT_MS, max_records=BATCH_RECORDS)
        if records := [record for record in fetched.get(partition, []) if record.offset < end]:
            return deque(records)
        if loop.time() > deadline:
            raise Stalled(
                f"{partition.topic} partition {partition.partition} gives nothing although it goes on to "
                f"offset {end}. Check its brokers, then run this again."
            )
    return deque()
