"""What detect keeps of a partition of the log beside its series: clock, rules, marks, and who is due when."""

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from lumina_schemas.alert import Alert
from lumina_schemas.control import SeriesMark, Tick
from lumina_schemas.rule import RuleChange
from lumina_streams.core.series.active import ActiveSeries, Days
from lumina_streams.core.series.clock import LogClock
from lumina_streams.core.series.deadlines import Deadlines
from lumina_streams.core.series.keys import clock_key, rules_key
from lumina_streams.core.series.quiet import due_ms
from lumina_streams.core.series.rulebook import RuleBook
from lumina_streams.core.series.rules import Marker, Rules
from lumina_streams.core.series.state import SeriesState


class Stored(Struct, array_like=True, frozen=True):
    """What ticks have told a partition, as it is stored."""

    epoch: str
    """Kafka's id of `lumina.spans`: the offset is one of that topic."""
    offset: int
    """Of the last tick that the clock has taken."""
    clock: bytes
    day: int = 0
    """Of the numbers that follow."""
    active: Days = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


class Partition:
    """One partition of the log while this worker owns it.

    Ticks change only the clock and the numbers of active series; a tick that was taken before (a replay after
    a crash) is recognised by its offset. Both are written after the states of their run, so that whatever is
    replayed meets the clock and the numbers that it met before. What lies behind a tick may be in a state
    already when that tick is replayed: it finds nothing due there, by whichever numbers, because no deadline
    follows from them (nor from marks).

    Rules decide about all that lies behind them. A change that was taken before is recognised by its position
    in `lumina.settings`, and changes are worked on in a run of their own (see `detect.runs_of`): what lies
    before them is written first, then the series that they resolve, then the rules, then what lies behind. A
    crash leaves a prefix of these writes, with the rules up to some change K. Then
    - what lies before K is in the states and in the clock: replayed, from however far back, it is dropped;
    - what lies behind the next change L is not, save that L may have resolved series that are silent by its
      rules, and a resolved alert has no deadline. So whatever is replayed meets the rules that it met before.
    In one run with its neighbours, a change would be written last. States that had seen it would meet the
    rules from before it once more, and a tick of the replay could resolve as silent what it no longer may
    (`test_replay` shows it). Marks lie beside the rules, in the same value, and are taken in the same runs.
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
        self.active = ActiveSeries()
        self.deadlines = Deadlines()
        self._series: set[str] = set()
        self._offset = -1
        self._clock_changed = False
        self._rules_changed = False
        if clock is not None:
            known = _decode(clock)
            # What was learned of the projects holds for whichever log comes next.
            self.active = ActiveSeries(known.day, known.active)
            self.book.count(self.active.of())
            if known.epoch == epoch:
                self.clock = LogClock.unpack(known.clock)
                self._offset = known.offset

    def take_changes(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of what has changed, to be written behind the states of the run."""
        if self._clock_changed:
            self._clock_changed = False
            active = dict(sorted(self.active.days.items()))
            stored = Stored(self.epoch, self._offset, self.clock.pack(), self.active.day, active)
            yield clock_key(self.number), _encode(stored)
        if self._rules_changed:
            self._rules_changed = False
            yield rules_key(self.number), self.book.pack()

    def take(self, tick: Tick, offset: int) -> list[str]:
        """Take the tick that lies at an offset; returns the series that are due by its clock."""
        if offset <= self._offset:
            return []
        moved = self.clock.take(tick)
        counted = self.active.take(tick.series, self.clock.ms)
        if not (moved or counted):
            return []
        self.book.count(self.active.of())
        self._offset = offset
        self._clock_changed = True
        return self.deadlines.take(self.clock.ms)

    def pass_to(self, clock_ms: int) -> list[str]:
        """Let the clock go on to a time, in a log without ticks; returns the series that are due by it."""
        self.clock.ms = max(self.clock.ms, clock_ms)
        return self.deadlines.take(self.clock.ms)

    def count(self, told: dict[str, int]) -> None:
        """Take numbers of series by project, where no tick tells them."""
        if self.active.take(told, self.clock.ms):
            self.book.count(self.active.of())

    def change_rules(
        self, change: RuleChange, state_of: Callable[[str], SeriesState | None]
    ) -> list[str] | None:
        """Take a change of the rules; returns the series that are due by it, None where it is known already.

        Deadlines move with `silent_after_s`, and where a rule misses silent series, each may get one. What
        is due by them is done now, not at the next tick: behind each message of the log nothing is due at its
        clock (see `quiet`). Raises RuleBookFullError.
        """
        if not self.book.positions.advance(change.src):
            return None
        self._rules_changed = True
        self.book.take(change.id, change.rule)
        for series_id in sorted(self._series) if self.book.misses_silent else self.deadlines.series():
            state = state_of(series_id)
            assert state is not None  # it was seen
            self.expect(state)
        return self.deadlines.take(self.clock.ms)

    def take_mark(self, mark: SeriesMark) -> bool:
        """Take a mark; False where it is known already. Nothing is due by it."""
        if not self.book.positions.advance(mark.src):
            return False
        self._rules_changed = True
        return self.book.take_mark(mark, self.clock.ms)

    def marks_for(self, state: SeriesState) -> tuple[Marker, ...]:
        """The marks that meet a series, newest last."""
        return self.rules_for(state).marks

    def rules_for(self, state: SeriesState) -> Rules:
        """The rules in force for a series."""
        hot = state.hot
        return self.book.rules_for(hot.project, hot.service, hot.endpoint)

    def expect(self, state: SeriesState) -> None:
        """Note when a series, as it is now, will have something to do."""
        self._series.add(state.hot.series_id)
        self.deadlines.set(state.hot.series_id, due_ms(state, self.rules_for(state)))

    def adopt(self, state: SeriesState) -> list[Alert]:
        """Take a series over from a former owner; returns its alerts as they stand, to be sent again: the
        last word on the topic may be that of a writer which did not know that it had been replaced.
        """
        self.expect(state)
        return [track.alert for track in state.hot.book.tracks]
