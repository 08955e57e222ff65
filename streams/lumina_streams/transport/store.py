"""The table's memory: the newest revision of each key, by partition."""

from collections.abc import Iterable
from typing import Any

from faust.stores import memory
from faust.types import TP, EventT

from lumina_streams.core.series.revision import Revision, is_newer, revised, revision_of


class Store(memory.Store):
    """In-memory store that knows the partition of each key, and old writes from new ones.

    Prevents: a stale writer's last word (seen: the state of offset 848 in the changelog, behind that of
    4,926). Recovery keeps the higher revision, not the later record.

    Prevents: Faust's memory store forgets which partition a key came from when the key was written here (only
    recovery notes it), so the state of a partition that left stays behind, and comes back to life with the
    partition.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.data: dict[bytes, bytes] = {}
        self._keys: dict[int, set[bytes]] = {}
        self._terms: dict[int, int] = {}
        self._highest: dict[int, int] = {}

    def keys_of(self, partition: int) -> list[bytes]:
        """The keys of a partition, sorted."""
        return sorted(self._keys.get(partition, ()))

    def term(self, partition: int) -> int:
        """The term of this worker's writes: above all that the partition's changelog held when it came."""
        if partition not in self._terms:
            self._terms[partition] = self._highest.get(partition, 0) + 1
        return self._terms[partition]

    def write(self, partition: int, key: bytes, payload: bytes) -> bytes:
        """Set a key of a partition that this worker owns; returns the value for the changelog."""
        known = self.data.get(key)
        writes = revision_of(known).writes if known is not None else 0
        stored = revised(payload, Revision(self.term(partition), writes + 1))
        self.data[key] = stored
        self._keys.setdefault(partition, set()).add(key)
        return stored

    def restore(self, partition: int, key: bytes, stored: bytes | None) -> None:
        """Take in one record of the changelog; an empty one removes its key."""
        if stored is None:
            self.data.pop(key, None)
            self._keys.get(partition, set()).discard(key)
            return
        if is_newer(stored, self.data.get(key)):
            self.data[key] = stored
            self._keys.setdefault(partition, set()).add(key)
        term = revision_of(stored).term
        if term > self._highest.get(partition, 0):
            self._highest[partition] = term

    def drop(self, partitions: Iterable[int]) -> None:
        """Forget everything that belongs to these partitions."""
        for partition in partitions:
            for key in self._keys.pop(partition, ()):
                self.data.pop(key, None)
            self._terms.pop(partition, None)
            self._highest.pop(partition, None)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop what left; what arrives is read anew from its changelog."""
        changelog = self.table.changelog_topic.get_topic_name()
        self.drop({tp.partition for tp in revoked | newly_assigned if tp.topic == changelog})

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Nothing is left to do: what is not owned was dropped when it left."""

    def apply_changelog_batch(self, batch: Any, to_key: Any, to_value: Any) -> None:
        """Recover keys from what Faust itself has read of the changelog."""
        event: EventT[Any]
        for event in batch:
            self.restore(event.message.partition, event.message.key, event.message.value)
