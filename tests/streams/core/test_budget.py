"""Thresholds: what a budget of false alerts asks for."""

from math import exp, inf, log

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.baseline.budget import (
    LEARNING_LEAST_H,
    LEARNING_MOST_H,
    LEAST_H,
    LEAST_JOINT_H,
    LEAST_SERIES,
    MOST_H,
    TESTS,
    WEEK_MIN,
    thresholds,
)
from lumina_streams.core.series.rules import Rules


@pytest.mark.parametrize("series", [LEAST_SERIES, 200, 1000])
def test_all_tests_of_all_series_together_keep_within_the_budget(series: int) -> None:
    """A test that sees N calls a week fires without cause N exp(-h) times at most."""
    rules = Rules(active_series=series, false_warnings_per_week=5)
    alone, joint = thresholds(True, 2.0, rules)
    calls = 2.0 * WEEK_MIN
    assert series * TESTS * calls * exp(-alone) == pytest.approx(5)
    near = 2 * rules.correlation_s / (WEEK_MIN * 60)
    critical = series * near * (calls * exp(-joint)) ** 2
    if joint > LEAST_JOINT_H:
        assert critical == pytest.approx(rules.false_critical_per_week)
    else:  # where one half is real, the other half is no matter of the budget
        assert critical <= rules.false_critical_per_week
    assert joint < alone


def test_a_project_is_taken_to_have_fifty_series_at_least() -> None:
    least = thresholds(True, 2.0, Rules(active_series=LEAST_SERIES))
    assert thresholds(True, 2.0, Rules(active_series=1)) == least
    assert thresholds(True, 2.0, Rules(active_series=LEAST_SERIES + 1)) > least


def test_a_tenth_of_the_budget_asks_for_ln_10_more() -> None:
    one, tenth = (
        thresholds(True, 2.0, Rules(active_series=100, false_warnings_per_week=budget)).alone
        for budget in (5, 0.5)
    )
    assert tenth - one == pytest.approx(log(10))


def test_a_young_baseline_asks_for_overwhelming_evidence() -> None:
    for series in (1, 10_000):
        alone, joint = thresholds(False, 2.0, Rules(active_series=series))
        assert LEARNING_LEAST_H <= alone <= LEARNING_MOST_H
        assert joint <= alone


@given(
    st.booleans(),
    st.floats(0, 1e12),
    st.integers(0, 10**9),
    st.floats(1e-9, 1e12),
    st.floats(1e-9, 1e12),
    st.floats(1e-9, 1e12),
)
def test_thresholds_are_bounded(
    ready: bool, rate: float, series: int, critical: float, warnings: float, correlation_s: float
) -> None:
    rules = Rules(
        active_series=series,
        false_critical_per_week=critical,
        false_warnings_per_week=warnings,
        correlation_s=correlation_s,
    )
    alone, joint = thresholds(ready, rate, rules)
    assert (LEAST_H if ready else LEARNING_LEAST_H) <= alone <= (MOST_H if ready else LEARNING_MOST_H)
    assert LEAST_JOINT_H <= joint <= alone < inf
    more = thresholds(ready, rate * 2 + 1, msgspec.structs.replace(rules, active_series=series * 2 + 1))
    assert more.alone >= alone
