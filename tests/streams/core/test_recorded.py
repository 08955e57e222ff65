import random
from itertools import pairwise
from math import inf, nan, pi, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.baseline.recorded import Recorded, Verdict
from lumina_streams.core.baseline.season import DAYS, Season

START_S = 1_767_571_200.0
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

Points = list[tuple[float, float]]


def daily(days: float, period_s: float = 600.0, noise: float = 0.1, seed: int = 0) -> Points:
    """A daily rhythm, positive, with noise."""
    rng = random.Random(seed)
    times = [START_S + number * period_s for number in range(int(days * DAY_S / period_s))]
    return [(at, 5.0 * (1.5 + sin(2 * pi * at / DAY_S)) * rng.lognormvariate(0.0, noise)) for at in times]


def verdicts(points: Points) -> list[Verdict | None]:
    detector = Recorded()
    return [detector.take(at_s, value) for at_s, value in points]


def flags(points: Points) -> list[int]:
    return [index for index, verdict in enumerate(verdicts(points)) if verdict and verdict.deviates]


def changed(points: Points, from_s: float, to_s: float, factor: float) -> Points:
    return [(at, value * factor if from_s <= at < to_s else value) for at, value in points]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.integers(-60, 60), st.floats(1.5, 6.0))
def test_the_unit_of_a_positive_series_does_not_matter(seed: int, power: int, factor: float) -> None:
    """A power of two, so that floating point has no part in it."""
    points = changed(daily(4, 1800, seed=seed), START_S + 3.2 * DAY_S, START_S + 3.4 * DAY_S, factor)
    assert flags([(at, value * 2.0**power) for at, value in points]) == flags(points)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=60, max_size=200), st.integers(1, 199))
def test_a_verdict_follows_from_the_points_before_alone(values: list[float], cut: int) -> None:
    points = [(START_S + number * HOUR_S, value) for number, value in enumerate(values)]
    assert verdicts(points)[:cut] == verdicts(points[:cut])


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(0, 1e6), st.just(0.0)),
            st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.just(0.0)),
        ),
        max_size=150,
    )
)
def test_nothing_breaks_it(steps: list[tuple[float, float]]) -> None:
    at_s = START_S
    detector = Recorded()
    for gap, value in steps:
        at_s += gap
        verdict = detector.take(at_s, value)
        assert verdict is None or verdict.low <= verdict.usual <= verdict.high


def test_a_daily_rhythm_is_no_news() -> None:
    points = daily(10)
    late = [index for index in flags(points) if points[index][0] >= START_S + 4 * DAY_S]
    assert len(late) <= 5  # of 864


@pytest.mark.parametrize("factor", [0.2, 2.5, 6.0])
@pytest.mark.parametrize("period_s", [60.0, 600.0, HOUR_S])
def test_a_rise_and_a_fall_are_seen_at_once(factor: float, period_s: float) -> None:
    from_s = START_S + 4.3 * DAY_S
    points = changed(daily(5, period_s), from_s, from_s + 6 * HOUR_S, factor)
    found = [points[index][0] for index in flags(points) if from_s <= points[index][0]]
    assert found
    assert found[0] <= from_s + 2 * HOUR_S


def test_a_job_at_its_time_is_no_news_but_at_another_it_is() -> None:
    def value(at_s: float) -> float:
        return 50.0 if at_s % DAY_S < HOUR_S else 10.0 + at_s % 7 / 7

    points = [(START_S + number * 600.0, value(START_S + number * 600.0)) for number in range(5 * 144)]
    assert all(points[index][0] < START_S + 3 * DAY_S for index in flags(points))
    odd_s = START_S + 4.5 * DAY_S
    assert odd_s in [points[i][0] for i in flags([(at, 50.0 if at == odd_s else x) for at, x in points])]


def test_a_level_that_stays_is_adopted() -> None:
    from_s = START_S + 4 * DAY_S
    points = changed(daily(10), from_s, inf, 4.0)
    found = [points[index][0] for index in flags(points) if points[index][0] >= from_s]
    assert found[0] <= from_s + HOUR_S
    assert not [at_s for at_s in found if at_s > from_s + 4 * DAY_S]


def test_silence_deviates_and_zeros_do_not_where_they_are_usual() -> None:
    points = daily(5)
    silent_s = START_S + 4.5 * DAY_S
    assert [i for i in flags(changed(points, silent_s, silent_s + HOUR_S, 0.0)) if points[i][0] >= silent_s]
    rng = random.Random(1)
    sparse = [(at, 0.0 if rng.random() < 0.8 else value) for at, value in points]
    assert not [index for index in flags(sparse) if not sparse[index][1]]


def test_what_is_older_or_no_number_is_passed_over() -> None:
    points = daily(4)
    detector = Recorded()
    seen = [detector.take(*point) for point in points[:500]]
    assert detector.take(points[10][0], 1e9) is None
    assert detector.take(points[500][0], nan) is None
    assert detector.take(nan, 1.0) is None
    assert seen + [detector.take(*point) for point in points[500:]] == verdicts(points)


def test_a_point_a_day_is_judged_by_the_last_ones() -> None:
    rng = random.Random(3)
    points = [(START_S + day * DAY_S, rng.lognormvariate(3.0, 0.1)) for day in range(120)]
    points[100] = (points[100][0], 400.0)
    assert 100 in flags(points)
    assert len(flags(points)) <= 4


def test_the_season_remembers_two_weeks_and_no_more() -> None:
    season = Season()
    for day in range(40):
        season.teach(START_S + day * DAY_S, float(day))
    seen = season.around(START_S + 40 * DAY_S, 600.0)
    assert seen.days == DAYS
    assert sorted(set(seen.values)) == [float(day) for day in range(40 - DAYS, 40)]
    assert season.around(START_S + 40 * DAY_S + 2 * HOUR_S, 600.0).days == 0


def test_the_season_keeps_the_bounds_of_a_slot() -> None:
    season = Season()
    for second, value in enumerate((3.0, -1.0, 2.0)):
        season.teach(START_S + second, value)
    assert season.around(START_S + DAY_S, 0.0) == (1, [-1.0, 3.0])


def test_the_flags_of_irregular_points_are_found_too() -> None:
    rng = random.Random(5)
    points = [(at + rng.uniform(-200, 200), value) for at, value in daily(6) if rng.random() < 0.8]
    assert all(first[0] < second[0] for first, second in pairwise(points))
    from_s = START_S + 5 * DAY_S
    found = flags(changed(points, from_s, from_s + 3 * HOUR_S, 5.0))
    assert [index for index in found if from_s <= points[index][0] < from_s + HOUR_S]
