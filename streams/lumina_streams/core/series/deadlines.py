"""The deadlines of one partition's series: who has something to do at which clock."""

from heapq import heappop, heappush


class Deadlines:
    """A heap of (clock in ms, series). Kept in memory; made anew from the states after a restart.

    A deadline that moves back keeps its place in the heap and is looked at again when that place comes:
    otherwise every call of a series with an open alert would leave an entry there for a day.
    """

    __slots__ = ("_due", "_heap", "_queued")

    def __init__(self) -> None:
        self._heap: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}
        self._queued: dict[str, int] = {}
        """The place of a series' one valid entry in the heap."""

    def set(self, series_id: str, due_ms: int | None) -> None:
        """Say when a series is due (`due_ms` of its state), each time its state changed; None: not at all."""
        if due_ms is None:
            self._due.pop(series_id, None)
            return
        self._due[series_id] = due_ms
        if due_ms < self._queued.get(series_id, due_ms + 1):
            self._queue(series_id, due_ms)

    def series(self) -> list[str]:
        """The series that have a deadline."""
        return list(self._due)

    def take(self, clock_ms: int) -> list[str]:
        """Remove and return the series that are due at this clock."""
        ready: list[str] = []
        while self._heap and self._heap[0][0] <= clock_ms:
            place, series_id = heappop(self._heap)
            if self._queued.get(series_id) != place:
                continue
            del self._queued[series_id]
            due_ms = self._due.get(series_id)
            if due_ms is None:
                continue
            if due_ms > clock_ms:
                self._queue(series_id, due_ms)
                continue
            del self._due[series_id]
            ready.append(series_id)
        return ready

    def _queue(self, series_id: str, due_ms: int) -> None:
        self._queued[series_id] = due_ms
        heappush(self._heap, (due_ms, series_id))

    def __len__(self) -> int:
        return len(self._due)
