"""The test of a level, and the lanes of cost and latency that it decides."""

import random
from collections.abc import Iterable
from math import exp, isfinite, log
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.baseline.level import CEILINGS, FAR_SHARES, SHIFTS, LevelTest, fit_level_test
from lumina_streams.core.baseline.level_lane import CostLane, LatencyLane, LevelLane
from lumina_streams.core.baseline.sequential import LEAST_CALLS
from lumina_streams.core.baseline.sketch import LOWEST, Sketch
from lumina_streams.core.series.rules import Rules
from streams.core.bench import Traffic

RULES = Rules()
H = 12.0
START_MS = 1_767_261_600_000
EXTREME = st.one_of(st.sampled_from([0.0, 1e-9, 1e12]), st.floats(0, 1e12))


def fitted(values: Iterable[float], **changes: Any) -> LevelTest:
    asked: dict[str, Any] = {"least_rise": log(1.2), "least_scale": 0.1, "unrest": 0.0, "ready": True}
    thresholds = {"alone_h": H, "joint_h": H / 2}
    test = fit_level_test(Sketch.of(list(values)), **(asked | changes))
    return msgspec.structs.replace(test, window="7d", **thresholds)


def usual(seed: int = 1, count: int = 500, sigma: float = 0.4) -> list[float]:
    rng = random.Random(seed)
    return [0.004 * rng.lognormvariate(0, sigma) for _ in range(count)]


def weigh(lane: LevelLane, values: Iterable[float], largest: float | None = None, begin: int = 0) -> int:
    """Weigh values, six seconds apart; returns after how many the lane alone would alert, 0 for never."""
    traffic = Traffic(content=False)
    for number, value in enumerate(values, 1):
        at_ms = START_MS + (begin + number) * 6000
        lane.weigh(traffic.call(), log(max(value, LOWEST)), at_ms, largest, value)
        if not lane.open and lane.strength(lane.alone_h, RULES) >= 1:
            return number
    return 0


