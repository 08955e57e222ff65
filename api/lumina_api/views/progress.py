"""How far the views are: what has been replayed, what lags, and what keeps them from being ready."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field

from lumina_api.views.trouble import Cause

# A small batch may fit what a full disk has left. So many in a row show that there is room again.
GOOD_BATCHES = 10

# Rates are those of the last half minute.
RATE_S = 30.0


@dataclass
class PartitionProgress:
    """Offsets of one partition: begun at, applied up to, to be reached, and the end as last seen."""

    first: int
    next: int
    target: int
    end: int

    @property
    def behind(self) -> int:
        """Records to go until what lay there at the start is applied."""
        return max(0, self.target - self.next)

    @property
    def lag(self) -> int:
        """Records to go until the end as last seen."""
        return max(0, self.end - self.next)


@dataclass
class TopicProgress:
    """Progress of one topic, by its full name."""

    name: str
    partitions: dict[int, PartitionProgress] = field(default_factory=dict)

    @property
    def behind(self) -> int:
        """Records to go until ready."""
        return sum(partition.behind for partition in self.partitions.values())

    @property
    def lag(self) -> int:
        """Records not yet applied."""
        return sum(partition.lag for partition in self.partitions.values())

    @property
    def replayed(self) -> float:
        """Share of what lay there at the start that is applied, 0 to 1."""
        whole = sum(max(0, p.target - p.first) for p in self.partitions.values())
        return 1.0 - self.behind / whole if whole else 1.0


@dataclass
class Progress:
    """State of the views as /ready and /metrics tell it."""

    topics: dict[str, TopicProgress] = field(default_factory=dict)
    following: bool = False
    """Whether the reader is attached to the log."""
    caught_up: bool = False
    """Whether the end seen at the start has been reached."""
    trouble: str = "The views are starting."
    """What keeps the reader from its work, and what to do; empty when nothing does."""
    cause: Cause | None = Cause.STARTING
    """The kind of that trouble."""
    stops: Counter[Cause] = field(default_factory=Counter)
    """How often each cause stopped the views."""
    _good: int = 0
    _done: int = 0
    _seen: deque[tuple[float, int]] = field(default_factory=deque)
    """Monotonic times, and how many records had been applied then."""

    @property
    def replayed(self) -> float:
        """Share of what lay in all topics at the start that is applied, 0 to 1."""
        partitions = [partition for topic in self.topics.values() for partition in topic.partitions.values()]
        whole = sum(max(0, partition.target - partition.first) for partition in partitions)
        return 1.0 - sum(partition.behind for partition in partitions) / whole if whole else 1.0

    @property
    def records_per_s(self) -> float | None:
        """Records applied a second, lately; None before that can be said."""
        if len(self._seen) < 2:
            return None
        (since, before), (_, done) = self._seen[0], self._seen[-1]
        elapsed = time.monotonic() - since
        return (done - before) / elapsed if elapsed > 0 else None

    @property
    def eta_s(self) -> float | None:
        """Seconds until what lay there at the start is applied, at the present rate; None where that cannot
        be said.
        """
        behind = sum(topic.behind for topic in self.topics.values())
        if not behind:
            return 0.0 if self.caught_up else None
        rate = self.records_per_s
        return behind / rate if rate else None

    def attached(self) -> None:
        """The reader is at the log, at its stored positions."""
        self.following, self._good = True, 0
        self._seen = deque([(time.monotonic(), self._done)])
        self.settle()
        if self.caught_up or not (self.cause and self.cause.outlasts_attaching):
            self.untroubled()

    def untroubled(self) -> None:
        """Nothing keeps the reader from its work."""
        self.trouble, self.cause = "", None

    def applied(self, positions: dict[tuple[str, int], int]) -> None:
        """Note what one batch has moved on."""
        self._good += 1
        moved = sum(
            next_offset - self.topics[topic].partitions[number].next
            for (topic, number), next_offset in positions.items()
        )
        self._count(max(0, moved))
        for (topic, number), next_offset in positions.items():
            partition = self.topics[topic].partitions[number]
            partition.next = next_offset
            partition.end = max(partition.end, next_offset)
        self.settle()
        if self.cause and self.cause.outlasts_attaching and (self.caught_up or self._good >= GOOD_BATCHES):
            self.untroubled()

    def _count(self, moved: int) -> None:
        now = time.monotonic()
        self._done += moved
        self._seen.append((now, self._done))
        while self._seen[0][0] < now - RATE_S:
            self._seen.popleft()

    def settle(self) -> None:
        """See whether the end of the start has been reached. It stays so until the reader starts anew."""
        if self.following and not any(topic.behind for topic in self.topics.values()):
            self.caught_up = True

    def troubled(self, cause: Cause, trouble: str) -> None:
        """Something keeps the reader from its work; it still has its log."""
        self.stops[cause] += cause is not self.cause
        self.cause, self.trouble = cause, trouble

    def stopped(self, cause: Cause, trouble: str) -> None:
        """The reader lost its log or its file, and will try again."""
        self.troubled(cause, trouble)
        self.following = self.caught_up = False

    @property
    def reasons(self) -> list[str]:
        """Why the views are not ready; empty when they are."""
        if self.trouble:
            return [self.trouble]
        if self.caught_up:
            return []
        left = self.eta_s
        soon = f" About {left:.0f} s in all." if left else ""
        return [
            f"Replaying {topic.name}: {topic.replayed:.0%} done, {topic.behind} records to go.{soon}"
            for topic in self.topics.values()
            if topic.behind
        ] or ["The views are about to follow the log."]
