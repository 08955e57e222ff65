"""A partition in memory, crashed anywhere: what is replayed, of whatever kind, ends as in a quiet run.

The log is Kafka's, the table's changelog too; a life is what a worker holds between two crashes. Everything
that decides is the core's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lumina_schemas.alert import Alert
from lumina_schemas.control import Reached, SeriesCommand, SeriesMark, Tick
from lumina_schemas.rule import Rule, RuleChange
from lumina_schemas.source import Source
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.command import command
from lumina_streams.core.series.keys import clock_key, rules_key
from lumina_streams.core.series.partition import Partition
from lumina_streams.core.series.quiet import advance, due_ms
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import learned_from
from lumina_streams.core.series.step import SeriesState, cold_version, step

AT = "2026-01-01T10:00:00Z"
RULES = Rules(silent_after_s=86_400, cooldown_s=3600)
START_MS = 1_767_261_600_000
HOUR_MS = 3_600_000
SERIES = ("a" * 16, "b" * 16)

CLOCK, BOOK = clock_key(0).decode(), rules_key(0).decode()

Message = list[Call] | Tick | SeriesCommand | RuleChange | SeriesMark
Writes = list[tuple[str, bytes]]
Met = dict[tuple[str, Source], tuple[Rules, int]]
"""By which rules, marks and active series included, and at which clock a call of a series was applied."""


@dataclass
class Kafka:
    """What survives a crash."""

    changelog: Writes = field(default_factory=list)
    committed: int = 0
    """Offset in the log from which the next life reads."""
    flushed: int = 0
    """Length of the changelog that was surely there at the commit."""
    published: dict[tuple[str, int], Alert] = field(default_factory=dict)
    met: Met = field(default_factory=dict)

    def publish(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            assert self.published.setdefault((alert.id, alert.rev), alert) == alert


class MetOtherwiseError(AssertionError):
    """A call met other rules, or another clock, than it did before the crash."""


class Life:
    """What a worker keeps in memory, made from the table."""

    def __init__(
        self,
        changelog: Sequence[tuple[str, bytes]],
        met: Met | None = None,
    ) -> None:
        self.met = {} if met is None else met
        self.table = dict(changelog)
        self.partition = Partition(0, "spans", RULES, self.table.get(CLOCK), self.table.get(BOOK))
        self.states = {name[2:]: self._load(name[2:]) for name in self.table if name.startswith("h|")}
        for state in self.states.values():
            self.partition.expect(state)

    def _load(self, series: str) -> SeriesState:
        hot = self.table[f"h|{series}"]
        version = cold_version(hot)
        return SeriesState.unpack(hot, self.table[f"c|{series}|{version % 2}"] if version else None)

    def run(self, offset: int, messages: Sequence[Message]) -> tuple[list[Alert], Writes]:
        """Work through a run that begins at an offset: alerts to publish, and the writes that follow them."""
        alerts: list[Alert] = []
        changed: dict[str, SeriesState] = {}
        partition = self.partition

        def touch(series: str, state: SeriesState, news: list[Alert]) -> None:
            alerts.extend(news)
            changed[series] = state
            rules = partition.rules_for(state)
            due = due_ms(state, rules)
            assert due is None or due > partition.clock.ms, "a tick at a replay would find something to do"
            bare = msgspec.structs.replace(rules, marks=(), active_series=10_000)
            assert due_ms(state, bare) == due, "marks and active series move no deadline: see Partition"
            partition.expect(state)

        def pass_time(due: Sequence[str]) -> None:
            for series in due:
                state = self.states[series]
                rules = partition.rules_for(state)
                touch(series, state, advance(state, partition.clock.ms, rules, AT))

        for place, message in enumerate(messages, offset):
            if isinstance(message, Tick):
                pass_time(partition.take(message, place))
            elif isinstance(message, RuleChange):
                pass_time(partition.change_rules(message, self.states.get) or ())
            elif isinstance(message, SeriesMark):
                partition.take_mark(message)
            elif isinstance(message, SeriesCommand):
                state = self.states[message.series_id]
                assert message.src is not None
                if state.positions.advance(message.src):
                    rules = partition.rules_for(state)
                    touch(message.series_id, state, command(state, message, rules, AT, partition.clock.ms))
            else:
                for call in message:
                    series = call.series_id
                    state = self.states.setdefault(
                        series, SeriesState.fresh(series, call.project, call.service, call.endpoint)
                    )
                    if state.positions.advance(call.src):
                        rules = partition.rules_for(state)
                        meets = (rules, partition.clock.ms)
                        if self.met.setdefault((series, call.src), meets) != meets:
                            raise MetOtherwiseError(series, call.src)
                        touch(series, state, step(state, call, rules, AT, partition.clock.ms))
        writes: Writes = []
        for series, state in changed.items():
            if state.cold_dirty:
                writes.append((f"c|{series}|{state.cold_version % 2}", state.pack_cold()))
            writes.append((f"h|{series}", state.pack_hot()))
        writes += [(key.decode(), value) for key, value in partition.take_changes()]
        return alerts, writes


class Fate(NamedTuple):
    """What becomes of a run: its length, whether it is committed, and how many writes a crash leaves."""

    messages: int
    commits: bool
    crash: int | None


Cut = Callable[[Sequence[Message]], list[list[Message]]]


def around_rules(messages: Sequence[Message]) -> list[list[Message]]:
    """Changes of the rules and marks are worked on in runs of their own, as detect's `runs_of` does it."""
    told = (RuleChange, SeriesMark)
    return [list(run) for _, run in groupby(messages, lambda message: isinstance(message, told))]


