"""The clock of the log, and the deadlines that it reaches."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_schemas.control import Reached, Tick
from lumina_streams.core.series.clock import LogClock
from lumina_streams.core.series.deadlines import Deadlines

SOURCES = {"traces": 2, "logs": 1}
PARTITIONS = [("traces", 0), ("traces", 1), ("logs", 0)]


def tick(*reached: tuple[str, int, int, int], sources: dict[str, int] | None = None) -> Tick:
    return Tick(v=1, sources=sources or SOURCES, reached=tuple(Reached(*one) for one in reached))


def test_it_is_unknown_until_every_partition_of_every_source_has_reported() -> None:
    clock = LogClock()
    for reached in (("traces", 0, 5, 100), ("traces", 1, -1, 300)):
        assert clock.take(tick(reached))
        assert clock.ms == 0
    assert clock.take(tick(("logs", 0, 2, 200)))
    assert clock.ms == 100
    clock.take(tick(("traces", 0, 6, 250)))
    assert clock.ms == 200


@pytest.mark.parametrize("stale", [("traces", 0, 4, 900), ("traces", 0, 9, 50), ("traces", 0, 5, 100)])
def test_a_stale_report_changes_nothing(stale: tuple[str, int, int, int]) -> None:
    clock = LogClock()
    clock.take(tick(("traces", 0, 5, 100), ("traces", 1, 5, 500), ("logs", 0, 5, 500)))
    before = clock.pack()
    assert not clock.take(tick(stale))
    assert clock.pack() == before


def test_what_no_source_has_is_ignored() -> None:
    clock = LogClock()
    clock.take(tick(("traces", 0, 1, 100), ("traces", 1, 1, 100), ("logs", 0, 1, 100)))
    assert not clock.take(tick(("traces", 2, 9, 900), ("other", 0, 9, 900)))
    assert clock.ms == 100


def test_a_recreated_topic_is_waited_for_and_the_clock_stays() -> None:
    clock = LogClock()
    clock.take(tick(("t", 0, 900, 1000), sources={"t": 1}))
    assert clock.take(tick(sources={"new": 1}))
    assert clock.ms == 1000
    clock.take(tick(("new", 0, 0, 400), sources={"new": 1}))
    assert clock.ms == 1000
    clock.take(tick(("new", 0, 1, 1200), sources={"new": 1}))
    assert clock.ms == 1200
    assert not clock.take(tick(("t", 0, 999, 5000), sources={"new": 1}))


def test_partitions_that_were_added_are_waited_for_and_never_forgotten() -> None:
    clock = LogClock()
    clock.take(tick(("t", 0, 1, 100), sources={"t": 1}))
    clock.take(tick(("t", 0, 2, 200), sources={"t": 2}))
    clock.take(tick(("t", 0, 3, 300), sources={"t": 1}))
    assert clock.ms == 100
    clock.take(tick(("t", 1, -1, 250), sources={"t": 2}))
    assert clock.ms == 250


def test_bytes_that_it_did_not_write_are_refused() -> None:
    with pytest.raises(ValueError, match="Unreadable"):
        LogClock.unpack(b"\xc1")
    with pytest.raises(ValueError, match="version 9"):
        LogClock.unpack(b"\x93\x09\x00\x80")


reports = st.tuples(st.sampled_from(PARTITIONS), st.integers(-1, 20), st.integers(0, 1000)).map(
    lambda drawn: (*drawn[0], drawn[1], drawn[2])
)
logs = st.lists(st.lists(reports, max_size=4).map(lambda reached: tick(*reached)), max_size=20)


@given(logs)
def test_it_never_overtakes_a_backlog_and_never_goes_back(log: list[Tick]) -> None:
    """It is exactly the least of what the partitions have reached, by a model that is told each report."""
    clock, known = LogClock(), dict.fromkeys(PARTITIONS, (-2, 0))
    for one in log:
        before = clock.ms
        clock.take(one)
        for reached in one.reached:
            offset, time_ms = known[reached.epoch, reached.partition]
            if reached.offset >= offset and reached.time_ms >= time_ms:
                known[reached.epoch, reached.partition] = (reached.offset, reached.time_ms)
        complete = all(offset > -2 for offset, _ in known.values())
        assert clock.ms == (min(time_ms for _, time_ms in known.values()) if complete else 0)
        assert clock.ms >= before
        assert LogClock.unpack(clock.pack()).pack() == clock.pack()


@given(logs, st.randoms(use_true_random=False))
def test_the_order_of_different_partitions_does_not_matter(log: list[Tick], rng: random.Random) -> None:
    """Each partition's own order is kept, as one sender keeps it; how they interleave is chance."""
    in_order, mixed = LogClock(), LogClock()
    lines: dict[tuple[str, int], list[Reached]] = {}
    for one in log:
        in_order.take(one)
        for reached in one.reached:
            lines.setdefault((reached.epoch, reached.partition), []).append(reached)
    mixed.take(tick())
    in_order.take(tick())
    while any(lines.values()):
        line = rng.choice([line for line in lines.values() if line])
        mixed.take(Tick(v=1, sources=SOURCES, reached=(line.pop(0),)))
    assert mixed.pack() == in_order.pack()


@given(logs, st.integers(0, 20))
def test_a_replay_from_any_tick_changes_nothing(log: list[Tick], start: int) -> None:
    clock = LogClock()
    for one in log:
        clock.take(one)
    before = clock.pack()
    for one in log[start:]:
        assert not clock.take(one)
    assert clock.pack() == before


def test_a_deadline_that_moves_back_is_met_once() -> None:
    deadlines = Deadlines()
    for due in (10, 20, 30):
        deadlines.set("a", due)
    assert deadlines.take(25) == []
    assert deadlines.take(30) == ["a"]
    assert deadlines.take(99) == []


def test_a_deadline_may_come_nearer_or_go() -> None:
    deadlines = Deadlines()
    deadlines.set("a", 50)
    deadlines.set("a", 10)
    deadlines.set("b", 5)
    deadlines.set("b", None)
    assert deadlines.take(10) == ["a"]
    assert (deadlines.take(60), len(deadlines)) == ([], 0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.none() | st.integers(1, 30), st.integers(0, 3))))
def test_deadlines_are_those_of_a_plain_table(steps: list[tuple[str, int | None, int]]) -> None:
    deadlines, table, clock = Deadlines(), dict[str, int](), 0
    for series, due, later in steps:
        clock += later
        deadlines.set(series, due)
        table.pop(series, None)
        if due is not None:
            table[series] = due
        ready = {series for series, due in table.items() if due <= clock}
        assert sorted(deadlines.take(clock)) == sorted(ready)
        table = {series: due for series, due in table.items() if series not in ready}
        assert len(deadlines) == len(table)
