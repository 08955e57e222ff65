"""The cost signal on whole series: what alerts, when, and what does not."""

from math import exp
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.baseline.budget import thresholds
from lumina_streams.core.baseline.level import CEILINGS, SHIFTS, fit_level_test
from lumina_streams.core.baseline.sequential import against, fourfold
from lumina_streams.core.baseline.sketch import ALPHA, Sketch
from lumina_streams.core.series.rules import Rules


@given(st.floats(0.003, 0.9), st.floats(0.1, 0.95))
def test_gain_of_a_share_test_is_fair(base: float, suspected: float) -> None:
    share = against(base, max(suspected, fourfold(base)))
    assert share.hit > 0 > share.miss
    assert share.base * exp(share.hit) + (1 - share.base) * exp(share.miss) == pytest.approx(1.0)


@given(
    st.lists(st.floats(1e-5, 10.0), min_size=20, max_size=200),
    st.floats(0.05, 1.0),
    st.floats(0.0, 0.4),
    st.booleans(),
)
@settings(max_examples=60)
def test_every_alternative_is_fair_on_its_own_baseline(
    values: list[float], rise: float, unrest: float, ready: bool
) -> None:
    """The e-process condition, for rises from 0.35 spreads on; those of far calls are Bernoulli tests."""
    sketch = Sketch.of(values)
    test = fit_level_test(sketch, least_rise=rise, least_scale=0.1, unrest=unrest, ready=ready)
    gains = [(test.gains(x), n) for x, n in sketch.logs()]
    for index, ceiling in enumerate(CEILINGS):
        assert sum(exp(one[index]) * n for one, n in gains) / sketch.n <= 1 + 1e-9
        assert all(one[index] <= ceiling for one, _ in gains)
    for hit, miss in zip(test.far_hits, test.far_misses, strict=True):
        assert hit > 0 > miss
    assert len(gains[0][0]) == len(SHIFTS) + len(test.far_hits)


@given(
    st.floats(0.01, 1000),
    st.integers(1, 10_000),
    st.floats(0.1, 50),
    st.sampled_from([2.0, 10.0]),
)
def test_thresholds_follow_from_the_budget(rate: float, series: int, budget: float, more: float) -> None:
    """More series, faster series or a smaller budget: more evidence. Learning: more still."""
    rules = Rules(active_series=series, false_warnings_per_week=budget)
    usual = thresholds(True, rate, rules)
    larger = Rules(active_series=int(series * more), false_warnings_per_week=budget)
    assert thresholds(True, rate, larger).alone >= usual.alone
    assert thresholds(True, rate * more, rules).alone >= usual.alone
    patient = Rules(active_series=series, false_warnings_per_week=budget * more)
    assert thresholds(True, rate, patient).alone <= usual.alone
    assert usual.joint <= usual.alone
    assert thresholds(False, rate, rules).alone > min(usual.alone, 18.9)


