"""How alerts end by themselves, and how they come back."""

from lumina_streams.core.alert.book import HISTORY
from timeline.story import Ask, At, Calls, Nothing, Rule, Story, Want

USUAL = Calls()
DEAR = Calls(times=3)


def test_it_ends_when_it_was_calm_for_a_minute() -> None:
    """Sixty calls a minute are certain after ten calls, and wait for the minute all the same."""
    Story().tell(
        At(0, Calls(every_s=6)),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(40, Calls(every_s=1)),
        Want((41, 41.2), "resolved", reason="recovered"),
        At(50, USUAL),
    )


def test_it_ends_when_it_was_calm_for_ten_calls() -> None:
    """One call in five minutes is calm for a minute at once, and waits for ten calls all the same."""
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(40, Calls(every_s=300)),
        Want(85, "resolved", reason="recovered"),
        At(120, USUAL),
    )


def test_what_is_calm_now_and_then_does_not_end() -> None:
    """Half a minute is no calm, however often."""
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        *(At(31 + half / 2, USUAL if half % 2 else DEAR) for half in range(1, 20)),
        Want((31, 41), "open", update=True, most=10),
        Want((41.5, 44), "resolved", reason="recovered"),  # from minute 40.5 on all is usual
        At(50, USUAL),
    )


def test_back_within_the_cooldown_it_is_the_same_alert() -> None:
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(40, USUAL),
        Want((41, 43), "resolved", reason="recovered"),
        At(69, DEAR),
        Want((69, 70), "open", "cost_spike", reason=None, note="returned within the cooldown"),
        At(75, DEAR),
    )


def test_back_after_the_cooldown_it_is_a_new_one() -> None:
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(40, USUAL),
        Want((41, 43), "resolved", reason="recovered"),
        At(75, DEAR),
        Want((75, 76), "open", "cost_spike", note="", alert="b"),
        At(80, USUAL),
        Want((81, 83), "resolved", reason="recovered", alert="b"),
    )


def test_from_the_third_return_on_it_must_be_calm_for_the_cooldown() -> None:
    Story().tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(34, USUAL),
        Want((35, 37), "resolved", reason="recovered"),
        At(38, DEAR),
        Want((38, 39), "open", note="returned within the cooldown"),
        At(42, USUAL),
        Want((43, 45), "resolved", reason="recovered"),
        At(46, DEAR),
        Want((46, 47), "open", note="returned within the cooldown"),
        At(50, USUAL),
        Want((51, 53), "resolved", reason="recovered"),
        At(54, DEAR),
        Want((54, 55), "open", note="it has come back 3 times and must be calm for longer now"),
        At(58, USUAL),
        Want((88, 89), "resolved", reason="recovered"),
        At(130, DEAR),  # beyond the cooldown all is forgotten
        Want((130, 131), "open", note="", alert="b"),
        At(134, USUAL),
        Want((135, 137), "resolved", reason="recovered", alert="b"),
    )


def test_a_series_that_falls_silent_gives_its_alert_up() -> None:
    Story().tell(
        At(0, Rule(silent_after_s=3600)),
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        At(40, Nothing()),
        Want((99, 100), "resolved", "cost_spike", reason="silent", note="no calls for 1 h", at=(99.8, 100)),
        At(300, Nothing()),
    )


def test_a_series_that_always_speaks_is_missed_until_it_speaks_again() -> None:
    Story().tell(
        At(0, Rule(no_data_after_s=1800, silent_after_s=3600)),
        At(0, Calls(every_s=60)),
        At(800, Nothing()),  # the last call was in minute 799
        Want(829, "open", "no_data", severity="warning", signals=("no_data",)),
        At(1000, USUAL),  # `silent_after_s` did not end what says that it is silent
        Want(1000, "resolved", "no_data", reason="recovered"),
        At(1020, USUAL),
    )


def test_a_series_that_is_missed_is_missed_once() -> None:
    Story().tell(
        At(0, Rule(no_data_after_s=1800)),
        At(0, Calls(every_s=60)),
        At(800, Nothing()),
        Want(829, "open", "no_data"),
        At(840, Ask("resolve")),
        Want(840, "resolved", "no_data", reason="manual", by="ada"),
        At(1500, Nothing()),
    )


def test_history_keeps_the_last_fifty_steps_and_who_took_them() -> None:
    people = ("ada", "eve", "bob")
    asks = [(40 + n, Ask("snooze", until=500 + n, by=people[n % 3], note=f"step {n}")) for n in range(60)]
    story = Story()
    story.tell(
        At(0, USUAL),
        At(30, DEAR),
        Want((30, 31), "open", "cost_spike"),
        *(At(minute, ask) for minute, ask in asks),
        *(Want(minute, "snoozed", by=ask.by, note=ask.note) for minute, ask in asks),
    )
    history = story.published[-1].alert.history
    assert len(history) == HISTORY == 50
    assert [(step.state, step.by, step.note) for step in history] == [
        ("snoozed", people[n % 3], f"step {n}") for n in range(10, 60)
    ]
    assert [one.alert.history[0].state for one in story.published[:50]] == ["open"] * 50
