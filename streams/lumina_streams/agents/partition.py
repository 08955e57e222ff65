"""What detect keeps of a partition of `lumina.spans` beside its series: clock, rules, and who is due when."""

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from lumina_schemas.alert import Alert
from lumina_schemas.control import Tick
from lumina_schemas.rule import RuleChange
from lumina_streams.core.series.clock import LogClock
from lumina_streams.core.series.deadlines import Deadlines
from lumina_streams.core.series.quiet import due_ms
from lumina_streams.core.series.rulebook import RuleBook
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import SeriesState


class Stored(Struct, array_like=True, frozen=True):
    """A partition's clock as it is stored."""

    epoch: str
    """Kafka's id of `lumina.spans`: the offset is one of that topic."""
    offset: int
    """Of the last tick that the clock has taken."""
    clock: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


def clock_key(number: int) -> bytes:
    """Table key of a partition's clock."""
    return b"p|%d" % number


def rules_key(number: int) -> bytes:
    """Table key of a partition's rules: a key of its own, for the clock is written every few seconds."""
    return b"r|%d" % number


class Partition:
    """One partition of the log while this worker owns it.

    Ticks change only the clock; a tick that was taken before (a replay after a crash) is recognised by its
    offset. The clock is written after the states of its run, so that whatever is replayed meets the clock
    that it met before.

    Rules decide about all that lies behind them. A change that was taken before is recognised by its position
    in `lumina.settings`, and changes are worked on in a run of their own (see `detect.runs_of`): what lies
    before them is written first, then the series that they resolve, then the rules, then what lies behind. A
    crash leaves a prefix of these writes, with the rules up to some change K. Then
    - what lies before K is in the states and in the clock: replayed, from however far back, it is dropped;
    - what lies behind the next change L is not, save that L may have resolved series that are silent by its
      rules, and a resolved alert has no deadline. So whatever is replayed meets the rules that it met before.
    In one run with its neighbours, a change would be written last. States that had seen it would meet the
    rules from before it once more, and a tick of the replay could resolve as silent what it no longer may
    (`test_replay` shows it).
    """

    def __init__(
        self,
        number: int,
        epoch: str,
        defaults: Rules,
        clock: bytes | None = None,
        rules: bytes | None = None,
    ) -> None:
        self.number = number
        self.epoch = epoch
        self.clock = LogClock()
        self.book = RuleBook(defaults) if rules is None else RuleBook.unpack(rules, defaults)
        self.deadlines = Deadlines()
        self._offset = -1
        self._clock_changed = False
        self._rules_changed = False
        if clock is not None:
            known = _decode(clock)
            if known.epoch == epoch:
                self.clock = LogClock.unpack(known.clock)
                self._offset = known.offset

    def take_changes(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of what has changed, to be written behind the states of the run."""
        if self._clock_changed:
            self._clock_changed = False
            yield clock_key(self.number), _encode(Stored(self.epoch, self._offset, self.clock.pack()))
        if self._rules_changed:
            self._rules_changed = False
            yield rules_key(self.number), self.book.pack()

    def take(self, tick: Tick, offset: int) -> list[str]:
        """Take the tick that lies at an offset; returns the series that are due by its clock."""
        if offset <= self._offset or not self.clock.take(tick):
            return []
        self._offset = offset
        self._clock_changed = True
        return self.deadlines.take(self.clock.ms)

    def change_rules(
        self, change: RuleChange, state_of: Callable[[str], SeriesState | None]
    ) -> list[str] | None:
        """Take a change of the rules; returns the series that are due by it, None where it is known already.

        Deadlines move with `silent_after_s`. What is due by them is done now, not at the next tick: behind
        each message of the log nothing is due at its clock (see `quiet`). Raises RuleBookFullError.
        """
        if not self.book.positions.advance(change.src):
            return None
        self._rules_changed = True
        self.book.take(change.id, change.rule)
        for series_id in self.deadlines.series():
            state = state_of(series_id)
            assert state is not None  # it has an open alert
            self.expect(state)
        return self.deadlines.take(self.clock.ms)

    def rules_for(self, state: SeriesState) -> Rules:
        """The rules in force for a series."""
        hot = state.hot
        return self.book.rules_for(hot.project, hot.service, hot.endpoint)

    def expect(self, state: SeriesState) -> None:
        """Note when a series, as it is now, will have something to do."""
        self.deadlines.set(state.hot.series_id, due_ms(state, self.rules_for(state)))

    def adopt(self, state: SeriesState) -> list[Alert]:
        """Take a series over from a former owner; returns its alerts as they stand, to be sent again: the
        last word on the topic may be that of a writer which did not know that it had been replaced.
        """
        self.expect(state)
        return [track.alert for track in state.hot.book.tracks]
