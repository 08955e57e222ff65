"""From what was learned to what decides: when it is fitted anew, and from what."""

import random
from math import log

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.baseline.fit import (
    REFIT_MS,
    UNSEEN_COST,
    UNSEEN_LATENCY,
    fit_cost,
    fit_latency,
    fit_share,
    fit_spend,
)
from lumina_streams.core.baseline.level_lane import CostLane, LatencyLane
from lumina_streams.core.baseline.rhythm import Rhythm
from lumina_streams.core.baseline.share_lane import ErrorLane, UnpricedLane
from lumina_streams.core.baseline.sketch import Sketch
from lumina_streams.core.baseline.spend import SpendHistory
from lumina_streams.core.baseline.spend_lane import SpendLane
from lumina_streams.core.baseline.windows import HOUR_MS, Baselines, Measure
from lumina_streams.core.series.rules import Rules

RULES = Rules()
START_MS = 490_896 * HOUR_MS


def baselines_of(**counts: int) -> Baselines:
    """So many values of each measure, and of calls, within five minutes."""
    rng = random.Random(1)
    usual = {
        "cost": 0.004,
        "latency": 800.0,
        "tokens": 1800.0,
        "input_tokens": 1000.0,
        "output_tokens": 200.0,
    }
    baselines = Baselines()
    for name, count in counts.items():
        measure: Measure = name  # type: ignore[assignment]
        values = [usual.get(name, 1.0) * rng.lognormvariate(0, 0.3) for _ in range(count)]
        baselines.teach(START_MS, {measure: Sketch.of(values)})
    return baselines


def test_a_few_calls_decide_nothing() -> None:
    lane = CostLane()
    fit_cost(lane, baselines_of(cost=19, calls=19), Rhythm(), RULES, START_MS)
    assert (lane.test.in_force, lane.test.n) == (False, 19)
    fit_cost(lane, baselines_of(cost=20, calls=20), Rhythm(), RULES, START_MS)
    assert lane.test.in_force
    assert not lane.test.ready


def test_enough_calls_make_it_ready_and_thresholds_lower() -> None:
    young, old = CostLane(), CostLane()
    fit_cost(young, baselines_of(cost=199, calls=199), Rhythm(), RULES, START_MS)
    fit_cost(old, baselines_of(cost=200, calls=200), Rhythm(), RULES, START_MS)
    assert (young.test.ready, old.test.ready) == (False, True)
    assert young.test.alone_h > old.test.alone_h
    assert old.test.window == "1h"
    assert old.test.p50 == pytest.approx(0.004, rel=0.1)


def test_it_is_read_again_when_it_has_grown_or_time_has_passed() -> None:
    lane = CostLane()
    baselines = baselines_of(cost=1000, calls=1000)
    fit_cost(lane, baselines, Rhythm(), RULES, START_MS)
    first = lane.test
    baselines.teach(START_MS, {"cost": Sketch.of([0.004] * 40)})
    fit_cost(lane, baselines, Rhythm(), RULES, START_MS + 1)
    assert lane.test is first, "four percent more"
    baselines.teach(START_MS, {"cost": Sketch.of([0.004] * 20)})
    fit_cost(lane, baselines, Rhythm(), RULES, START_MS + 1)
    assert lane.test.n == 1060
    second = lane.test
    fit_cost(lane, baselines, Rhythm(), RULES, START_MS + REFIT_MS)
    assert lane.test is second
    fit_cost(lane, baselines, Rhythm(), RULES, START_MS + 1 + REFIT_MS)
    assert lane.test.fit_ms == START_MS + 1 + REFIT_MS
    baselines.replace(START_MS, "cost", Sketch.of([0.004] * 500))
    fit_cost(lane, baselines, Rhythm(), RULES, START_MS + 2 + REFIT_MS)
    assert lane.test.n == 500, "what has shrunk is another baseline"


def test_most_calls_without_a_price_are_judged_by_their_tokens() -> None:
    lane = CostLane()
    known = {"input_tokens": 300, "output_tokens": 300, "calls": 300}
    fit_cost(lane, baselines_of(cost=150, tokens=300, **known), Rhythm(), RULES, START_MS)
    assert lane.unit == "usd_per_call"
    assert lane.tokens_p50 == pytest.approx(1800, rel=0.1)
    lane = CostLane()
    fit_cost(lane, baselines_of(cost=149, tokens=300, **known), Rhythm(), RULES, START_MS)
    assert lane.unit == "tokens_per_call"
    assert lane.test.p50 == pytest.approx(1800, rel=0.1)