def nowhere(messages: Sequence[Message]) -> list[list[Message]]:
    """As if changes of the rules, and marks, were like any other message."""
    return [list(messages)]


def live(kafka: Kafka, log: Sequence[Message], fates: Sequence[Fate], cut: Cut = around_rules) -> None:
    """Read the log to its end, through all crashes."""
    life, offset, left = Life([], kafka.met), 0, list(fates)
    while offset < len(log):
        fate = left.pop(0) if left else Fate(25, True, None)
        end = min(offset + fate.messages, len(log))
        worked: list[tuple[int, list[Alert]]] = []
        for run in cut(log[offset:end]):
            alerts, writes = life.run(offset, run)
            worked.append((len(kafka.changelog), alerts))
            kafka.changelog += writes
            offset += len(run)
        survive = len(kafka.changelog)
        if fate.crash is not None:
            survive = kafka.flushed + fate.crash % (survive - kafka.flushed + 1)
            del kafka.changelog[survive:]
        for before, alerts in worked:
            # A run's alerts are there before its first write.
            if fate.crash is None or survive > before or fate.crash % 2:
                kafka.publish(alerts)
        if fate.crash is not None:
            life, offset = Life(kafka.changelog, kafka.met), kafka.committed
        elif fate.commits:
            kafka.committed, kafka.flushed = end, len(kafka.changelog)


def comparable(kafka: Kafka) -> dict[str, bytes]:
    """The table without the numbers of the cold versions: they count writes, and runs differ in length."""
    life = Life(kafka.changelog)
    partition = life.partition
    found = {"clock": partition.clock.pack(), "rules": partition.book.pack()}
    found["active"] = msgspec.msgpack.encode((partition.active.day, sorted(partition.active.days.items())))
    for series, state in life.states.items():
        _, *cold = msgspec.msgpack.decode(learned_from(state.pack_cold()))
        hot = msgspec.structs.replace(state.hot, cold_version=0)
        found[series] = msgspec.msgpack.encode((hot, cold))
    return found