@given(
    st.lists(st.tuples(EXTREME, st.integers(1, 200)), min_size=1, max_size=30),
    st.floats(0, 1),
    st.floats(0.01, 3),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_baseline_of_any_shape_is_no_evidence_against_itself(
    points: list[tuple[float, int]], unrest: float, least_rise: float, ready: bool
) -> None:
    """On the calls that it was learned from each test falls on average; those of the level are e-values."""
    values = [value for value, count in points for _ in range(count)]
    values += values[-1:] * max(0, LEAST_CALLS - len(values))
    sketch = Sketch.of(values)
    test = fitted(values, unrest=unrest, least_rise=least_rise, ready=ready)
    assert test.in_force
    assert test.scale >= 0.1
    assert 32 <= test.window_calls <= 500
    assert test.median <= test.location
    gains = [(test.gains(x), count) for x, count in sketch.logs()]
    for index in range(len(SHIFTS) + len(FAR_SHARES)):
        assert all(isfinite(found[index]) for found, _ in gains)
        assert sum(found[index] * count for found, count in gains) / sketch.n <= 1e-9
    for index, ceiling in enumerate(CEILINGS):
        assert sum(exp(found[index]) * count for found, count in gains) / sketch.n <= 1 + 1e-9
        assert all(found[index] <= ceiling for found, _ in gains)


def test_an_empty_test_is_not_in_force() -> None:
    assert not LevelTest().in_force
    lane = CostLane()
    assert weigh(lane, [1e12] * 50) == 0
    assert lane.excursion is None
    assert (lane.alone_h, lane.joint_h, lane.ratio, lane.lift, lane.since_ms) == (0.0, 0.0, 1.0, 1.0, -1)
    assert lane.signal(False, RULES) is None
    assert not lane.stirs


@pytest.mark.parametrize(("times", "most"), [(1.5, 60), (2.0, 24), (3.0, 12), (8.0, 5)])
def test_the_larger_the_rise_the_sooner(times: float, most: int) -> None:
    """About the statistical need, 2 H (sigma / ln times)^2 calls, and what not knowing the rise costs."""
    for seed in range(10):
        lane = CostLane(test=fitted(usual()))
        assert 0 < weigh(lane, [value * times for value in usual(seed + 50, 200)]) <= most


def test_the_usual_never_alerts_and_less_does_neither() -> None:
    for times in (1.0, 0.3):
        lane = CostLane(test=fitted(usual()))
        assert weigh(lane, [value * times for value in usual(2, 3000)]) == 0


def test_a_certain_rise_that_is_too_small_to_matter_is_not_enough() -> None:
    lane = CostLane(test=fitted(usual(sigma=0.05)))
    assert weigh(lane, [value * 1.15 for value in usual(2, 300, 0.05)]) == 0
    assert max(lane.evidence) >= lane.alone_h
    assert lane.lift == pytest.approx(1.15, rel=0.03)
    assert lane.is_chance, "so many calls of it may teach"
    small = Rules(cost_spike_pct=10)
    assert lane.strength(lane.alone_h, small) >= 1


def test_a_margin_is_asked_for_on_top() -> None:
    test = msgspec.structs.replace(fitted(usual(sigma=0.1)), margin=log(1.5))
    assert weigh(CostLane(test=test), [value * 1.6 for value in usual(2, 100, 0.1)]) == 0
    assert weigh(CostLane(test=test), [value * 2.0 for value in usual(2, 100, 0.1)]) > 0


def test_a_roll_out_to_a_few_calls_is_found_by_their_number() -> None:
    rng = random.Random(3)
    lane = CostLane(test=fitted(usual(sigma=0.3)))
    values = [value * (6 if rng.random() < 0.15 else 1) for value in usual(2, 600, 0.3)]
    assert weigh(lane, values) > 0
    signal = lane.signal(False, RULES)
    assert signal is not None
    assert signal.detail == "calls far beyond the series' spread"


def test_one_giant_is_enough_and_one_within_the_tail_is_not() -> None:
    values = usual(sigma=0.3)
    largest = log(max(values))
    lane = CostLane(test=fitted(values))
    assert weigh(lane, [max(values) * 2.5], largest) == 0
    lane = CostLane(test=fitted(values))
    assert weigh(lane, [max(values) * 4], largest) == 1
    signal = lane.signal(False, RULES)
    assert signal is not None
    assert signal.detail == "one call 4x the largest earlier one"
    assert signal.significance == 1.0
    lane = CostLane(test=fitted(values, ready=False))
    assert weigh(lane, [max(values) * 4], largest) == 0, "a young baseline does not know its tail"


def test_an_hour_that_is_always_dear_is_no_rise() -> None:
    hour = START_MS // 3_600_000 % 24
    effects = tuple(log(2) if number == hour else 0.0 for number in range(24))
    doubled = [value * 2 for value in usual(2, 300)]
    assert weigh(CostLane(test=fitted(usual()), effects=effects), doubled) == 0
    lane = CostLane(test=fitted(usual()), effects=effects)
    assert weigh(lane, [value * 2 for value in doubled]) > 0
    signal = lane.signal(False, RULES)
    assert signal is not None
    assert signal.baseline.p50 == pytest.approx(0.008, rel=0.1), "of this hour"
    assert signal.ratio == pytest.approx(2, rel=0.4)


def test_recovery_is_measured_against_the_test_that_opened() -> None:
    lane = LatencyLane(test=fitted(usual()))
    assert weigh(lane, [value * 3 for value in usual(2, 50)])
    lane.begin(START_MS)
    opened = lane.test
    weigh(lane, [value * 3 for value in usual(3, 60)], begin=60)
    lane.adopt()
    lane.test = fitted(value * 3 for value in usual(4))
    weigh(lane, [value * 3 for value in usual(5, 60)], begin=120)
    assert not lane.recovered
    assert lane.reference == opened
    weigh(lane, [value * 2 for value in usual(5, 60)], begin=180)
    assert not lane.recovered, "half of the rise is still there"
    weigh(lane, usual(6, 60), begin=240)
    assert lane.recovered
    lane.end()
    assert lane.returned
    assert lane.reference is None


def test_words_and_units_of_a_level() -> None:
    lane = LatencyLane(test=fitted(value * 200_000 for value in usual(sigma=0.2)))
    weigh(lane, [value * 400_000 for value in usual(2, 50, 0.2)])
    signal = lane.signal(True, RULES)
    assert signal is not None
    assert (signal.kind, signal.unit, signal.baseline.window) == ("latency_spike", "ms", "7d")
    assert signal.detail == "the level of latency rose"
    assert signal.significance == pytest.approx(max(lane.evidence) / lane.joint_h, abs=1e-3)
    assert signal.value == pytest.approx(signal.baseline.p50 * signal.ratio)


@given(st.lists(EXTREME, max_size=60), st.booleans(), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_no_value_breaks_a_lane_and_packing_anywhere_changes_nothing(
    values: list[float], opened: bool, cut: int
) -> None:
    encode = msgspec.msgpack.encode
    lanes = [CostLane(test=fitted(usual())) for _ in range(2)]
    for lane in lanes:
        weigh(lane, [0.012] * 20)
        if opened:
            lane.begin(START_MS)
    for number, value in enumerate(values):
        if number == cut:
            lanes[1] = msgspec.msgpack.decode(encode(lanes[1]), type=CostLane)
        for lane in lanes:
            weigh(lane, [value], log(0.01), begin=20 + number)
            assert all(0 <= found <= 3 * H for found in lane.evidence)
            assert isfinite(lane.ratio)
            assert len(encode(lane)) < 4000
            lane.signal(False, RULES)
    assert encode(lanes[0]) == encode(lanes[1])


def test_the_alternatives_grow() -> None:
    assert list(SHIFTS) == sorted(SHIFTS)
    assert list(CEILINGS) == sorted(CEILINGS)
    assert len(fitted(usual()).gains(0.0)) == len(SHIFTS) + len(FAR_SHARES)
