"""The clock of one partition of `lumina.spans`: how far every landing topic has surely come, in log time."""

from typing import Self

import msgspec
from msgspec import Struct

from lumina_schemas.control import Tick
from lumina_streams.core.baseline.moment import LATEST_MS

CLOCK_VERSION = 1

UNKNOWN = 0


class Mark(Struct, array_like=True, frozen=True, gc=False):
    """What one source partition has reached: offset, and time in ms since 1970."""

    offset: int
    time_ms: int


class StoredClock(Struct, array_like=True, frozen=True):
    """A clock as it is stored."""

    v: int
    ms: int
    sources: dict[str, list[Mark | None]]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredClock).decode


class LogClock:
    """The minimum of the times that all partitions of all landing topics have reached.

    A backlog in one of them holds the clock back, so that nothing falls due before what lies in the backlog
    has been seen. The clock never goes back. It follows from the ticks in the order of the log alone.

    Write it after the states of its run, in every run in which it changed: since a crash leaves a prefix of
    the writes, all that lies before a stored clock is in the states too, and what is replayed after it meets
    the clock that it met before.
    """

    __slots__ = ("_sources", "ms")

    def __init__(self) -> None:
        self.ms = UNKNOWN
        """The clock in ms since 1970; 0 until every source partition has reported."""
        self._sources: dict[str, list[Mark | None]] = {}

    def take(self, tick: Tick) -> bool:
        """Take a tick. False: it said nothing new, so there is nothing to store.

        What it says of a source partition counts unless it lies behind what is known: a replay, or a sender
        that lost its partitions and does not know it. Topics that it no longer names are forgotten.
        """
        changed = self._know(tick.sources)
        for reached in tick.reached:
            marks = self._sources.get(reached.epoch, [])
            if reached.partition >= len(marks):
                continue
            known = marks[reached.partition]
            mark = Mark(reached.offset, min(reached.time_ms, LATEST_MS))
            if known is None or (known != mark and _follows(mark, known)):
                marks[reached.partition] = mark
                changed = True
        marks = [mark for marks in self._sources.values() for mark in marks]
        times = [mark.time_ms for mark in marks if mark is not None]
        if times and len(times) == len(marks):
            self.ms = max(self.ms, min(times))
        return changed

    def _know(self, sources: dict[str, int]) -> bool:
        """Take the landing topics. Topics only ever gain partitions: a lower number is old news."""
        changed = False
        for epoch in self._sources.keys() - sources.keys():
            del self._sources[epoch]
            changed = True
        for epoch, partitions in sources.items():
            marks = self._sources.setdefault(epoch, [])
            if len(marks) < partitions:
                marks.extend([None] * (partitions - len(marks)))
                changed = True
        return changed

    def pack(self) -> bytes:
        """The clock as bytes; equal clocks give equal bytes."""
        return _encode(StoredClock(CLOCK_VERSION, self.ms, dict(sorted(self._sources.items()))))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Inverse of `pack`. Raises ValueError for what it did not write."""
        try:
            stored = _decode(data)
        except msgspec.DecodeError as error:
            raise ValueError(f"Unreadable clock ({error}); remove its key, ticks make it anew.") from error
        if stored.v != CLOCK_VERSION:
            raise ValueError(f"A clock of version {stored.v}; this is version {CLOCK_VERSION}.")
        clock = cls()
        clock.ms = stored.ms
        clock._sources = stored.sources
        return clock


def _follows(mark: Mark, known: Mark) -> bool:
    return mark.offset >= known.offset and mark.time_ms >= known.time_ms