def test_an_unknown_rhythm_asks_for_more_and_latency_for_most() -> None:
    cost, latency = CostLane(), LatencyLane()
    baselines = baselines_of(cost=300, latency=300, calls=300)
    fit_cost(cost, baselines, Rhythm(), RULES, START_MS)
    fit_latency(latency, baselines, Rhythm(), RULES, START_MS)
    assert (cost.test.margin, latency.test.margin) == (2 * UNSEEN_COST, 2 * UNSEEN_LATENCY)
    known = Rhythm()
    for hour in range(72):
        for _ in range(20):
            known.learn(START_MS + hour * HOUR_MS, log(0.004), 0.3)
    fit_cost(cost, baselines, known, RULES, START_MS + 2 * REFIT_MS)
    assert cost.test.margin == 0
    assert cost.test.location < cost.test.median + UNSEEN_COST
    assert latency.effects == ()


def test_shares_are_among_all_calls_or_among_those_with_tokens() -> None:
    baselines = baselines_of(errors=10, calls=1000, unpriced=10, cost=90)
    errors, unpriced = ErrorLane(), UnpricedLane()
    fit_share(errors, "errors", None, baselines, RULES, START_MS)
    fit_share(unpriced, "unpriced", "cost", baselines, RULES, START_MS)
    assert (errors.test.n, unpriced.test.n) == (1000, 100)
    assert errors.test.base < 0.02
    assert 0.1 <= unpriced.test.base < 0.2
    first = errors.test
    fit_share(errors, "errors", None, baselines, RULES, START_MS + 1)
    assert errors.test is first
    fit_share(errors, "errors", None, baselines, RULES, START_MS + REFIT_MS)
    assert errors.test is not first
    errors.floor = 0.25
    fit_share(errors, "errors", None, baselines, RULES, START_MS + 2 * REFIT_MS)
    assert errors.test.base == 0.25


def hours_of(lane: SpendLane) -> list[int]:
    return [one.hour for one in lane.limits]


def test_spend_is_fitted_once_an_hour_for_this_hour_and_the_next() -> None:
    history = SpendHistory()
    hour = START_MS // HOUR_MS
    for before in range(30):
        history.add((hour - 30 + before) * HOUR_MS, 6.0)
    lane = SpendLane()
    fit_spend(lane, history, baselines_of(cost=199, calls=199), RULES, START_MS)
    assert hours_of(lane) == [], "what a call costs is not known well enough"
    baselines = baselines_of(cost=300, calls=300)
    fit_spend(lane, history, baselines, RULES, START_MS)
    assert hours_of(lane) == [hour, hour + 1]
    assert lane.cap == pytest.approx(baselines.reference("cost")[1].quantile(0.95))
    assert lane.n == 30
    first = lane.limits
    fit_spend(lane, history, baselines, RULES, START_MS + HOUR_MS - 1)
    assert lane.limits is first
    fit_spend(lane, history, baselines, RULES, START_MS + HOUR_MS)
    assert hours_of(lane) == [hour + 1, hour + 2]
    fit_spend(lane, SpendHistory(), baselines, RULES, START_MS + 2 * HOUR_MS)
    assert hours_of(lane) == []


@given(
    st.lists(st.sampled_from([1e-9, 1e12, 0.0, 0.004, 1.0]), min_size=20, max_size=60),
    st.integers(0, 60),
    st.integers(1, 10**6),
)
@settings(max_examples=40, deadline=None)
def test_any_baseline_can_be_fitted(values: list[float], failed: int, series: int) -> None:
    baselines = Baselines()
    sketch = Sketch.of(values)
    baselines.teach(START_MS, {"cost": sketch, "latency": sketch, "tokens": sketch, "spend": sketch})
    baselines.teach(START_MS, {"input_tokens": sketch, "output_tokens": sketch, "calls": sketch})
    some = Sketch.of([1.0] * failed)
    baselines.teach(START_MS, {"errors": some, "unpriced": some})
    history = SpendHistory()
    for hour in range(40):
        history.add(START_MS - hour * HOUR_MS, values[hour % len(values)])
    rules = Rules(active_series=series, min_samples=20)
    cost, latency, errors, spend = CostLane(), LatencyLane(), ErrorLane(), SpendLane()
    fit_cost(cost, baselines, Rhythm(), rules, START_MS)
    fit_latency(latency, baselines, Rhythm(), rules, START_MS)
    fit_share(errors, "errors", None, baselines, rules, START_MS)
    fit_share(UnpricedLane(), "unpriced", "cost", baselines, rules, START_MS)
    fit_spend(spend, history, baselines, rules, START_MS)
    assert cost.test.in_force
    assert latency.test.in_force
    for lane in (cost, latency, errors, spend):
        packed = msgspec.msgpack.encode(lane)
        assert msgspec.msgpack.encode(msgspec.msgpack.decode(packed, type=type(lane))) == packed
