"""The writing end of a copy: what was sent, where it lies, and that all of it was acknowledged."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

from aiokafka import AIOKafkaProducer

from lumina_api.generations.routing import Headers, Routed

UNDER_WAY_BYTES = 8_000_000
UNDER_WAY_RECORDS = 5_000


class Writer:
    """Sends records and knows their offsets: nobody else writes to a topic that was only just made."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._under_way: list[Awaitable[Any]] = []
        self._bytes = 0
        self.ends: Counter[tuple[str, int]] = Counter()
        """Records sent, by (topic, partition): the end of each once `settle` has returned."""

    async def send(self, topic: str, record: Routed, timestamp_ms: int, headers: Headers) -> None:
        """Send one record, waiting for earlier ones where too much is under way."""
        future = await self._producer.send(
            topic,
            record.value,
            record.key,
            record.partition,
            # The time of arrival goes along: retention and erasures go by it.
            timestamp_ms=timestamp_ms,
            headers=list(headers),
        )
        self._under_way.append(future)
        self._bytes += len(record.value or b"")
        self.ends[topic, record.partition] += 1
        if self._bytes > UNDER_WAY_BYTES or len(self._under_way) > UNDER_WAY_RECORDS:
            await self.settle()

    async def settle(self) -> None:
        """Wait until all that was sent is on every in-sync replica; raises where a send failed."""
        await asyncio.gather(*self._under_way)
        self._under_way.clear()
        self._bytes = 0
