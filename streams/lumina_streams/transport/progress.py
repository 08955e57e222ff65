"""How far a worker has come with each partition that it reads."""

from faust.types import TP


class Progress:
    """Kept by `runs` and the consumer; read by ticks, watchdog and the health page, from any thread."""

    def __init__(self) -> None:
        self.done: dict[TP, int] = {}
        """Offset of the last message that was worked on, by partition. At first the one before the first."""
        self.count = 0
        """Messages that were worked on since the process started."""

    def begin(self, tp: TP, position: int) -> None:
        """A partition is (again) read from `position` on."""
        self.done[tp] = position - 1

    def advance(self, tp: TP, offset: int) -> None:
        """A message was worked on, and everything that it led to is on Kafka."""
        self.done[tp] = offset
        self.count += 1

    def forget(self, tps: set[TP]) -> None:
        """These partitions are another worker's now."""
        for tp in tps:
            self.done.pop(tp, None)
