"""What Kafka retains, in the order in which it arrived, over all partitions of a topic.

Without a consumer group, and nothing is written. Memory holds what one fetch brings of each partition.
"""

from collections import deque
from collections.abc import AsyncIterator
from heapq import heapify, heappop, heappush

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

EMPTY_FETCH_MS = 500


async def in_order(
    reader: AIOKafkaConsumer, partitions: list[TopicPartition], until_ms: int
) -> AsyncIterator[ConsumerRecord]:
    """The records of all partitions that lie there now and arrived before `until_ms`, the oldest first; each
    partition's in its own order. Raises KafkaError.
    """
    reader.assign(partitions)
    ends = await reader.end_offsets(partitions)
    await reader.seek_to_beginning(*partitions)
    waiting: dict[TopicPartition, deque[ConsumerRecord]] = {partition: deque() for partition in partitions}
    heads: list[tuple[int, int]] = []
    by_number = {partition.partition: partition for partition in partitions}
    open_ones = set(partitions)
    while open_ones or heads:
        known = {number for _, number in heads}
        while missing := [one for one in open_ones if one.partition not in known]:
            await _fill(reader, missing, ends, waiting, open_ones)
            for partition in missing:
                if waiting[partition]:
                    heads.append((waiting[partition][0].timestamp, partition.partition))
                    known.add(partition.partition)
            heapify(heads)
        # All partitions that may bring more have a record here: the oldest is the oldest of all.
        while heads:
            _, number = heads[0]
            partition = by_number[number]
            record = waiting[partition].popleft()
            heappop(heads)
            if record.timestamp < until_ms:
                yield record
            if waiting[partition]:
                heappush(heads, (waiting[partition][0].timestamp, number))
            elif partition in open_ones:
                break


async def _fill(
    reader: AIOKafkaConsumer,
    missing: list[TopicPartition],
    ends: dict[TopicPartition, int],
    waiting: dict[TopicPartition, deque[ConsumerRecord]],
    open_ones: set[TopicPartition],
) -> None:
    """Fetch for partitions of which nothing is waiting; those that are at their end are open no more."""
    # Compaction and transactions leave gaps, also at the end: only the position tells.
    for partition in missing:
        if await reader.position(partition) >= ends[partition]:
            open_ones.discard(partition)
    if asked := [partition for partition in missing if partition in open_ones]:
        for partition, some in (await reader.getmany(*asked, timeout_ms=EMPTY_FETCH_MS)).items():
            waiting[partition].extend(record for record in some if record.offset < ends[partition])
