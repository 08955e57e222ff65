"""Table of packed state, written once per key and run, to the partition that the run came from."""

import faust
from faust.types import TP

from lumina_streams.core.series.revision import payload_of, revision_of
from lumina_streams.transport.lease import moment
from lumina_streams.transport.store import Store


class SeriesTable(faust.Table):
    """A Faust table of bytes whose partition is given, not guessed.

    Faust takes the partition of a write from the event being iterated; a run holds events of several
    partitions, so the writer says which one it means.

    Prevents: a stale writer's last word that outlives compaction. Recovery tells revisions apart, compaction
    keeps whatever came last; a worker that has been replaced may write for as long as its lease lasts. So the
    keys that are written in that time are written once more after it (`settle`).
    """

    def __post_init__(self) -> None:
        self._early: dict[int, set[bytes]] = {}
        self._settled_at: dict[int, float] = {}
        self._gained: set[int] = set()

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

    @property
    def store(self) -> Store:
        """What it holds in memory."""
        store: Store = self.data
        return store

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Note which partitions come and go."""
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)
        changelog = self.changelog_topic.get_topic_name()
        for tp in revoked | newly_assigned:
            if tp.topic == changelog:
                self._gained.discard(tp.partition)
                self._early.pop(tp.partition, None)
                self._settled_at.pop(tp.partition, None)
        until = moment() + self.app.conf.broker_session_timeout
        for tp in newly_assigned:
            if tp.topic == changelog:
                self._gained.add(tp.partition)
                self._early[tp.partition] = set()
                self._settled_at[tp.partition] = until

    @property
    def gained(self) -> frozenset[int]:
        """Partitions that came to this worker and were not taken yet."""
        return frozenset(self._gained)

    def take_gained(self) -> list[int]:
        """Partitions that came to this worker and were restored since this was asked last."""
        gained, self._gained = sorted(self._gained), set()
        return gained

    async def write(self, partition: int, key: bytes, payload: bytes) -> None:
        """Set a key and append it to the changelog; the producer's flush waits for it before any commit."""
        stored = self.store.write(partition, key, payload)
        if partition in self._early:
            self._early[partition].add(key)
        await self._append(partition, key, stored)

    async def settle(self) -> None:
        """Once a former owner of a partition can write no more, write again what was written meanwhile."""
        due = [partition for partition, at in self._settled_at.items() if moment() >= at]
        for partition in due:
            del self._settled_at[partition]
            for key in sorted(self._early.pop(partition)):
                if (payload := self.read(key)) is not None:
                    await self._append(partition, key, self.store.write(partition, key, payload))

    async def _append(self, partition: int, key: bytes, stored: bytes) -> None:
        name = self.changelog_topic.get_topic_name()
        await self.app.producer.send(name, key, stored, partition, None, None)

    def read(self, key: bytes) -> bytes | None:
        """The payload of a key, or None."""
        stored = self.store.data.get(key)
        return None if stored is None else payload_of(stored)

    def stored(self, key: bytes) -> bytes | None:
        """The very object that holds a key's value: another one means that the key was written since."""
        return self.store.data.get(key)

    def is_ours(self, partition: int, key: bytes) -> bool:
        """Whether a key was written since its partition came here: no former owner can overrule it."""
        stored = self.store.data.get(key)
        return stored is not None and revision_of(stored).term == self.store.term(partition)
