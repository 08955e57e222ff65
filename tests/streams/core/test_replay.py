"""A partition in memory, crashed anywhere: calls, ticks and commands, replayed, end as in a quiet run.

The log is Kafka's, the table's changelog too; a life is what a worker holds between two crashes. Everything
that decides is the core's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lumina_schemas.alert import Alert
from lumina_schemas.control import Reached, SeriesCommand, Tick
from lumina_schemas.source import Source
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.clock import LogClock
from lumina_streams.core.series.command import command
from lumina_streams.core.series.deadlines import Deadlines
from lumina_streams.core.series.quiet import advance, due_ms
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, cold_version, step

AT = "2026-01-01T10:00:00Z"
RULES = Rules(silent_after_s=86_400, cooldown_s=3600)
START_MS = 1_767_261_600_000
HOUR_MS = 3_600_000
SERIES = ("a" * 16, "b" * 16)

Message = list[Call] | Tick | SeriesCommand


@dataclass
class Partition:
    """What survives a crash."""

    changelog: list[tuple[str, bytes]] = field(default_factory=list)
    committed: int = 0
    """Offset in the log from which the next life reads."""
    flushed: int = 0
    """Length of the changelog that was surely there at the commit."""
    published: dict[tuple[str, int], Alert] = field(default_factory=dict)

    def publish(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            assert self.published.setdefault((alert.id, alert.rev), alert) == alert


class Life:
    """What a worker keeps in memory, made from the table."""

    def __init__(self, changelog: Sequence[tuple[str, bytes]]) -> None:
        self.table = dict(changelog)
        self.clock = LogClock.unpack(self.table["clock"]) if "clock" in self.table else LogClock()
        self.states = {name[2:]: self._load(name[2:]) for name in self.table if name.startswith("h|")}
        self.deadlines = Deadlines()
        for series, state in self.states.items():
            self.deadlines.set(series, due_ms(state, RULES))

    def _load(self, series: str) -> SeriesState:
        hot = self.table[f"h|{series}"]
        version = cold_version(hot)
        return SeriesState.unpack(hot, self.table[f"c|{series}|{version % 2}"] if version else None)

    def run(self, messages: Sequence[Message]) -> tuple[list[Alert], list[tuple[str, bytes]]]:
        """Work through a run: the alerts to publish, and the writes that follow them."""
        alerts: list[Alert] = []
        changed: dict[str, SeriesState] = {}
        ticked = False

        def touch(series: str, state: SeriesState, news: list[Alert]) -> None:
            alerts.extend(news)
            changed[series] = state
            due = due_ms(state, RULES)
            assert due is None or due > self.clock.ms, "a tick at a replay would find something to do"
            self.deadlines.set(series, due)

        for message in messages:
            if isinstance(message, Tick):
                ticked |= self.clock.take(message)
                for series in self.deadlines.take(self.clock.ms):
                    state = self.states[series]
                    touch(series, state, advance(state, self.clock.ms, RULES, AT))
            elif isinstance(message, SeriesCommand):
                state = self.states[message.series_id]
                assert message.src is not None
                if state.positions.advance(message.src):
                    touch(message.series_id, state, command(state, message, RULES, AT, self.clock.ms))
            else:
                for call in message:
                    series = call.series_id
                    state = self.states.setdefault(
                        series, SeriesState.fresh(series, call.project, call.service, call.endpoint)
                    )
                    if state.positions.advance(call.src):
                        touch(series, state, step(state, call, RULES, AT, self.clock.ms))
        writes: list[tuple[str, bytes]] = []
        for series, state in changed.items():
            if state.cold_dirty:
                writes.append((f"c|{series}|{state.cold_version % 2}", state.pack_cold()))
            writes.append((f"h|{series}", state.pack_hot()))
        if ticked:
            writes.append(("clock", self.clock.pack()))
        return alerts, writes


class Fate(NamedTuple):
    """What becomes of a run: its length, whether it is committed, and how many writes a crash leaves."""

    messages: int
    commits: bool
    crash: int | None


def live(partition: Partition, log: Sequence[Message], fates: Sequence[Fate]) -> None:
    """Read the log to its end, through all crashes."""
    life, offset, left = Life([]), 0, list(fates)
    while offset < len(log):
        fate = left.pop(0) if left else Fate(25, True, None)
        end = min(offset + fate.messages, len(log))
        alerts, writes = life.run(log[offset:end])
        before = len(partition.changelog)
        partition.changelog += writes
        if fate.crash is not None:
            survive = partition.flushed + fate.crash % (len(partition.changelog) - partition.flushed + 1)
            del partition.changelog[survive:]
            if survive > before or fate.crash % 2:  # a run's alerts are there before its first write
                partition.publish(alerts)
            life, offset = Life(partition.changelog), partition.committed
            continue
        partition.publish(alerts)
        offset = end
        if fate.commits:
            partition.committed, partition.flushed = end, len(partition.changelog)


def comparable(partition: Partition) -> dict[str, bytes]:
    """The table without the numbers of the cold versions: they count writes, and runs differ in length."""
    life = Life(partition.changelog)
    found = {"clock": life.clock.pack()}
    for series, state in life.states.items():
        _, *cold = msgspec.msgpack.decode(state.pack_cold()[8:])
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
        self.times = [START_MS, START_MS]
        for number in range(len(SERIES)):
            for _ in range(6):
                self.calls(number, 5, 1, 0)
            self.calls(number, 14, 6, 0)

    def say(self, *messages: Message) -> None:
        for message in messages:
            self.log.append(message)
            self.alerts += self.life.run([message])[0]

    def calls(self, number: int, count: int, times: float, pause_h: float) -> None:
        traffic = self.traffics[number]
        traffic.now_ns += int(pause_h * HOUR_MS) * 1_000_000
        self.say(traffic.calls(count, times=times, series_id=SERIES[number]))

    def tick(self, partitions: Sequence[int], hours: float) -> None:
        self.offset += 1
        epoch = f"otlp-{self.epoch}"
        for partition in partitions:
            self.times[partition] += int(hours * HOUR_MS)
        reached = tuple(Reached(epoch, p, self.offset, self.times[p]) for p in partitions)
        self.say(Tick(v=1, sources={epoch: len(self.times)}, reached=reached))

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
)
asks = st.tuples(
    st.just("ask"),
    st.sampled_from(["acknowledge", "snooze", "snooze", "resolve"]),
    st.integers(0, 5),
    st.sampled_from([-1.0, 0.5, 5.0, 30.0]),
)
agains = st.tuples(st.just("again"), st.integers(1, 8))
scripts = st.lists(st.one_of(calls, ticks, asks, agains, st.just(("recreate",))), min_size=4, max_size=40)
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
    quiet, attacked = Partition(), Partition()
    live(quiet, author.log, [Fate(1, True, None)] * len(author.log))
    live(attacked, author.log, fates)
    assert comparable(attacked) == comparable(quiet)
    assert attacked.published == quiet.published
    for alert in quiet.published.values():
        event(f"{alert.history[-1].by}: {alert.state}, {alert.reason or alert.history[-1].note}")


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
