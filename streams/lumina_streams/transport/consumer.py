"""Consumer that never stalls its busy partitions behind an idle one, and knows whether it is a member."""

from typing import NamedTuple

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from lumina_streams.transport.membership import Membership
from lumina_streams.transport.topic_watch import TopicWatch

FETCH_MAX_WAIT_MS = {"stream": 20, "actor": 200}
"""How long the broker may hold a fetch that finds nothing, by app.

Faust hard-codes 1,500 ms and aiokafka keeps one fetch in flight per broker: whenever every busy partition
still has buffered records, the next fetch asks only for idle ones and blocks all others for its whole wait.
Measured on two hops: 2,600 spans/s at 1,500 ms, 12,500 spans/s at 20 ms. The actor serves people and hooks:
it may take a fifth of a second more and asks a tenth as often.
"""


class Fetched(NamedTuple):
    """State of one partition in the fetcher."""

    position: int
    """Offset of the next record to come out of it."""
    end: int
    """End of the partition (the next offset to be written) at the last answer of the broker ..."""
    at_ms: int
    """... and when that was, Unix time."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns aiokafka's consumer."""

    async def on_start(self) -> None:
        """Start the consumer; it joins its group only when it is told what to read."""
        await super().on_start()
        conf = self.app.conf
        membership = Membership(self.app.lease, conf.consumer_group_instance_id)
        consumer = self._ensure_consumer()
        membership.watch(consumer._coordinator)
        TopicWatch().watch(consumer._client)

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS[self.app.role]
        return consumer


class Consumer(driver.Consumer):
    """Prevents: the fetch stall (a fetch for an idle partition blocks all others for 1.5 s).

    Prevents: commits that fall behind for good (faust-streaming #596, #606). Faust keeps a list of what was
    acknowledged, fills what it takes for holes in it, and counts the message behind a hole twice: each costs
    one commit interval, and a list that begins behind the committed offset is never committed at all. Seen:
    67 of 96 messages after a kill -9, for ever. `runs` works in order, so the last message that was worked on
    says it all.
    """

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Go to the committed offsets, and note where each partition begins for this worker."""
        await super().perform_seek()
        tps = {tp for tp in self.assignment() if not self._is_changelog_tp(tp)}
        # What retention has deleted since the commit will never be read: it is no lag.
        earliest = await self.earliest_offsets(*tps) if tps else {}
        for tp in tps:
            position = await self.position(tp)
            self.app.progress.begin(tp, max(position or 0, earliest.get(tp) or 0))

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Forget what left."""
        await super().on_partitions_revoked(revoked)
        self.app.progress.forget(revoked)

    def _new_offset(self, tp: TP) -> int | None:
        """The offset to commit: everything before it was worked on."""
        self._acked[tp].clear()
        self._acked_index[tp].clear()
        done = self.app.progress.done.get(tp)
        return None if done is None else done + 1

    def fetched(self, tp: TP) -> Fetched | None:
        """How far the fetcher is with a partition; None where it is not (yet) assigned, or never fetched."""
        try:
            state = self._thread._ensure_consumer()._subscription.subscription.assignment.state_value(tp)
        except AttributeError:  # between two assignments there is none
            return None
        if state is None or not state.has_valid_position or state.highwater is None:
            return None
        return Fetched(state.position, state.highwater, state.timestamp or 0)
