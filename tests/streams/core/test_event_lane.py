"""Signals that one event decides: silence, and endpoints beyond the limit."""

from math import isfinite

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.baseline.event_lane import LimitLane, SilenceLane
from lumina_streams.core.series.rules import Rules
from streams.core.bench import Traffic

RULES = Rules()
HALF_DAY_MS = 43_200_000
START_MS = HALF_DAY_MS * 40_910  # a half day begins
MINUTE_MS = 60_000


def spoken(halves: float, gap_ms: int = MINUTE_MS) -> tuple[SilenceLane, int]:
    """A series with a call a minute for so many half days, and when the last one came."""
    lane = SilenceLane()
    at_ms = START_MS
    for number in range(int(halves * HALF_DAY_MS / gap_ms) + 1):
        at_ms = START_MS + number * gap_ms
        lane.hear(gap_ms if number else 0, at_ms)
    return lane, at_ms


def test_a_series_is_known_to_speak_after_half_a_day() -> None:
    lane, at_ms = spoken(0.9)
    assert not lane.always_speaks(at_ms, 10 * MINUTE_MS)
    lane, at_ms = spoken(1)
    assert lane.always_speaks(at_ms, 10 * MINUTE_MS)
    assert lane.always_speaks(at_ms, 2 * MINUTE_MS)
    assert not lane.always_speaks(at_ms, 2 * MINUTE_MS - 1), "twice its longest gap is no silence yet"
    assert not SilenceLane().always_speaks(at_ms, 10 * MINUTE_MS)


def test_a_long_gap_is_remembered_for_a_day() -> None:
    lane, at_ms = spoken(1)
    lane.hear(20 * MINUTE_MS, at_ms + 20 * MINUTE_MS)
    assert not lane.always_speaks(at_ms + HALF_DAY_MS, 30 * MINUTE_MS)
    lane.hear(MINUTE_MS, at_ms + HALF_DAY_MS)
    assert not lane.always_speaks(at_ms + HALF_DAY_MS, 30 * MINUTE_MS)
    lane.hear(MINUTE_MS, at_ms + 2 * HALF_DAY_MS)
    assert lane.always_speaks(at_ms + 2 * HALF_DAY_MS, 30 * MINUTE_MS)


def test_a_pause_of_days_leaves_only_itself() -> None:
    lane, at_ms = spoken(1)
    lane.hear(5 * HALF_DAY_MS, at_ms + 5 * HALF_DAY_MS)
    assert lane.gaps == [0, 5 * HALF_DAY_MS]


def test_silence_says_how_long_and_how_often_it_spoke() -> None:
    lane, at_ms = spoken(1)
    assert (lane.strength(1.0, RULES), lane.stirs, lane.since_ms) == (0.0, False, -1)
    assert lane.signal(False, RULES) is None
    lane.fall_silent(at_ms, 10 * MINUTE_MS, 2.0)
    assert (lane.strength(1.0, RULES), lane.stirs, lane.told, lane.since_ms) == (1.0, True, True, at_ms)
    signal = lane.signal(False, RULES)
    assert signal is not None
    assert (signal.kind, signal.unit, signal.value) == ("no_data", "s", 600.0)
    assert (signal.baseline.p50, signal.baseline.p95, signal.ratio) == (30.0, 60.0, 20.0)
    lane.fall_silent(at_ms, 10 * MINUTE_MS, 0.0)
    unknown = lane.signal(False, RULES)
    assert unknown is not None
    assert unknown.ratio == 1.0


def test_the_first_call_ends_it_and_its_gap_is_no_usual_one() -> None:
    lane, at_ms = spoken(1)
    lane.fall_silent(at_ms, 10 * MINUTE_MS, 1.0)
    lane.begin(at_ms)
    gaps = list(lane.gaps)
    lane.hear(20 * MINUTE_MS, at_ms + 20 * MINUTE_MS)
    assert lane.recovered
    assert not lane.told
    assert lane.gaps[1] <= max(gaps)
    lane.end()
    assert lane.excursion is None


def test_there_is_no_level_to_learn() -> None:
    lane, at_ms = spoken(1)
    lane.fall_silent(at_ms, 10 * MINUTE_MS, 1.0)
    lane.begin(at_ms)
    lane.accept()
    assert (lane.open, lane.accepting, lane.excursion) == (False, False, None)


def test_the_limit_names_the_attribute() -> None:
    lane = LimitLane()
    assert lane.signal(False, RULES) is None
    traffic = Traffic(content=False)
    for number in range(3):
        lane.meet(traffic.call(endpoint_overflow="http.route"), START_MS + number, 0.01)
    assert lane.strength(lane.alone_h, RULES) == 1.0
    assert lane.since_ms == START_MS
    signal = lane.signal(False, RULES)
    assert signal is not None
    assert (signal.kind, signal.unit, signal.value, signal.n) == ("series_limit", "series", 10_000.0, 3)
    assert signal.detail == "http.route"


@given(st.lists(st.integers(0, 10**13), max_size=50), st.integers(0, 50))
@settings(max_examples=40, deadline=None)
def test_no_gap_breaks_it_and_packing_anywhere_changes_nothing(gaps: list[int], cut: int) -> None:
    encode = msgspec.msgpack.encode
    lanes = [SilenceLane(), SilenceLane()]
    at_ms = START_MS
    for place, gap in enumerate(gaps):
        at_ms += gap
        if place == cut:
            lanes[1] = msgspec.msgpack.decode(encode(lanes[1]), type=SilenceLane)
        for lane in lanes:
            lane.hear(gap, at_ms)
            lane.always_speaks(at_ms, 1)
    assert encode(lanes[0]) == encode(lanes[1])
    assert len(lanes[0].gaps) == 2
    lanes[0].fall_silent(at_ms, 10**13, 1e12)
    signal = lanes[0].signal(False, RULES)
    assert signal is not None
    assert isfinite(signal.ratio)


@pytest.mark.parametrize("lane", [SilenceLane(), LimitLane()])
def test_they_are_certain(lane: SilenceLane | LimitLane) -> None:
    assert lane.alone_h == lane.joint_h == 1.0
    assert not lane.is_chance
