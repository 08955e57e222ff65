"""Table of packed state, written once per key and run, to the partition that the run came from."""

from typing import Any

import faust
from faust.stores import memory
from faust.types import TP, EventT


class Store(memory.Store):
    """In-memory store that knows the partition of each key.

    Prevents: Faust's memory store forgets which partition a key came from when the key was written here
    (only recovery notes it), so the state of a partition that left stays behind, and comes back to life with
    the partition.
    """

    def write(self, partition: int, key: bytes, value: bytes) -> None:
        """Set a key that belongs to a partition."""
        self.data[key] = value
        self._key_partition[key] = partition

    def drop(self, partitions: set[int]) -> None:
        """Forget everything that belongs to these partitions."""
        keys = [key for key, partition in self._key_partition.items() if partition in partitions]
        for key in keys:
            del self._key_partition[key]
            self.data.pop(key, None)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop what left; what arrives is read anew from its changelog."""
        changelog = self.table.changelog_topic.get_topic_name()
        moved = {tp.partition for tp in revoked | newly_assigned if tp.topic == changelog}
        if moved:
            self.drop(moved)

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Recover keys from their changelog; the last record of a key wins, an empty one removes it."""
        event: EventT[Any]
        for event in batch:
            key, value = event.message.key, event.message.value
            if value is None:
                self.data.pop(key, None)
                self._key_partition.pop(key, None)
            else:
                self.write(event.message.partition, key, value)


class SeriesTable(faust.Table):
    """A Faust table of bytes whose partition is given, not guessed.

    Faust takes the partition of a write from the event being iterated; a run holds events of several
    partitions, so the writer says which one it means.
    """

    def _new_store(self) -> Store:
        return Store(
            "memory://",
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            value_type=self.value_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            loop=self.loop,
        )

    async def write(self, partition: int, key: bytes, value: bytes) -> None:
        """Set a key and append it to the changelog; the producer's flush waits for it before any commit."""
        self.data.write(partition, key, value)
        await self.app.producer.send(self.changelog_topic.get_topic_name(), key, value, partition, None, None)

    def read(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        value: bytes | None = self.data.data.get(key)
        return value
