"""From what answers showed to what decides about them."""

from math import exp
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.baseline.sequential import LEAST_CALLS
from lumina_streams.core.baseline.windows import Baselines
from lumina_streams.core.quality.fit import (
    ANY,
    COMMON,
    JSON_CALLS,
    LEAST_LENGTHS,
    LEAST_N,
    LOW,
    NEVER,
    SHARES,
    QualityTest,
    Usual,
    fit_quality,
    share_gains,
)
from lumina_streams.core.quality.history import (
    BINS,
    LENGTH_STEPS,
    PLACES,
    RATIO_MIDDLE,
    RATIO_STEPS,
    SIGNS,
    History,
    bin_of,
)
from lumina_streams.core.series.rules import Rules
from streams.core.test_history import counted, reading

REFUSAL = 1 << PLACES["refusal"]


def fitted(history: History, **rules: Any) -> QualityTest:
    return fit_quality(Baselines(), history, Rules(**rules), 1_767_261_600_000)


@given(st.floats(0.05, 1), st.floats(0.05, 0.95), st.floats(0, 1), st.floats(0, 1))
def test_scores_rise_with_recall_and_are_enough_exactly_at_the_low(
    median: float, part: float, one: float, other: float
) -> None:
    usual = Usual(median, median * part)
    assert 0.0 <= usual.score(min(one, other)) <= usual.score(max(one, other)) <= 1.0
    assert usual.score(usual.low) == pytest.approx(0.7)
    assert usual.score(usual.low * 0.999) < 0.7
    assert usual.score(usual.median) == usual.score(1.0) == 1.0
    assert usual.score(0.0) == 0.0


@given(st.floats(0.003, 0.49), st.booleans())
def test_answers_as_usual_are_no_evidence(base: float, ready: bool) -> None:
    """So that exp(evidence) is an e-process: see `sequential`."""
    hits, misses = share_gains(base, ready)
    for hit, miss in zip(hits, misses, strict=True):
        assert hit > 0 > miss
        assert base * exp(hit) + (1 - base) * exp(miss) == pytest.approx(1)


def test_a_few_answers_decide_nothing() -> None:
    test = fitted(counted(*[reading(judged=REFUSAL)] * (LEAST_CALLS - 1)))
    assert not test.in_force
    assert test.gains(PLACES["refusal"], True) == (0.0,) * len(SHARES)
    assert QualityTest().gains(0, True) == (0.0,) * len(SHARES)
    test = fitted(counted(*[reading(judged=REFUSAL)] * LEAST_CALLS))
    assert test.in_force
    assert not test.ready
    assert min(test.gains(PLACES["refusal"], True)) > 0


def test_a_sign_that_half_of_the_answers_show_is_no_news() -> None:
    refused = [reading(judged=REFUSAL, signs=REFUSAL)]
    usual = [reading(judged=REFUSAL)]
    base = fitted(counted(*refused * 30, *usual * 70)).bases[PLACES["refusal"]]
    assert 0.2 < base < COMMON
    assert fitted(counted(*refused * 90, *usual * 10)).bases[PLACES["refusal"]] == 0.0


def test_what_never_could_show_has_no_test() -> None:
    """Such as retrievals without documents in a series that retrieves nothing, or never finds anything."""
    history = counted(*[reading(judged=REFUSAL)] * 100)
    place = PLACES["no_documents"]
    assert fitted(history).bases[place] == 0.0
    history.try_aside(place, 100, 100)
    assert fitted(history).bases[place] == 0.0, "there never were any"
    history.try_aside(place, 900, 0)
    assert 0.0 < fitted(history).bases[place] < COMMON


def test_a_series_answers_json_where_nearly_all_answers_are() -> None:
    def of(json: int, other: int) -> QualityTest:
        return fitted(counted(*[reading(json=True)] * json, *[reading()] * other))

    assert of(JSON_CALLS, 0).answers_json
    assert not of(JSON_CALLS - 1, 0).answers_json
    assert of(95, 5).answers_json
    assert not of(85, 15).answers_json
    place = PLACES["invalid_json"]
    assert of(95, 5).bases[place] > of(100, 0).bases[place] > 0.0, "five in a hundred were none all along"
    assert of(85, 15).bases[place] == 0.0


def test_usual_languages_are_those_that_come_again() -> None:
    test = fitted(counted(*[reading()] * 97, *[reading(language="de")] * 3, reading(language="fr")))
    assert set(test.languages) == {"en", "de"}
    assert test.bases[PLACES["language"]] > 0.0
    assert fitted(counted(*[reading()] * (LEAST_N - 1))).languages == ()
    assert fitted(counted(*[reading(language="")] * 100)).languages == ()


def of_recall(*bins: int) -> QualityTest:
    return fitted(counted(*[reading(recall=place) for place in bins]))


