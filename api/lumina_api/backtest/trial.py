"""A trial: a log through the core, as detect works through it, with other rules and no one to notify.

Flows in: calls and control messages, in the order of the log. Flows out: every alert record that the core
writes. Where a log has no ticks, its clock follows the event time of its calls.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from lumina_api.backtest.census import DAY_MS, Census
from lumina_api.backtest.overrides import Overrides
from lumina_schemas.alert import Alert
from lumina_schemas.control import SeriesCommand, SeriesMark, Tick
from lumina_schemas.rule import RuleChange
from lumina_schemas.source import Source
from lumina_streams.core.baseline.moment import LATEST_MS
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.command import command
from lumina_streams.core.series.partition import Partition
from lumina_streams.core.series.quiet import advance
from lumina_streams.core.series.rulebook import RuleBookFullError
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, step


def event_ms(call: Call) -> int:
    """A call's time: its end, in ms since 1970."""
    return min(max(call.start_ns // 1_000_000 + int(min(max(call.duration_ms, 0.0), 1e15)), 0), LATEST_MS)


class EventClock:
    """The time that calls show, where no ticks do. It never goes back; one wrong clock does not move it."""

    def __init__(self) -> None:
        self.ms = 0
        self._ahead_ms = 0

    def see(self, at_ms: int, skewed: bool) -> int:
        """The clock at a call's time. What is more than a day ahead must be confirmed by a second call."""
        if at_ms <= self.ms or skewed:
            return self.ms
        if self.ms and at_ms > self.ms + DAY_MS:
            ahead_ms, self._ahead_ms = self._ahead_ms, at_ms
            if not ahead_ms or at_ms < ahead_ms - DAY_MS:
                return self.ms
        self._ahead_ms = 0
        self.ms = at_ms
        return at_ms


class Scope(NamedTuple):
    """The series that are looked at; an empty name stands for all."""

    project: str = ""
    service: str = ""
    endpoint: str = ""

    def meets(self, call: Call) -> bool:
        """Whether a call is of one of them."""
        return (
            (not self.project or call.project == self.project)
            and (not self.service or call.service == self.service)
            and (not self.endpoint or call.endpoint == self.endpoint)
        )


EVERYWHERE = Scope()


class Trial:
    """The partitions of a log and their series, under rules with overrides."""

    def __init__(
        self,
        defaults: Rules,
        overrides: Overrides,
        publish: Callable[[Alert], None],
        detected_at: str,
        by_position: bool = True,
        scope: Scope = EVERYWHERE,
    ) -> None:
        self.publish = publish
        self.detected_at = detected_at
        self.by_position = by_position
        """Calls that were delivered twice are told by their `src`; the log is in the order of these."""
        self.states: dict[str, SeriesState] = {}
        self.calls = self.duplicates = self.failed = 0
        self.first_ms = self.last_ms = 0
        self._scope = scope if any(scope) else None
        self._overrides = overrides
        self._counts = "active_series" not in overrides.values
        self._told = False
        """Ticks tell the active series."""
        self._defaults = overrides.on(defaults)
        self._census = Census()
        self._clocks: dict[int, EventClock] = defaultdict(EventClock)
        self._partitions: dict[int, Partition] = {}
        self._ticking: set[int] = set()

    def partition(self, number: int) -> Partition:
        """A partition of the log."""
        if number not in self._partitions:
            partition = self._partitions[number] = Partition(number, "", self._defaults)
            partition.count(self._census.numbers())
        return self._partitions[number]

    def call(self, call: Call, number: int = 0) -> None:
        """Apply one call that lies in a partition."""
        partition = self._partitions.get(number) or self.partition(number)
        at_ms = event_ms(call)
        if number not in self._ticking and (
            due := partition.pass_to(self._clocks[number].see(at_ms, call.clock_skew))
        ):
            self._advance(partition, due)
        if self._counts and not self._told:
            self._count(call, partition.clock.ms)
        if self._scope is not None and not self._scope.meets(call):
            return
        state = self.states.get(call.series_id)
        if state is None:
            state = SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
            self.states[call.series_id] = state
        if self.by_position and not state.positions.advance(call.src):
            self.duplicates += 1
            return
        self.calls += 1
        self.first_ms = min(at_ms, self.first_ms) if self.first_ms else at_ms
        self.last_ms = max(at_ms, self.last_ms)
        try:
            alerts = step(state, call, partition.rules_for(state), self.detected_at, partition.clock.ms)
        except Exception:
            self.failed += 1  # a bug of ours: detect keeps such a call in the dlq, and goes on
            return
        for alert in alerts:
            self.publish(alert)
        partition.expect(state)

    def tick(self, tick: Tick, number: int, offset: int) -> None:
        """Let time pass as a tick of the log says."""
        self._ticking.add(number)
        self._told = self._told or bool(tick.series)
        if not self._counts:
            tick = msgspec.structs.replace(tick, series={})
        partition = self.partition(number)
        self._advance(partition, partition.take(tick, offset))

    def rule(self, change: RuleChange, number: int) -> None:
        """Take a change of the rules; the overrides come before what it says."""
        if change.rule is not None:
            rule = self._overrides.on_rule(change.rule)
            change = msgspec.structs.replace(change, rule=rule)
        partition = self.partition(number)
        try:
            due = partition.change_rules(change, self.states.get)
        except RuleBookFullError:
            return  # detect refused it too
        self._advance(partition, due or ())

    def mark(self, mark: SeriesMark, number: int) -> None:
        """Take a mark."""
        self.partition(number).take_mark(mark)

    def command(self, asked: SeriesCommand, number: int, position: Source) -> None:
        """Obey a command of the log, whose position is `position` where it has none of its own."""
        state = self.states.get(asked.series_id)
        if state is None or not state.positions.advance(asked.src or position):
            return
        partition = self.partition(number)
        rules = partition.rules_for(state)
        for alert in command(state, asked, rules, self.detected_at, partition.clock.ms):
            self.publish(alert)
        partition.expect(state)

    def _advance(self, partition: Partition, due: Iterable[str]) -> None:
        for series_id in due:
            state = self.states[series_id]
            rules = partition.rules_for(state)
            for alert in advance(state, partition.clock.ms, rules, self.detected_at):
                self.publish(alert)
            partition.expect(state)

    def _count(self, call: Call, clock_ms: int) -> None:
        if series := self._census.see(call.project, call.series_id, clock_ms):
            for partition in self._partitions.values():
                partition.count({call.project: series})
