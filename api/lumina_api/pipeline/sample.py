"""One look at Kafka's offsets, and what several of them tell: rates. Pure."""

from collections import deque
from collections.abc import Mapping

from aiokafka import TopicPartition
from msgspec import Struct

from lumina_api.dead_letters import DeadLetter

RATE_S = 60.0
"""Rates are those of the last minute."""

Offsets = Mapping[TopicPartition, int]


class Group(Struct, frozen=True):
    """A consumer group: how many members it has, and where it would go on."""

    name: str
    members: int
    committed: Offsets


class Sample(Struct, frozen=True):
    """What Kafka said at one time."""

    at_ns: int  # Unix time
    moment_s: float  # of a clock that never goes back
    begins: Offsets
    ends: Offsets
    groups: tuple[Group, ...] = ()
    letters: tuple[DeadLetter, ...] = ()
    """The newest dead letters."""


class History:
    """The samples of a last minute; older ones go."""

    def __init__(self) -> None:
        self._ends: deque[tuple[float, Offsets]] = deque()
        self.latest: Sample | None = None

    def add(self, sample: Sample) -> None:
        """Take in one more sample."""
        self.latest = sample
        self._ends.append((sample.moment_s, sample.ends))
        while len(self._ends) > 2 and self._ends[1][0] <= sample.moment_s - RATE_S:
            self._ends.popleft()

    def rate(self, partition: TopicPartition) -> float | None:
        """Records a second in the last minute, or since there are samples; None with fewer than two of them,
        and where the topic was made anew between them.
        """
        if len(self._ends) < 2:
            return None
        (then_s, before), (now_s, after) = self._ends[0], self._ends[-1]
        first, last = before.get(partition), after.get(partition)
        if first is None or last is None or last < first or now_s <= then_s:
            return None
        return (last - first) / (now_s - then_s)


def lag(position: int, begin: int, end: int) -> int:
    """Records that a reader at `position` has still to read; those that retention deleted are not there."""
    return max(0, end - max(position, begin))
