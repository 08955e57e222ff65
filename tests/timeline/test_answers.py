"""Answers go wrong, on a series that has had fifty calls: at the fifth bad one at the latest it is said.

A call comes every six seconds: fifty good ones until minute 5, the fifth bad one at minute 5.4.
"""

from dataclasses import replace
from random import Random

import pytest

import conversations as c
from conversations import Talk
from streams.core.bench import Traffic
from timeline.story import At, Calls, Published, Story, Want

BAD = 5.0  # minute of the first bad call, after fifty good ones
FIFTH = 5.4
seeds = pytest.mark.parametrize("seed", range(3))


def story(seed: int) -> Story:
    return Story(traffic=Traffic(seed=seed, sigma=0.25, content=False))


def found(seed: int, good: Talk, bad: Talk) -> Published:
    """The alert that five bad answers after fifty good ones make, at the fifth at the latest."""
    told = story(seed)
    told.tell(
        At(0, Calls(says=good)),
        At(BAD, Calls(says=bad)),
        Want((BAD, FIFTH), "open", "quality_drop", severity="warning", signals=("quality_drop",), note=""),
    )
    return told.published[0]


def after_fifty(seed: int, good: Talk, other: Talk, until: float = 15.0) -> None:
    """Nothing is said of a hundred other answers after fifty usual ones."""
    story(seed).tell(At(0, Calls(says=good)), At(BAD, Calls(says=other)), At(until, Calls(says=good)))


CONTRADICTIONS = {
    "fifty times Paris, then London": (c.paris, c.london),
    "one capital in many words": (c.france, c.france_is_wrong),
    "many capitals": (c.capitals, c.capitals_are_wrong),
    "a number of a policy": (c.policy, c.policy_is_wrong),
    "values of JSON": (c.ticket, c.ticket_is_wrong),
}


@seeds
@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_answers_that_contradict_what_earlier_ones_agree_on(what: str, seed: int) -> None:
    alert = found(seed, *CONTRADICTIONS[what]).alert
    assert alert.signals[0].tier == "similarity"
    assert alert.answers is not None
    assert alert.answers.before != alert.answers.after
    assert alert.signals[0].value < 0.7


@seeds
@pytest.mark.parametrize("language", c.LANGUAGES)
def test_refusals(language: str, seed: int) -> None:
    alert = found(seed, c.support(language), c.declines(language)).alert
    assert "refuse" in alert.summary
    assert alert.signals[0].tier == "signs"
    assert alert.answers is not None
    assert alert.answers.after in c.LANGUAGES[language].refused
    assert alert.answers.before not in c.LANGUAGES[language].refused


@pytest.mark.parametrize("wording", range(5))
@pytest.mark.parametrize("language", c.LANGUAGES)
def test_each_wording_of_a_refusal(language: str, wording: int) -> None:
    alert = found(7, c.support(language), c.declines(language, wording)).alert
    assert "100% of answers refuse" in alert.summary
    assert alert.answers is not None and alert.answers.after == c.LANGUAGES[language].refused[wording]


BROKEN: dict[str, tuple[Talk, Talk]] = {
    "empty": (c.policy, c.empty(c.policy)),
    "cut off": (c.policy, c.cut_off(c.policy)),
    "a loop": (c.policy, c.loops(c.policy)),
    "another language, same script": (c.support("English"), c.answers_in("Spanish")),
    "another language, other script": (c.support("English"), c.answers_in("Chinese")),
    "Russian where it was Arabic": (c.support("Arabic"), c.answers_in("Russian", "Arabic")),
    "JSON that is cut short": (c.ticket, c.ticket_cut_short),
    "prose where it was JSON": (c.ticket, c.ticket_in_prose),
    "JSON of another shape": (c.ticket, c.ticket_of_another_shape),
}


@seeds
@pytest.mark.parametrize("what", BROKEN)
def test_broken_answers(what: str, seed: int) -> None:
    alert = found(seed, *BROKEN[what]).alert
    assert alert.top_spans
    assert all(span.quality is not None and span.quality < 0.7 for span in alert.top_spans)


WRONG = {
    "refuses": (c.support("English"), c.declines("English")),
    "contradicts": (c.policy, c.policy_is_wrong),
}


