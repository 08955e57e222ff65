"""An alert opens, is brought up to date, becomes a worse one, and takes a second one in."""

from itertools import pairwise

import pytest

from timeline.story import Ask, At, Calls, Story, Want

USUAL = Calls()
DEAR = Calls(times=3)
SLOW = Calls(slower=3)
DEAR_AND_SLOW = Calls(times=3, slower=3)
REFUSED = Calls(refused=True)
DEAR_AND_REFUSED = Calls(times=3, refused=True)


def test_it_opens_once_and_ends_when_calls_are_as_before() -> None:
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike", reason=None, note="", severity="warning"),
        At(60, USUAL),
        Want((61, 63), "resolved", "cost_spike", reason="recovered", note="back to the baseline"),
        At(120, USUAL),
    )


def test_it_is_written_again_when_its_level_moved_by_a_quarter() -> None:
    story = Story()
    story.tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(40, Calls(times=3.3)),  # ten percent are no news
        At(50, DEAR),
        At(60, Calls(times=6)),
        Want((60, 90), "open", "cost_spike", update=True, most=6),
        At(90, Calls(times=6)),
    )
    ratios = [one.alert.signals[0].ratio for one in story.published]
    assert all(after / before >= 1.25 for before, after in pairwise(ratios))
    assert ratios[-1] > 6 / 1.25


def test_no_two_updates_lie_closer_than_a_minute() -> None:
    """Each of these calls moves the level; `Story` holds every update against the minute."""
    story = Story()
    story.tell(
        At(0, USUAL),
        At(30, Calls(times=2)),
        Want((30, 31), "open", "cost_spike"),
        At(32, Calls(times=16)),
        Want((32, 32.5), "open", update=True),
        Want((33, 40), "open", update=True, most=7),
        At(40, Calls(times=16)),
    )
    assert len(story.published) >= 4


def test_quality_that_joins_cost_makes_it_critical_under_the_same_id() -> None:
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike", severity="warning"),
        At(40, DEAR_AND_REFUSED),
        Want(
            (40, 41),
            "open",
            "cost_and_quality",
            severity="critical",
            note="cost and quality together",
            signals=("cost_spike", "quality_drop"),
        ),
        At(60, USUAL),
        Want((61, 64), "resolved", "cost_and_quality", reason="recovered"),
    )


def test_cost_that_joins_latency_leads_under_the_same_id() -> None:
    Story().tell(
        At(0, USUAL),
        At(30, SLOW),
        Want((30, 31), "open", "latency_spike", signals=("latency_spike",)),
        At(40, DEAR_AND_SLOW),
        Want((40, 41), "open", "cost_spike", note="cost_spike too", signals=("cost_spike", "latency_spike")),
        At(60, USUAL),
        Want((61, 64), "resolved", "cost_spike", reason="recovered"),
    )


@pytest.mark.parametrize(
    ("first", "then", "kind"),
    [(DEAR, DEAR_AND_REFUSED, "cost_and_quality"), (SLOW, DEAR_AND_SLOW, "cost_spike")],
)
@pytest.mark.parametrize("asked", [Ask("acknowledge"), Ask("snooze", until=500)])
def test_an_upgrade_is_news_again(first: Calls, then: Calls, kind: str, asked: Ask) -> None:
    state = "acknowledged" if asked.kind == "acknowledge" else "snoozed"
    Story().tell(
        At(0, USUAL),
        At(30, first),
        Want((30, 31), "open"),
        At(35, asked),
        Want(35, state, by="ada"),
        At(40, then),
        Want((40, 41), "open", kind),
        At(60, then),
    )


def test_a_signal_that_does_not_lead_is_no_news_on_an_acknowledged_alert() -> None:
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(35, Ask("acknowledge")),
        Want(35, "acknowledged", by="ada"),
        At(40, DEAR_AND_SLOW),
        Want((40, 41), "acknowledged", "cost_spike", note="latency_spike too"),
        At(60, USUAL),
        Want((61, 64), "resolved", "cost_spike", reason="recovered"),
    )


def test_two_alerts_that_turn_out_to_be_one_are_joined_in_the_earlier() -> None:
    """One that flaps must be calm for long, so it is still open when quality drops alone."""
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(34, USUAL),
        Want((35, 37), "resolved"),
        At(38, DEAR),
        Want((38, 39), "open"),
        At(42, USUAL),
        Want((43, 45), "resolved"),
        At(46, DEAR),
        Want((46, 47), "open"),
        At(50, USUAL),
        Want((51, 53), "resolved"),
        At(54, DEAR),
        Want((54, 55), "open", note="calm for longer"),
        At(58, USUAL),
        At(70, REFUSED),  # cost was calm for longer than `correlation_s`
        Want((70, 71), "open", "quality_drop", alert="b"),
        At(71, DEAR_AND_REFUSED),
        Want((71, 72), "open", "cost_spike", update=True),
        Want((71, 73), "resolved", "quality_drop", reason=None, note="joined with", alert="b"),
        Want((71, 73), "open", "cost_and_quality", severity="critical", note="cost and quality together"),
        At(73, DEAR_AND_REFUSED),
    )
