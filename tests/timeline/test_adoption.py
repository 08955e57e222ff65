"""Levels that stay: they become the baseline, and no alert is hidden by that. Levels that were announced."""

import pytest

from timeline.story import Ask, At, Calls, Mark, Rule, Story, Want

USUAL = Calls()
DEAR = Calls(times=3)
DEARER = Calls(times=9)
OPENED = (
    At(0, Rule(adopt_after_s=1200)),
    At(0, USUAL),
    At(30, DEAR),
    Want((30, 31), "open", "cost_spike", reason=None),
)
"""From minute 30 on calls cost three times as much; after 20 min that is the baseline."""

ADOPTED = Want(
    (50, 57), "open", "cost_spike", reason="adopted", note="cost_spike: still off, now the baseline"
)


def test_it_is_said_once_and_the_alert_stays_open_until_somebody_has_seen_it() -> None:
    story = Story()
    story.tell(*OPENED, ADOPTED, At(180, DEAR))
    said = story.published[-1].alert
    assert said.signals[0].baseline.p50 == pytest.approx(0.004, rel=0.1), "the old baseline, in the evidence"
    assert said.signals[0].ratio == pytest.approx(3, rel=0.1)
    assert story.usual_usd == pytest.approx(3 * 0.004, rel=0.1), "the new one decides"
    story.tell(
        At(180, Ask("acknowledge", note="the new model")),
        Want(180, "resolved", reason="adopted", by="ada", note="the new model"),
        At(240, DEAR),
    )


@pytest.mark.parametrize("asked", [Ask("acknowledge"), Ask("snooze", until=45)])
def test_seen_before_it_is_over_at_once(asked: Ask) -> None:
    """A snooze that is over has been seen as well."""
    story = Story()
    after = [] if asked.kind == "acknowledge" else [Want(45, "open", note="the snooze is over")]
    story.tell(
        *OPENED,
        At(40, asked),
        Want(40, "acknowledged" if asked.kind == "acknowledge" else "snoozed", by="ada"),
        *after,
        Want((50, 57), "resolved", reason="adopted", note="now the baseline"),
        At(180, DEAR),
    )
    assert story.usual_usd == pytest.approx(3 * 0.004, rel=0.1)


def test_what_was_seen_before_it_came_back_has_to_be_seen_again() -> None:
    Story().tell(
        *OPENED,
        At(35, Ask("acknowledge")),
        Want(35, "acknowledged", by="ada"),
        At(40, USUAL),
        Want((41, 43), "resolved", reason="recovered"),
        At(50, DEAR),
        Want((50, 51), "open", note="returned within the cooldown"),
        Want((70, 77), "open", reason="adopted", note="now the baseline"),
        At(120, DEAR),
    )


def test_when_the_level_falls_back_it_is_over_and_the_old_baseline_is_back() -> None:
    story = Story()
    story.tell(*OPENED)
    known = story.bench.state.hot.cost.test.n
    story.tell(
        ADOPTED,
        At(100, USUAL),
        Want((101, 103), "resolved", reason="recovered"),
        At(115, USUAL),
    )
    assert story.usual_usd == pytest.approx(0.004, rel=0.1)
    assert story.bench.state.hot.cost.test.n >= known
    story.tell(
        At(120, DEAR),
        Want((120, 121), "open", "cost_spike", note="returned within the cooldown"),
        At(125, DEAR),
    )


def test_what_rises_above_the_adopted_level_is_news_on_the_same_alert() -> None:
    story = Story()
    story.tell(
        *OPENED,
        ADOPTED,
        At(100, DEARER),
        Want((100, 101), "open", "cost_spike", reason=None, note="again above the adopted level"),
        At(110, DEARER),
    )
    assert story.published[-1].alert.signals[0].baseline.p50 == pytest.approx(3 * 0.004, rel=0.1)


def test_an_incident_shorter_than_that_teaches_nothing() -> None:
    story = Story()
    story.tell(*OPENED, At(45, USUAL), Want((46, 48), "resolved", reason="recovered"), At(90, USUAL))
    assert story.usual_usd == pytest.approx(0.004, rel=0.05)


def test_a_level_that_a_mark_announced_is_learned_without_a_word() -> None:
    story = Story()
    story.tell(
        At(0, USUAL),
        At(28, Mark(30, "a larger model")),
        At(30, DEAR),
        At(100, DEAR),
    )
    assert story.usual_usd == pytest.approx(3 * 0.004, rel=0.1)
    story.tell(At(110, DEARER), Want((110, 111), "open", "cost_spike"), At(112, DEARER))


def test_a_mark_that_comes_late_ends_the_alert_that_it_explains() -> None:
    story = Story()
    story.tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(50, Mark(33, "a larger model")),
        Want((50, 50.2), "resolved", reason="adopted", note="a mark says that this was expected"),
        At(100, DEAR),
    )
    assert story.usual_usd == pytest.approx(3 * 0.004, rel=0.1)


@pytest.mark.parametrize(
    "mark",
    [Mark(14, "long ago"), Mark(91, "later"), Mark(80, "released", expected=False)],
    ids=["too early", "too late", "expects nothing"],
)
def test_other_marks_explain_nothing_away(mark: Mark) -> None:
    """An expected mark is about what begins 5 min before it to an hour after it."""
    Story().tell(
        At(0, USUAL),
        At(70, mark),
        At(80, DEAR),
        Want((80, 81), "open", "cost_spike"),
        At(90, DEAR),
    )
