"""What a series spends: the history of its hours, the limits that follow, and the signal beyond them."""

import random
from math import isfinite, sqrt
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.baseline.spend import (
    DOUBLED,
    HOURS,
    LEAST_CALLS,
    LEAST_HOURS,
    PEAK,
    SIGMAS,
    SLOT_MS,
    SLOTS,
    Limits,
    SpendHistory,
)
from lumina_streams.core.baseline.spend_lane import CALM_SLOTS, THRESHOLD, SpendLane
from lumina_streams.core.baseline.windows import HOUR_MS
from lumina_streams.core.series.rules import Rules
from streams.core.bench import Traffic

RULES = Rules()
HOUR = 490_910  # since 1970
USD = st.one_of(st.sampled_from([0.0, 1e-9, 1e12, 3e38]), st.floats(0, 1e12))


def history_of(hours: int, usd: float = 6.0) -> SpendHistory:
    history = SpendHistory()
    for hour in range(HOUR - hours, HOUR):
        history.add(hour * HOUR_MS, usd)
    return history


def limits(history: SpendHistory, **changes: Any) -> Limits | None:
    asked = {"call_usd": 0.01, "dispersion": 1.2, "times": 3.0, "floor": 0.0} | changes
    return history.limits(HOUR, **asked)


def test_less_than_a_day_and_two_hours_says_nothing() -> None:
    assert limits(SpendHistory()) is None
    assert limits(history_of(LEAST_HOURS - 1)) is None
    assert limits(history_of(LEAST_HOURS)) is not None
    assert limits(history_of(LEAST_HOURS), call_usd=0.0) is None
    assert limits(history_of(LEAST_HOURS, 0.0)) is None


def test_limits_stand_six_sigmas_above_the_double() -> None:
    found = limits(history_of(100), times=1.0)
    assert found is not None
    assert found.expected == pytest.approx(6.0)
    unit = 0.01 * 1.2
    assert found.whole == pytest.approx(DOUBLED * 6 + SIGMAS * sqrt(DOUBLED * 6 * unit))
    slot = 6 / SLOTS
    assert found.slot == pytest.approx(DOUBLED * slot + SIGMAS * sqrt(DOUBLED * slot * unit))
    more = limits(history_of(100), times=10.0)
    assert more is not None
    assert more.whole == pytest.approx(60.0)


def test_the_dearest_neighbouring_hour_of_earlier_days_is_expected() -> None:
    history = history_of(24 * 6)
    history.add((HOUR - 47) * HOUR_MS, 20.0)
    found = limits(history)
    assert found is not None
    assert found.expected == pytest.approx(26.0)
    assert limits(history_of(24 * 6), floor=50.0) == limits(history_of(24 * 6, 50.0))


def test_a_slot_must_pass_the_largest_that_was_seen() -> None:
    history = history_of(100)
    history.peak((HOUR - 3) * HOUR_MS, 40.0)
    history.peak((HOUR - 3) * HOUR_MS, 30.0)
    found = limits(history)
    assert found is not None
    assert found.slot == pytest.approx(PEAK * 40)
    history.peak((HOUR - 9 * 24) * HOUR_MS, 500.0)
    assert limits(history) == found, "that day is forgotten"


def test_a_few_calls_are_no_spike_whatever_the_hour_was() -> None:
    found = limits(history_of(100, 0.001))
    assert found is not None
    assert found.slot == found.whole == pytest.approx(LEAST_CALLS * 0.01)


