"""What people do to an alert: acknowledge it, leave it for later, close it, call it false."""

import pytest

from timeline.story import Ask, At, Calls, Nothing, Story, Want

USUAL = Calls()
DEAR = Calls(times=3)
DEARER = Calls(times=9)
OPENED = (
    At(0, USUAL),
    At(30, DEAR),
    Want((30, 31), "open", "cost_spike"),
)
"""From minute 30 on calls cost three times as much."""


def test_acknowledged_it_is_updated_in_that_state_and_ends_by_itself() -> None:
    Story().tell(
        *OPENED,
        At(40, Ask("acknowledge", note="deploy is rolled back", by="eve")),
        Want(40, "acknowledged", by="eve", note="deploy is rolled back"),
        At(41, Ask("acknowledge", note="me too")),  # it is so already
        At(50, DEARER),
        Want((50, 60), "acknowledged", update=True, most=6),
        At(60, USUAL),
        Want((61, 64), "resolved", reason="recovered"),
    )


def test_a_snooze_ends_with_a_tick_where_no_call_comes() -> None:
    Story().tell(
        *OPENED,
        At(40, Ask("snooze", until=95)),
        Want(40, "snoozed", by="ada"),
        At(41, Nothing()),
        Want(95, "open", reason=None, note="the snooze is over"),
        At(180, Nothing()),
    )


def test_a_snooze_ends_with_a_call_that_comes_before_the_tick() -> None:
    """... and says the time at which it was over, not the call's."""
    Story().tell(
        *OPENED,
        At(40, Ask("snooze", until=95.05)),
        Want(40, "snoozed", by="ada"),
        Want(95.1, "open", reason=None, note="the snooze is over", at=95.05),
        At(120, DEAR),
    )


def test_a_snooze_can_be_moved_and_ended_by_hand() -> None:
    Story().tell(
        *OPENED,
        At(40, Ask("snooze", until=60)),
        Want(40, "snoozed", by="ada"),
        At(41, Ask("snooze", until=60)),  # it is so already
        At(42, Ask("snooze", until=41)),  # over before it begins
        At(45, Ask("snooze", until=80)),
        Want(45, "snoozed", by="ada"),
        At(70, Ask("acknowledge")),
        Want(70, "acknowledged", by="ada"),
        At(100, DEAR),
    )


def test_a_snoozed_alert_ends_when_calls_are_as_before() -> None:
    Story().tell(
        *OPENED,
        At(40, Ask("snooze", until=200)),
        Want(40, "snoozed", by="ada"),
        At(50, USUAL),
        Want((51, 54), "resolved", reason="recovered"),
        At(220, USUAL),
    )


@pytest.mark.parametrize("reason", [None, "manual"])
def test_resolved_by_hand_while_it_lasts_it_is_quiet_until_the_cooldown(reason: None) -> None:
    Story().tell(
        *OPENED,
        At(40, Ask("resolve", reason=reason, note="known")),
        Want(40, "resolved", by="ada", reason="manual", note="known"),
        At(41, Ask("acknowledge")),  # nothing can be done with an alert that is over
        At(42, Ask("snooze", until=90)),
        Want((70, 72), "open", "cost_spike", reason=None, note="lasts beyond the cooldown"),
        At(100, USUAL),
        Want((101, 104), "resolved", reason="recovered"),
    )


def test_what_must_be_quiet_teaches_nothing() -> None:
    """A small rise, and so many calls that by their number it could be taken for chance."""
    story = Story()
    story.tell(
        At(0, Calls(every_s=1)),
        At(60, Calls(every_s=1, times=1.5)),
        Want((60, 62), "open", "cost_spike"),
        At(64, Ask("resolve")),
        Want(64, "resolved", by="ada", reason="manual"),
        At(93.9, Calls(every_s=1, times=1.5)),
    )
    assert story.usual_usd == pytest.approx(0.004, rel=0.05)
    story.tell(
        Want((94, 95), "open", "cost_spike", reason=None, note="lasts beyond the cooldown"),
        At(100, Calls(every_s=1)),
        Want((101, 104), "resolved", reason="recovered"),
    )


def test_resolved_by_hand_and_over_it_does_not_come_back() -> None:
    Story().tell(
        *OPENED,
        At(40, Ask("resolve")),
        Want(40, "resolved", by="ada", reason="manual"),
        At(41, USUAL),
        At(90, DEAR),  # another incident, beyond the cooldown
        Want((90, 92), "open", "cost_spike", note="", alert="b"),
        At(100, DEAR),
    )


def test_resolved_by_hand_and_back_within_the_cooldown_it_waits_for_its_end() -> None:
    Story().tell(
        *OPENED,
        At(40, Ask("resolve")),
        Want(40, "resolved", by="ada", reason="manual"),
        At(41, USUAL),
        At(55, DEAR),
        Want((70, 72), "open", "cost_spike", reason=None, note="lasts beyond the cooldown"),
        At(80, DEAR),
    )


def test_back_after_that_it_is_an_alert_like_any_other() -> None:
    Story().tell(
        *OPENED,
        At(40, Ask("resolve")),
        Want(40, "resolved", by="ada", reason="manual"),
        Want((70, 72), "open", note="lasts beyond the cooldown"),
        At(80, USUAL),
        Want((81, 84), "resolved", reason="recovered"),
        At(90, DEAR),
        Want((90, 92), "open", note="returned within the cooldown"),
        At(95, DEAR),
    )


def test_marked_false_the_level_is_learned_quietly() -> None:
    story = Story()
    story.tell(
        *OPENED,
        At(40, Ask("resolve", reason="false", note="the new model")),
        Want(40, "resolved", by="ada", reason="false", note="the new model"),
        At(100, DEAR),
    )
    assert story.usual_usd == pytest.approx(3 * 0.004, rel=0.1)
    story.tell(
        At(110, DEARER),  # three times what is usual now
        Want((110, 111), "open", "cost_spike", alert="b"),
        At(115, DEAR),
        Want((116, 119), "resolved", reason="recovered", alert="b"),
    )


def test_marked_false_and_over_nothing_is_learned() -> None:
    story = Story()
    story.tell(
        *OPENED,
        At(40, Ask("resolve", reason="false")),
        Want(40, "resolved", by="ada", reason="false"),
        At(40.5, USUAL),
        At(100, USUAL),
    )
    assert story.usual_usd == pytest.approx(0.004, rel=0.1)
    story.tell(
        At(101, DEAR),
        Want((101, 104), "open", "cost_spike", alert="b"),
        At(105, DEAR),
    )
