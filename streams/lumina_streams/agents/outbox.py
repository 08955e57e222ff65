"""What a run sends: collected while it works, sent together, acknowledged before the run ends."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from lumina_streams.agents.dlq import Headers
from lumina_streams.transport.producer import Producer


class Outbox:
    """Messages of one run, in the order in which each partition must see them."""

    def __init__(self) -> None:
        self._messages: list[tuple[str, bytes | None, bytes, int | None, Headers | None]] = []

    def add(
        self,
        topic: str,
        value: bytes,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Headers | None = None,
    ) -> None:
        """Add a message; without a partition the producer chooses one."""
        self._messages.append((topic, key, value, partition, headers))

    async def deliver(self, producer: Producer) -> None:
        """Send all and wait until every in-sync replica has them.

        The next run starts only after this one is whole on Kafka: positions of a source partition reach each
        partition of `lumina.spans` without gaps. A send that fails ends the process (see `Producer`).
        """
        futures: list[Awaitable[Any]] = [
            await producer.send(topic, key, value, partition, None, headers)
            for topic, key, value, partition, headers in self._messages
        ]
        self._messages.clear()
        if futures:
            await asyncio.gather(*futures)