def test_a_week_is_kept() -> None:
    history = history_of(400)
    assert history.known_hours == HOURS
    late = (HOUR - 1 - HOURS) * HOUR_MS
    history.add(late, 5.0)
    assert history.at(late // HOUR_MS) == 0.0
    assert history.at(HOUR - 1) == 6.0, "nor does it land in the hour that took its place"
    history.add((HOUR - 10) * HOUR_MS, 5.0)
    assert history.at(HOUR - 10) == 11.0, "a late call is of its hour"


def test_another_cost_a_call_scales_what_is_known() -> None:
    history = history_of(100)
    history.peak(HOUR * HOUR_MS, 40.0)
    history.scale(0.5)
    assert {history.at(hour) for hour in range(HOUR - 100, HOUR)} == {3.0}
    found, before = limits(history), limits(history_of(100))
    assert found is not None and before is not None
    assert found.slot == PEAK * 20.0
    assert found.expected == before.expected / 2


@given(st.lists(st.tuples(st.integers(0, 600), USD, st.booleans()), max_size=80), st.integers(0, 80))
@settings(max_examples=50, deadline=None)
def test_it_is_bounded_and_packing_anywhere_changes_nothing(
    told: list[tuple[int, float, bool]], cut: int
) -> None:
    histories = [SpendHistory(), SpendHistory()]
    for place, (hour, usd, peak) in enumerate(told):
        if place == cut:
            histories[1] = SpendHistory.unpack(histories[1].pack())
        for history in histories:
            (history.peak if peak else history.add)((HOUR + hour) * HOUR_MS, usd)
    history, twin = histories
    assert history.known_hours <= HOURS
    assert len(history.pack()) < 800
    assert history.pack() == twin.pack()
    for hour in range(0, 700, 50):
        found = history.limits(HOUR + hour, 0.01, 1.2, 3.0, 0.0)
        assert found == twin.limits(HOUR + hour, 0.01, 1.2, 3.0, 0.0)
        if found is not None:
            assert isfinite(found.slot)
            assert 0 < found.expected <= found.whole or found.whole == LEAST_CALLS * 0.01


# the signal


def lane_of(slot: float = 2.0, whole: float = 18.0, hour: int = HOUR) -> SpendLane:
    return SpendLane(
        limits=tuple(Limits(at, 6.0, slot, whole) for at in (hour, hour + 1)), cap=0.1, p95=0.2, n=100
    )


def spend(lane: SpendLane, usd: float, minute: float) -> float:
    return lane.weigh(Traffic(content=False).call(), usd, HOUR * HOUR_MS + int(minute * 60_000))


def strength(lane: SpendLane) -> float:
    return lane.strength(lane.alone_h, RULES)


def test_without_limits_it_only_sums_up() -> None:
    lane = SpendLane()
    assert spend(lane, 5.0, 1) == -1.0
    assert spend(lane, 7.0, 2) == -1.0
    assert spend(lane, 1.0, 6) == 12.0, "the slot that is over"
    assert spend(lane, 1.0, 4) == -1.0, "a call of a slot that is over comes too late for it"
    assert (lane.alone_h, lane.per_min, lane.ratio, lane.since_ms) == (0.0, 12 / 60, 1.0, -1)
    assert lane.signal(False, RULES) is None
    assert strength(lane) == 0.0


def test_a_slot_beyond_its_limit_is_a_spike() -> None:
    lane = lane_of()
    for number in range(19):
        spend(lane, 0.1, 10 + number / 10)
        assert strength(lane) < 1
    spend(lane, 0.1, 12)
    assert strength(lane) == pytest.approx(1.0)
    assert lane.stirs
    signal = lane.signal(False, RULES)
    assert signal is not None
    assert (signal.kind, signal.unit) == ("spend_spike", "usd_per_min")
    assert signal.value == pytest.approx(2.0 / 5)
    assert signal.baseline.p50 == pytest.approx(6.0 / 60)
    assert signal.ratio == pytest.approx(4.0)
    assert lane.ratio == signal.ratio
    assert signal.significance == pytest.approx(1.0)


def test_an_hour_beyond_its_limit_is_a_spike_though_no_slot_is() -> None:
    lane = lane_of(slot=4.0)
    for number in range(180):
        spend(lane, 0.1, number / 3.01)
    assert strength(lane) == pytest.approx(1.0)
    assert lane.evidence[0] < THRESHOLD
    assert lane.since_ms == HOUR * HOUR_MS
    assert lane.per_min == pytest.approx(18 / 60)


def test_a_giant_counts_as_a_dear_call() -> None:
    lane = lane_of()
    spend(lane, 1e12, 1)
    assert lane.running.slot_usd == 0.1
    assert lane.excursion is None


def test_it_recovers_after_three_slots_of_less_than_half_and_not_before() -> None:
    lane = lane_of()
    for number in range(30):
        spend(lane, 0.1, number / 10)
    lane.begin(0)
    for slot in range(1, 1 + CALM_SLOTS):
        assert not lane.recovered
        spend(lane, 0.1, slot * 5)
    spend(lane, 0.1, (1 + CALM_SLOTS) * 5)
    assert lane.recovered
    lane.end()
    assert (lane.open, lane.calm_slots, lane.floor) == (False, 0, 0.0)


def test_a_slot_that_is_not_calm_begins_it_anew() -> None:
    lane = lane_of()
    for number in range(30):
        spend(lane, 0.1, number / 10)
    lane.begin(0)
    for slot in (1, 2, 3):
        for _ in range(15 if slot == 2 else 1):
            spend(lane, 0.1, slot * 5)
    spend(lane, 0.1, 20)
    assert lane.calm_slots == 1
    assert not lane.recovered


def test_silence_is_calm() -> None:
    lane = lane_of()
    for number in range(30):
        spend(lane, 0.1, number / 10)
    lane.begin(0)
    spend(lane, 0.1, 6)
    spend(lane, 0.1, 40)
    assert lane.recovered


def test_one_that_flaps_must_be_calm_for_longer() -> None:
    lane = lane_of()
    for number in range(30):
        spend(lane, 0.1, number / 10)
    lane.begin(0)
    lane.patience_ms = 1_800_000
    for slot in range(1, 7):
        spend(lane, 0.1, slot * 5)
        assert not lane.recovered
    spend(lane, 0.1, 35)
    assert lane.recovered


def test_an_adopted_level_is_expected_from_now_on() -> None:
    lane = lane_of()
    for number in range(30):
        spend(lane, 0.1, number / 10)
    lane.begin(0)
    lane.take_level()
    assert lane.floor == pytest.approx(3.0 * SLOTS)
    assert lane.limits == ()


@given(
    st.lists(st.tuples(st.floats(0, 150), USD), max_size=60),
    st.booleans(),
    st.integers(0, 60),
)
@settings(max_examples=40, deadline=None)
def test_no_cost_breaks_the_lane_and_packing_anywhere_changes_nothing(
    told: list[tuple[float, float]], opened: bool, cut: int
) -> None:
    encode = msgspec.msgpack.encode
    lanes = [lane_of(), lane_of()]
    for lane in lanes:
        for number in range(30):
            spend(lane, 0.1, number / 10)
        if opened:
            lane.begin(0)
    for place, (minute, usd) in enumerate(told):
        if place == cut:
            lanes[1] = msgspec.msgpack.decode(encode(lanes[1]), type=SpendLane)
        for lane in lanes:
            spend(lane, usd, minute)
            assert all(0 <= found <= 3 * THRESHOLD for found in lane.evidence)
            lane.signal(False, RULES)
    assert encode(lanes[0]) == encode(lanes[1])
    assert SLOT_MS * SLOTS == HOUR_MS


def test_random_traffic_within_the_limits_never_alerts() -> None:
    """A day of 60 calls an hour, then the same at twice the volume."""
    rng = random.Random(4)
    history = SpendHistory()
    minute = 0.0
    while minute < 60 * 48:
        history.add(int(HOUR * HOUR_MS + minute * 60_000), 0.01 * rng.lognormvariate(0, 0.4))
        minute += rng.expovariate(1)
    begin = HOUR + 48
    found = [
        history.limits(begin + hour, 0.01 * 1.08, 1.17, 1 + RULES.spend_spike_pct / 100, 0.0)
        for hour in (0, 1)
    ]
    lane = SpendLane(limits=tuple(one for one in found if one is not None), cap=0.03)
    assert len(lane.limits) == 2
    while minute < 60 * 50:
        spend(lane, 0.01 * rng.lognormvariate(0, 0.4), minute)
        assert strength(lane) < 1
        minute += rng.expovariate(2)
