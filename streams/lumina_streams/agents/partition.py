"""What detect keeps of a partition of `lumina.spans` beside its series: the clock, and who is due when."""

import msgspec
from msgspec import Struct

from lumina_schemas.alert import Alert
from lumina_schemas.control import Tick
from lumina_streams.core.series.clock import LogClock
from lumina_streams.core.series.deadlines import Deadlines
from lumina_streams.core.series.quiet import due_ms
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import SeriesState


class Stored(Struct, array_like=True, frozen=True):
    """A partition's own state as it is stored."""

    epoch: str
    """Kafka's id of `lumina.spans`: the offset is one of that topic."""
    offset: int
    """Of the last tick that the clock has taken."""
    clock: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


class Partition:
    """One partition of the log while this worker owns it.

    Ticks change only this state; a tick that was taken before (a replay after a crash) is recognised by its
    offset. It is written after the states of its run, so that whatever is replayed meets the clock that it
    met before.
    """

    def __init__(self, number: int, epoch: str, stored: bytes | None) -> None:
        self.number = number
        self.epoch = epoch
        self.clock = LogClock()
        self.deadlines = Deadlines()
        self.dirty = False
        """The clock has changed since it was last packed."""
        self._offset = -1
        if stored is not None:
            known = _decode(stored)
            if known.epoch == epoch:
                self.clock = LogClock.unpack(known.clock)
                self._offset = known.offset

    @property
    def key(self) -> bytes:
        """Its key in the table."""
        return b"p|%d" % self.number

    def pack(self) -> bytes:
        """Its value in the table."""
        self.dirty = False
        return _encode(Stored(self.epoch, self._offset, self.clock.pack()))

    def take(self, tick: Tick, offset: int) -> list[str]:
        """Take the tick that lies at an offset; returns the series that are due by its clock."""
        if offset <= self._offset or not self.clock.take(tick):
            return []
        self._offset = offset
        self.dirty = True
        return self.deadlines.take(self.clock.ms)

    def expect(self, state: SeriesState, rules: Rules) -> None:
        """Note when a series, as it is now, will have something to do."""
        self.deadlines.set(state.hot.series_id, due_ms(state, rules))

    def adopt(self, state: SeriesState, rules: Rules) -> list[Alert]:
        """Take a series over from a former owner; returns its alerts as they stand, to be sent again: the
        last word on the topic may be that of a writer which did not know that it had been replaced.
        """
        self.expect(state, rules)
        return [track.alert for track in state.hot.book.tracks]