class Author:
    """Writes a log as a script says. A quiet life reads along, so that commands can name its alerts."""

    def __init__(self, traffic_type: Any) -> None:
        self.log: list[Message] = []
        self.life = Life([])
        self.alerts: list[Alert] = []
        self.traffics = [traffic_type(seed=31 + number, content=False) for number in range(len(SERIES))]
        self.epoch = 0
        self.offset = 0
        self.commands = 0
        self.changes = 0
        self.marks = 0
        self.times = [START_MS, START_MS]
        for number in range(len(SERIES)):
            for _ in range(6):
                self.calls(number, 5, 1, 0)
            self.calls(number, 14, 6, 0)

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.log.append(message)
            self.alerts += self.life.run(len(self.log) - 1, [message])[0]

    def calls(self, number: int, count: int, times: float, pause_h: float) -> None:
        traffic = self.traffics[number]
        traffic.now_ns += int(pause_h * HOUR_MS) * 1_000_000
        self.say(traffic.calls(count, times=times, series_id=SERIES[number]))

    def tick(self, partitions: Sequence[int], hours: float, series: int = 0) -> None:
        self.offset += 1
        epoch = f"otlp-{self.epoch}"
        for partition in partitions:
            self.times[partition] += int(hours * HOUR_MS)
        reached = tuple(Reached(epoch, p, self.offset, self.times[p]) for p in partitions)
        told = {"demo": series} if series else {}
        self.say(Tick(v=1, sources={epoch: len(self.times)}, reached=reached, series=told))

    def recreate(self) -> None:
        self.epoch += 1

    def ask(self, kind: Any, which: int, hours: float) -> None:
        alert = self.alerts[which % len(self.alerts)]
        self.commands += 1
        newest_ms = self.life.states[alert.series_id].hot.newest_ms
        until = datetime.fromtimestamp((newest_ms + int(hours * HOUR_MS)) / 1000, UTC)
        self.say(
            SeriesCommand(
                v=1,
                src=Source("doors", "control", 0, self.commands, 0),
                type=kind,
                alert_id=alert.id if which else "unknown",
                series_id=alert.series_id,
                by="ada",
                until=until if kind == "snooze" else None,
            )
        )

    def rule(self, rule_id: str, endpoint: str, asked: dict[str, Any] | None) -> None:
        self.changes += 1
        src = Source("settings", "control", 0, self.changes, 0)
        rule = None if asked is None else Rule(v=1, endpoint=endpoint, **asked)
        self.say(RuleChange(v=1, id=rule_id, src=src, rule=rule))

    def mark(self, mark_id: str, endpoint: str, hours: float) -> None:
        self.marks += 1
        src = Source("doors", "control", 1, self.marks, 0)
        at = datetime.fromtimestamp((max(self.times) + int(hours * HOUR_MS)) / 1000, UTC)
        self.say(
            SeriesMark(
                v=1, type="mark", id=mark_id, text="a release", at=at, by="ada", endpoint=endpoint, src=src
            )
        )

    def again(self, count: int) -> None:
        """A sender's replay: the last messages once more."""
        self.say(*self.log[-count:])


numbers = st.integers(0, len(SERIES) - 1)
calls = st.tuples(
    st.just("calls"),
    numbers,
    st.integers(1, 14),
    st.sampled_from([1.0, 1.0, 6.0]),
    st.sampled_from([0.0, 0.0, 2.0, 20.0, -0.01, -20.0, 30.0]),
)
ticks = st.tuples(
    st.just("tick"),
    st.sampled_from([(0, 1), (0, 1), (0,), (1,)]),
    st.sampled_from([0.01, 1.0, 10.0, 25.0, 100.0]),
    st.sampled_from([0, 0, 3, 20, 1000]),
)
marks = st.tuples(
    st.just("mark"),
    st.sampled_from("abc"),
    st.sampled_from(["", "answer", "elsewhere"]),
    st.sampled_from([-200.0, -1.0, 0.0, 30.0]),
)
asks = st.tuples(
    st.just("ask"),
    st.sampled_from(["acknowledge", "snooze", "snooze", "resolve"]),
    st.integers(0, 5),
    st.sampled_from([-1.0, 0.5, 5.0, 30.0]),
)
rules = st.tuples(
    st.just("rule"),
    st.sampled_from("ab"),
    st.sampled_from(["", "answer", "elsewhere"]),
    st.none()
    | st.sampled_from(
        [
            {"silent_after_s": 3600},
            {"silent_after_s": 12 * 3600},
            {"silent_after_s": 30 * 24 * 3600},
            {"cost_spike_pct": 10_000},
            {"min_samples": 20, "cooldown_s": 60},
        ]
    ),
)
agains = st.tuples(st.just("again"), st.integers(1, 8))
scripts = st.lists(
    st.one_of(calls, ticks, asks, rules, marks, agains, st.just(("recreate",))), min_size=4, max_size=40
)
fates = st.lists(
    st.builds(Fate, st.integers(1, 30), st.booleans(), st.none() | st.integers(0, 1000)), max_size=14
)