@pytest.mark.parametrize("sigma", [0.05, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("seed", range(4))
def test_normal_calls_raise_nothing(make_traffic: Any, make_bench: Any, seed: int, sigma: float) -> None:
    bench = make_bench()
    bench.feed(make_traffic(seed=seed, sigma=sigma, content=False).calls(600))
    assert bench.alerts == []
    assert bench.state.hot.cost.test.ready


@pytest.mark.parametrize("seed", range(5))
def test_a_model_switch_that_doubles_cost_is_found_and_named(
    make_traffic: Any, make_bench: Any, seed: int
) -> None:
    traffic, bench = make_traffic(seed=seed), make_bench()
    bench.feed(traffic.calls(300))
    calls = (traffic.call(2, request_model="gpt-4o") for _ in range(40))
    _, alert = bench.feed_until(calls, lambda a: a.kind == "cost_spike")
    (signal,) = alert.signals
    assert alert.severity == "warning"
    assert (alert.cause.what, alert.cause.from_, alert.cause.to) == ("request_model", "gpt-4o-mini", "gpt-4o")
    assert 1.4 < signal.ratio < 4
    assert signal.significance >= 1
    assert signal.baseline.n >= 200
    assert 0 < len(alert.top_spans) <= 5
    assert alert.impact_usd_per_h > 0
    assert "checkout/answer costs" in alert.summary
    assert "Cause: model gpt-4o-mini -> gpt-4o" in alert.summary


def test_prompt_bloat_is_explained_by_its_tokens(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=3)
    bench.feed(traffic.calls(300))
    calls = (traffic.call(3, input_tokens=4000) for _ in range(40))
    _, alert = bench.feed_until(calls, lambda a: a.kind == "cost_spike")
    assert alert.cause.what == "input_tokens"


def test_a_small_rise_of_a_tight_series_is_no_spike_and_is_learned(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=4, sigma=0.02, content=False)
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(1500, times=1.15))
    assert bench.alerts == []
    assert bench.state.hot.cost.test.p50 == pytest.approx(0.004 * 1.15, rel=0.06)


def test_fifty_like_calls_then_five_at_ten_times(make_traffic: Any, make_bench: Any) -> None:
    for seed in range(5):
        traffic, bench = make_traffic(seed=seed, sigma=0.2, content=False), make_bench()
        bench.feed(traffic.calls(50))
        needed, _ = bench.feed_until(traffic.calls(5, times=10), lambda a: a.kind == "cost_spike")
        assert needed <= 5


def test_one_dear_call_while_learning_raises_nothing(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=5, sigma=0.2, content=False)
    bench.feed([*traffic.calls(50), traffic.call(20), *traffic.calls(100)])
    assert bench.alerts == []


def test_a_single_giant_call_fires_at_once_and_the_next_like_it_does_not(
    make_traffic: Any, bench: Any
) -> None:
    traffic = make_traffic(seed=6, sigma=0.3, content=False)
    bench.feed(traffic.calls(300))
    (alert,) = bench.feed([traffic.call(60)])
    assert "the largest earlier one" in alert.signals[0].detail
    bench.feed(traffic.calls(100))
    assert bench.alerts[-1].state == "resolved"
    assert bench.feed([traffic.call(40)]) == []


@pytest.mark.parametrize("seed", range(3))
def test_two_price_classes_are_no_spike(make_traffic: Any, make_bench: Any, seed: int) -> None:
    traffic, bench = make_traffic(seed=seed, sigma=0.1, content=False), make_bench()
    bench.feed(traffic.call(12 if traffic.rng.random() < 0.25 else 1) for _ in range(1200))
    assert bench.alerts == []


def test_unpriced_and_rolled_up_calls_are_left_out(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(100, cost_usd=None))
    bench.feed(traffic.calls(100, times=50, priced=False))
    bench.feed(traffic.calls(100, times=50, kind="agent"))
    assert bench.state.cold.baselines.count("cost") == 0
    assert bench.state.hot.unpriced == 200


def test_free_calls_are_a_level_of_their_own(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300, cost_usd=0.0))
    assert bench.alerts == []
    _, alert = bench.feed_until(traffic.calls(10), lambda a: a.kind == "cost_spike")
    assert "0.0040" not in alert.summary or alert.signals[0].ratio > 1000


@pytest.mark.parametrize("steps", [-140, 39, 184])
def test_scale_changes_nothing(make_traffic: Any, make_bench: Any, steps: int) -> None:
    """The same series in another currency alerts at the same call (scaled by whole buckets of the sketch)."""

    def needed(scale: float) -> int:
        traffic, bench = make_traffic(seed=8, usd=0.004 * scale, content=False), make_bench()
        bench.feed(traffic.calls(300))
        count, _ = bench.feed_until(traffic.calls(60, times=2.5), lambda a: a.kind == "cost_spike")
        return int(count)

    assert needed(((1 + ALPHA) / (1 - ALPHA)) ** steps) == needed(1.0)