def test_likeness_counts_where_answers_are_alike() -> None:
    assert of_recall(*[30] * (LEAST_N - 1)).recall[0] == NEVER, "too few"
    assert of_recall(*[3] * 100).recall[0] == NEVER, "creative by nature"
    assert of_recall(*[30] * 100).recall[0].median == pytest.approx(30.5 / BINS, abs=0.01)
    assert of_recall(*[30] * 100).recall[1:] == (NEVER, NEVER)
    assert of_recall(*[3] * 100).free
    assert not of_recall(*[30] * 100).free
    with_few = of_recall(*[30] * 97, *[0] * 3).recall[0]
    assert with_few.low > 1 / BINS, "a few that have nothing in common do not make that usual"
    assert of_recall(*[30] * 90, *[0] * 10).recall[0] == NEVER, "many do"


@given(st.lists(st.integers(16, BINS - 1), min_size=100, max_size=400))
def test_few_of_a_series_own_answers_score_below(bins: list[int]) -> None:
    usual = of_recall(*bins).recall[0]
    below = sum(usual.score((place + 1) / BINS) < 0.7 for place in bins)
    assert below <= LOW * len(bins)


def test_what_is_short_follows_from_the_usual_lengths() -> None:
    test = fitted(counted(*[reading(ratio=RATIO_MIDDLE)] * 100))
    assert test.short == pytest.approx(0.5), "half as long"
    wide = fitted(counted(*[reading(ratio=RATIO_MIDDLE - 10)] * 50, *[reading(ratio=RATIO_MIDDLE)] * 50))
    assert wide.short <= 2 ** (-10 / RATIO_STEPS) * 1.01
    assert fitted(counted(*[reading(ratio=RATIO_MIDDLE)] * (LEAST_N - 1))).short == 0.0
    assert test.bases[PLACES["short"]] > 0.0


def test_what_is_short_for_a_version_of_the_prompt() -> None:
    long = int(9 * LENGTH_STEPS)  # 512 characters
    answers = [reading(version=7, length=long)] * LEAST_LENGTHS
    test = fitted(counted(*answers, *[reading(version=8)] * (LEAST_LENGTHS - 1)))
    assert test.lengths.keys() == {7}
    assert 220 < test.lengths[7] < 300
    assert fitted(counted(*answers[1:])).lengths == {}


def test_unlike_answers_are_counted_as_they_scored_or_as_they_would_have() -> None:
    """At first there is no score by likeness: what answers had in common tells how many would be bad."""
    place = PLACES["unlike"]
    young = fitted(counted(*[reading(recall=30)] * 96, *[reading(recall=2)] * 4))
    assert young.bases[place] == pytest.approx((4 + 1) / (100 + 50), abs=0.01)
    good, bad = bin_of(1.0), bin_of(0.3)
    grown = counted(*[reading(recall=30, likeness=good)] * 80, *[reading(recall=30, likeness=bad)] * 20)
    assert fitted(grown).bases[place] == pytest.approx((20 + 1) / (100 + 50), abs=0.01)
    assert fitted(grown, quality_min=0.2).bases[place] < 0.01


def test_the_share_of_bad_answers_follows_the_rule() -> None:
    history = counted(*[reading(quality=200)] * 70, *[reading(quality=160)] * 20, *[reading(quality=80)] * 10)
    shares = {least: fitted(history, quality_min=least).bad_share for least in (0.3, 0.7, 0.9)}
    assert shares == {0.3: 0.0, 0.7: pytest.approx(0.1), 0.9: pytest.approx(0.3)}
    assert fitted(history, quality_min=0.9).bases[ANY] > fitted(history).bases[ANY] > 0.0


def test_prompts_that_are_ever_new_are_grounded_in_themselves() -> None:
    assert fitted(counted(*[reading()] * 100)).grounded
    assert not fitted(counted(*[reading(recall=30)] * 50, *[reading()] * 50)).grounded


def test_enough_answers_lower_the_thresholds() -> None:
    young, old = fitted(counted(*[reading()] * 199)), fitted(counted(*[reading()] * 200))
    assert (young.ready, old.ready) == (False, True)
    assert young.alone_h > old.alone_h > old.joint_h > 0
    sure = fitted(counted(*[reading(judged=REFUSAL)] * 199)).gains(PLACES["refusal"], False)
    ready = fitted(counted(*[reading(judged=REFUSAL)] * 200)).gains(PLACES["refusal"], False)
    assert max(sure) < min(ready), "while learning, one good answer says more against it"


@given(st.lists(st.sampled_from(SIGNS), max_size=40), st.integers(0, 60), st.sampled_from([0.3, 0.7, 0.9]))
def test_any_history_can_be_fitted(signs: list[str], good: int, least: float) -> None:
    shown = [reading(judged=1 << PLACES[sign], signs=1 << PLACES[sign], quality=40) for sign in signs]
    test = fitted(counted(*shown, *[reading()] * good), quality_min=least, min_samples=20)
    assert len(test.bases) == ANY + 1
    assert all(0.0 <= base < COMMON for base in test.bases)
    assert test.n == len(signs) + good
    assert 0.0 <= test.bad_share <= 1.0