@given(scripts, fates)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_crashes_the_end_is_that_of_a_quiet_run(
    traffic_type: Any, script: list[Any], fates: list[Fate]
) -> None:
    author = Author(traffic_type)
    for what, *details in script:
        getattr(author, what)(*details)
    quiet, attacked = Kafka(), Kafka()
    live(quiet, author.log, [Fate(1, True, None)] * len(author.log))
    live(attacked, author.log, fates)
    assert comparable(attacked) == comparable(quiet)
    assert attacked.published == quiet.published
    assert attacked.met == quiet.met
    for alert in quiet.published.values():
        event(f"{alert.history[-1].by}: {alert.state}, {alert.reason or alert.history[-1].note}")
    for rules, _ in quiet.met.values():
        event(f"met {len(rules.marks)} marks, {rules.active_series} series")


def test_the_script_can_tell_every_story(traffic_type: Any) -> None:
    """What the test above draws from: each transition happens, by ticks as well as by calls."""
    author = Author(traffic_type)
    assert [alert.state for alert in author.alerts[-2:]] == ["open", "open"]
    author.tick((0, 1), 1)
    author.ask("acknowledge", 1, 0)
    author.ask("snooze", 1, 5)
    author.tick((0, 1), 10)
    author.tick((0,), 100)
    assert author.alerts[-1].history[-1].note == "the snooze is over"
    author.tick((1,), 100)
    assert {alert.reason for alert in author.alerts[-2:]} == {"silent"}
    author.calls(0, 14, 6, 30)
    author.ask("resolve", len(author.alerts) - 1, 0)
    assert (author.alerts[-1].state, author.alerts[-1].reason) == ("resolved", "manual")
    author.ask("acknowledge", 1, 0)
    author.rule("a", "elsewhere", {"silent_after_s": 60})
    author.calls(1, 14, 6, 30)
    author.tick((0, 1), 1)
    assert author.alerts[-1].state == "open"
    author.rule("a", "answer", {"silent_after_s": 60})
    assert author.alerts[-1].reason == "silent", "a change of the rules does at once what is due by it"
    author.rule("a", "", None)
    author.calls(1, 14, 6, 30)
    author.tick((0, 1), 1)
    assert author.alerts[-1].state == "open"


def test_a_change_of_the_rules_must_be_a_run_of_its_own(traffic_type: Any) -> None:
    """A crash after the states of a run and before its clock and rules: what the states have seen behind the
    change must not meet the rules from before it. By those a series that was snoozed is silent.
    """
    author = Author(traffic_type)
    author.rule("a", "", {"silent_after_s": 5 * 3600})
    author.tick((0, 1), 1)
    author.ask("snooze", 1, 40)
    begun = len(author.log)
    author.tick((0, 1), 10)
    author.rule("a", "", {"silent_after_s": 30 * 24 * 3600})
    author.tick((0, 1), 40)
    assert author.alerts[-1].history[-1].note == "the snooze is over"
    quiet = Kafka()
    live(quiet, author.log, [Fate(1, True, None)] * len(author.log))

    def attacked(cut: Cut) -> set[bool]:
        """Whether the end was that of the quiet run, for a crash behind each number of writes."""
        equal = set()
        for crash in range(12):
            kafka = Kafka()
            live(kafka, author.log, [Fate(begun, True, None), Fate(3, False, 2 * crash)], cut)
            equal.add(comparable(kafka) == comparable(quiet))
        return equal

    assert attacked(around_rules) == {True}
    assert False in attacked(nowhere)


def test_marks_and_active_series_are_met_where_they_were_met(traffic_type: Any) -> None:
    """A crash after each write: no call meets the log without a mark before it, or with one behind it."""
    author = Author(traffic_type)
    author.tick((0, 1), 1, 3)
    begun = len(author.log)
    author.calls(0, 3, 1, 0)
    author.mark("a", "answer", 0)
    author.calls(0, 3, 1, 0)
    author.tick((0, 1), 1, 40)
    author.calls(1, 3, 1, 0)
    quiet = Kafka()
    live(quiet, author.log, [Fate(1, True, None)] * len(author.log))
    assert {len(rules.marks) for rules, _ in quiet.met.values()} == {0, 1}
    assert {rules.active_series for rules, _ in quiet.met.values()} == {1, 3, 45}

    for crash in range(12):
        for cut in (around_rules, nowhere):  # no deadline follows from marks, so either is exact
            kafka = Kafka()
            live(kafka, author.log, [Fate(begun, True, None), Fate(5, False, 2 * crash)], cut)
            assert comparable(kafka) == comparable(quiet)
            assert kafka.met == quiet.met