@seeds
@pytest.mark.parametrize("what", WRONG)
def test_dear_and_bad_answers_are_one_critical_alert_by_the_fifth(what: str, seed: int) -> None:
    """Whichever half is seen first: one id, and its history says why it became critical."""
    good, bad = WRONG[what]
    told = story(seed)
    published = told.live(
        At(0, Calls(says=good)), At(BAD, Calls(says=bad, times=16, model="gpt-4o")), until=FIFTH
    )
    last = published[-1].alert
    assert {one.alert.id for one in published} == {last.id}
    assert (last.kind, last.severity, last.state) == ("cost_and_quality", "critical", "open")
    assert [signal.kind for signal in last.signals] == ["cost_spike", "quality_drop"]
    assert last.cause is not None
    assert (last.cause.what, last.cause.from_, last.cause.to) == ("request_model", "gpt-4o-mini", "gpt-4o")
    assert last.answers is not None
    if len(published) > 1:
        assert "cost and quality together" in [step.note for step in last.history]


@seeds
@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("first", ["cost_spike", "quality_drop"])
def test_the_second_half_upgrades_the_alert_of_the_first(first: str, what: str, seed: int) -> None:
    good, bad = WRONG[what]
    alone = Calls(says=good, times=16) if first == "cost_spike" else Calls(says=bad)
    published = story(seed).live(
        At(0, Calls(says=good)), At(25, alone), At(27, Calls(says=bad, times=16)), until=28
    )
    opened, upgraded = [one for one in published if not one.update]
    assert (opened.alert.kind, opened.alert.severity) == (first, "warning")
    assert 25 <= opened.minute <= 26
    assert 27 <= upgraded.minute <= 28
    assert {one.alert.id for one in published} == {opened.alert.id}
    alert = published[-1].alert
    assert (alert.kind, alert.severity, alert.state) == ("cost_and_quality", "critical", "open")
    assert [signal.kind for signal in alert.signals] == ["cost_spike", "quality_drop"]
    assert [step.note for step in alert.history] == ["", "cost and quality together"]
    assert alert.answers is not None


ONE: dict[str, tuple[Talk, Talk]] = {
    **CONTRADICTIONS,
    **BROKEN,
    **{f"a refusal, {name}": (c.support(name), c.declines(name)) for name in c.LANGUAGES},
}


@pytest.mark.parametrize("what", ONE)
@pytest.mark.parametrize("minute", [BAD, 25.0])
def test_one_bad_answer_among_good_ones_is_no_alert(minute: float, what: str) -> None:
    good, bad = ONE[what]
    for seed in range(2):
        story(seed).tell(
            At(0, Calls(says=good)),
            At(minute, Calls(says=bad)),
            At(minute + 0.05, Calls(says=good)),
            At(minute + 10, Calls(says=bad)),
            At(minute + 10.05, Calls(says=good)),
            At(minute + 20, Calls(says=good)),
        )


ALIKE: dict[str, tuple[Talk, Talk]] = {
    "the same traffic": (c.policy, c.policy),
    "reworded but equal": (c.policy, c.reworded_policy),
    "longer": (c.policy, c.longer_policy),
    "a new prompt version in other words": (c.policy, c.new_version_of_policy),
    "poems": (c.poem, c.poem),
    "sums": (c.sums, c.sums),
    "states of parcels": (c.parcel, c.parcel),
    "tickets": (c.ticket, c.ticket),
    "capitals": (c.capitals, c.capitals),
    "capitals that nobody asked for before": (c.capitals, c.other_capitals),
    "another capital than the only one so far": (c.france, c.germany),
    **{f"support, {name}": (c.support(name), c.support(name)) for name in c.LANGUAGES},
}


@seeds
@pytest.mark.parametrize("what", ALIKE)
def test_answers_as_good_as_before_are_no_alert(what: str, seed: int) -> None:
    after_fifty(seed, *ALIKE[what])


@pytest.mark.parametrize("what", ALIKE)
def test_nor_are_they_on_a_series_that_is_long_known(what: str) -> None:
    good, other = ALIKE[what]
    for seed in range(2):
        story(seed).tell(At(0, Calls(says=good)), At(40, Calls(says=other)), At(60, Calls(says=other)))


@seeds
def test_a_question_that_is_new_has_no_history_to_contradict(seed: int) -> None:
    """Half of the calls ask what was always asked, half what nobody asked before."""

    def both(rng: Random) -> c.Exchange:
        return c.policy(rng) if rng.random() < 0.5 else c.capitals(rng)

    after_fifty(seed, c.policy, both)


@seeds
def test_customers_that_nobody_knows_are_no_alert(seed: int) -> None:
    """The answers are those of before."""

    def others(rng: Random) -> c.Exchange:
        usual = c.policy(rng)
        for first in c.FIRST:
            usual = replace(usual, question=usual.question.replace(first, first[::-1].title()))
        return usual

    after_fifty(seed, c.policy, others)
