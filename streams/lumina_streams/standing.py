"""How a worker stands: what keeps it from processing, what there is to do, whether it moves."""

from collections.abc import Hashable

from lumina_streams.app import WorkerApp
from lumina_streams.metrics import Metrics
from lumina_streams.transport.consumer import Consumer
from lumina_streams.transport.recovery import Recovery


class Standing:
    """Looks at a running app from outside of its event loop.

    Every reading is one of simple values, and makes nothing: Faust builds its parts when they are first asked
    for, and one that is built in another thread is built twice.
    """

    def __init__(self, app: WorkerApp) -> None:
        self.app = app
        self.tables = app.tables

    @property
    def recovery(self) -> Recovery | None:
        """The app's recovery, once it has one."""
        found: Recovery | None = self.tables._recovery
        return found

    @property
    def consumer(self) -> Consumer | None:
        """The app's consumer, once it has one."""
        found: Consumer | None = self.app._consumer
        return found

    def reasons(self) -> list[str]:
        """Why this worker does not process yet; empty once it does."""
        reasons: list[str] = []
        recovery = self.recovery
        if recovery is None or self.consumer is None:
            return ["starting"]
        joined = self.app.consumer_generation_id != 0
        if self.app.rebalancing or not joined:
            reasons.append("joining the consumer group")
        if joined and (not recovery.completed.is_set() or recovery.in_recovery):
            reasons.append(f"restoring tables from the changelog, {self.to_restore()} records to go")
        for reader in (self.app.settings_reader, self.app.series_reader):
            if reader is not None and (why := reader.why):
                reasons.append(why)
        if self.app.should_stop:
            reasons.append("stopping")
        return reasons

    def to_restore(self) -> int:
        """Changelog records still to be read before this worker can process."""
        recovery = self.recovery
        return sum(recovery.active_remaining().values()) if recovery and recovery.active_highwaters else 0

    def lag(self) -> int:
        """Records of this worker's partitions that were not worked on yet, as far as the fetcher knows."""
        lag = 0
        for tp, done in list(self.app.progress.done.items()):
            if self.consumer and (fetched := self.consumer.fetched(tp)):
                lag += max(fetched.end - done - 1, 0)
        return lag

    def busy(self) -> str:
        """What there is to do, in words; empty where nothing is."""
        if reasons := self.reasons():
            return "; ".join(reasons)
        consumer = self.consumer
        assert consumer is not None  # or it would be starting
        waiting = len(consumer.unacked)
        behind = 0
        for tp in list(self.app.progress.done):
            if fetched := consumer.fetched(tp):
                behind += max(fetched.end - fetched.position, 0)
        return f"{waiting} messages in hand, {behind} to fetch" if waiting or behind else ""

    def trace(self) -> Hashable:
        """Changes whenever this worker gets on with its work."""
        return (self.app.progress.count, self.to_restore(), self.app.consumer_generation_id)

    def publish(self, metrics: Metrics) -> None:
        """Add the gauges."""
        metrics.gauge("ready", lambda: float(not self.reasons()))
        metrics.gauge("lag_records", self.lag)
        metrics.gauge("restore_remaining_records", self.to_restore)
        metrics.gauge("lease_held", lambda: float(self.app.lease.held))
