"""Counts of what answers showed: in any order the same, and old ones fade."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.quality.history import (
    BINS,
    LANGUAGES,
    MOST_CALLS,
    PLACES,
    SIGNS,
    VERSIONS,
    History,
    Reading,
    bin_of,
    quantile,
    share_below,
)
from lumina_streams.core.quality.references import NEARNESSES

ALL = (1 << len(SIGNS)) - 1
UNKNOWN = 255


def reading(**fields: Any) -> Reading:
    """A good answer in English without anything to compare it with."""
    values: dict[str, Any] = {
        "quality": 200, "signs": 0, "judged": 1, "recall": UNKNOWN, "nearness": 0, "echo": UNKNOWN,
        "ratio": UNKNOWN, "likeness": UNKNOWN, "json": False, "language": "en", "length": 20, "version": 0,
    }  # fmt: skip
    return Reading(**(values | fields))


bins = st.integers(0, BINS - 1) | st.just(UNKNOWN)
readings = st.builds(
    Reading,
    st.integers(0, 200),
    st.integers(0, ALL),
    st.integers(0, ALL),
    bins,
    st.integers(0, len(NEARNESSES) - 1),
    bins,
    bins,
    bins,
    st.booleans(),
    st.sampled_from(["en", "de", "han", ""]),
    bins,
    st.integers(1, VERSIONS),
)


def counted(*answers: Reading) -> History:
    history = History()
    for answer in answers:
        history.add(answer)
    return history


def packed(history: History) -> bytes:
    """What is stored, whatever order languages and versions came in."""
    history.languages = dict(sorted(history.languages.items()))
    history.lengths = dict(sorted(history.lengths.items()))
    return msgspec.msgpack.encode(history)


@given(st.lists(readings, max_size=20), st.randoms())
def test_any_order_counts_the_same(answers: list[Reading], rng: Any) -> None:
    other = answers.copy()
    rng.shuffle(other)
    assert packed(counted(*answers)) == packed(counted(*other))


@given(st.lists(readings, max_size=12), st.lists(readings, max_size=12), st.lists(readings, max_size=12))
def test_merging_is_counting_both(one: list[Reading], two: list[Reading], three: list[Reading]) -> None:
    whole = packed(counted(*one, *two, *three))
    for first, second, third in ((one, two, three), (three, one, two), (two, three, one)):
        merged = counted(*first)
        merged.merge(counted(*second))
        merged.merge(counted(*third))
        assert packed(merged) == whole


@given(st.lists(readings, min_size=1, max_size=30), st.integers(1, 10))
def test_no_count_exceeds_what_was_counted(answers: list[Reading], fades: int) -> None:
    history = counted(*answers)
    for _ in range(fades):
        assert all(hits <= trials for hits, trials in zip(history.hits, history.trials, strict=True))
        assert history.json <= history.scored
        assert sum(history.quality) <= history.scored
        assert sum(map(sum, history.recall)) <= history.scored
        assert sum(history.languages.values()) <= history.scored
        history.scored += MOST_CALLS
        history.fade()
        history.scored -= MOST_CALLS // 2


def test_a_sign_is_counted_where_it_could_have_shown() -> None:
    refusal, language = PLACES["refusal"], PLACES["language"]
    history = counted(
        reading(judged=1 << refusal, signs=1 << refusal),
        reading(judged=1 << refusal | 1 << language),
        reading(judged=1 << refusal, signs=1 << language),
    )
    assert (history.trials[refusal], history.hits[refusal]) == (3, 1)
    assert (history.trials[language], history.hits[language]) == (1, 0), "shown but not looked for"


def test_what_is_unknown_is_in_no_bin() -> None:
    history = counted(reading(length=UNKNOWN, language=""))
    assert history.scored == 1
    assert history.lengths == {}
    assert history.languages == {}
    assert sum(map(sum, history.recall)) + sum(history.echo) + sum(history.ratio) == 0
    history.add(reading(recall=39, nearness=2, echo=0, ratio=20, likeness=3))
    assert history.recall[2][39] == history.echo[0] == history.ratio[20] == history.likeness[3] == 1


def test_tools_and_retrievals_are_no_answers() -> None:
    history = History()
    history.try_aside(PLACES["tool_error"], 10, 2)
    assert (history.trials[PLACES["tool_error"]], history.hits[PLACES["tool_error"]]) == (10, 2)
    assert history.scored == 0


def test_old_answers_fade() -> None:
    history = counted(*[reading(judged=ALL, signs=ALL, json=True, recall=3)] * MOST_CALLS)
    history.fade()
    assert history.scored == history.json == MOST_CALLS // 2
    assert history.trials == history.hits == [MOST_CALLS // 2] * len(SIGNS)
    assert history.languages == {"en": MOST_CALLS // 2}
    assert history.lengths[0][20] == history.recall[0][3] == history.quality[39] == MOST_CALLS // 2
    before = packed(history)
    history.fade()
    assert packed(history) == before, "not yet again"
    for _ in range(MOST_CALLS // 2):
        history.add(reading(judged=ALL))
    history.fade()
    assert history.hits == [MOST_CALLS // 4] * len(SIGNS)


def test_a_language_that_came_once_fades_away_and_makes_room() -> None:
    many = [reading(language=f"l{number}") for number in range(LANGUAGES + 3)]
    history = counted(*[reading()] * MOST_CALLS, *many)
    assert len(history.languages) == LANGUAGES
    history.fade()
    assert history.languages == {"en": MOST_CALLS // 2}
    other = counted(*many)
    history.merge(other)
    assert len(history.languages) == LANGUAGES


def test_of_many_prompt_versions_the_lengths_of_few_are_known() -> None:
    history = counted(*[reading(version=1)] * 5, *[reading(version=2)] * 4, *[reading(version=3)] * 3)
    history.add(reading(version=4))
    assert sorted(history.lengths) == [1, 2, 4], "the one with the fewest answers made room"
    assert sum(history.lengths[1]) == 5


def test_quantiles_lie_inside_of_bins() -> None:
    assert quantile([0] * BINS, 0.5) == 1.0
    even = [10] * BINS
    assert quantile(even, 0.5) == 0.5
    assert quantile(even, 1.0) == 1.0
    one = [0] * BINS
    one[10] = 4
    assert quantile(one, 0.5) == (10 + 0.5) / BINS


@given(st.lists(st.integers(0, 50), min_size=BINS, max_size=BINS).filter(any))
def test_quantiles_rise_and_shares_follow_them(counts: list[int]) -> None:
    points = [quantile(counts, q / 20) for q in range(21)]
    assert points == sorted(points)
    assert all(0.0 <= point <= 1.0 for point in points)
    shares = [share_below(counts, edge / BINS) for edge in range(BINS + 1)]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


def test_what_scores_just_enough_is_not_below() -> None:
    """For each `quality_min` of two digits: an answer at it is good, one a step below is bad."""
    for least in range(5, 100, 5):
        history = counted(reading(quality=2 * least))
        assert share_below(history.quality, least / 100) == 0.0, least
        history = counted(reading(quality=2 * least - 5))
        assert share_below(history.quality, least / 100) == 1.0, least
    assert share_below([0] * BINS, 0.7) == 0.0
    assert bin_of(1.0) == BINS - 1
