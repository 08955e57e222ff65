"""Budgets of a project: one alert a period, raised at 50, 80 and 100 %, resolved when the period ends."""

from datetime import UTC, datetime

import pytest

from lumina_schemas.control import SeriesCommand
from lumina_schemas.partition import series_id
from lumina_streams.core.project.step import MAX_BUDGETS, TooManyBudgetsError
from streams.core.project_log import DAY, Log, shown


def test_each_threshold_raises_one_alert_in_place() -> None:
    log = Log()
    log.budget(20, 1)
    for _ in range(30):
        log.spend(1, 2)
    assert shown(log.alerts) == [(1, "open", "info"), (2, "open", "warning"), (3, "open", "critical")]
    assert len({alert.id for alert in log.alerts}) == 1
    assert [alert.signals[0].value for alert in log.alerts] == [10.0, 16.0, 20.0]
    last = log.alerts[-1]
    assert (last.kind, last.project, last.service, last.endpoint) == ("budget", "acme", "", "")
    assert last.series_id == series_id("acme", "", "")
    assert [entry.note for entry in last.history] == ["50% reached", "80% reached", "100% reached"]
    (signal,) = last.signals
    assert (signal.baseline.p50, signal.ratio, signal.unit, signal.n) == (20.0, 1.0, "usd", 200)
    assert signal.since == "2026-01-01T00:00:00.000Z"


def test_a_message_that_passes_several_thresholds_raises_to_the_highest_at_once() -> None:
    log = Log()
    log.budget(20, 1)
    assert shown(log.spend(21, 2)) == [(1, "open", "critical")]
    assert log.spend(100, 3) == []


def test_the_summary_says_when_the_rest_is_spent() -> None:
    log = Log()
    log.budget(20, 0)
    (alert,) = log.spend(10, 10)
    assert (
        alert.summary == "acme has spent 10.00 of 20.00 USD (50%) of its budget for 2026-01-01; "
        "at this pace all of it by 20:00."
    )
    (alert,) = log.spend(6.5, 20)
    assert alert.summary == "acme has spent 16.50 of 20.00 USD (82%) of its budget for 2026-01-01."
    (alert,) = log.spend(4, 21)
    assert "20.50 of 20.00 USD (102%) of its budget for 2026-01-01: it is used up." in alert.summary


def test_a_period_that_ends_resolves_its_alert_and_the_next_one_has_its_own() -> None:
    log = Log()
    log.budget(20, 1)
    (first,) = log.spend(16, 23)
    assert log.state.due_ms == (DAY + 1) * 86_400_000
    (ended,) = log.tick(24)
    assert (ended.id, ended.rev, ended.state, ended.reason) == (first.id, 2, "resolved", "recovered")
    assert ended.history[-1].note == "the day is over"
    assert ended.summary == "acme spent 16.00 of 20.00 USD (80%) of its budget for 2026-01-01."
    (second,) = log.spend(10, 30, day=DAY + 1)
    assert second.id != first.id and second.rev == 1


def test_what_comes_after_midnight_still_counts_for_the_day_of_its_calls() -> None:
    log = Log()
    log.budget(20, 1)
    log.spend(9, 23)
    assert log.tick(24) == []
    late = log.spend(12, 24.1)
    assert shown(late) == [(1, "open", "critical"), (2, "resolved", "critical")]
    assert log.spend(12, 49) == [], "two days later it counts nowhere but in the month"
    assert log.state.sum_of("", "day", DAY).usd == 0
    assert log.state.sum_of("", "month", 2026 * 12).usd == 33


def test_a_month_is_the_sum_of_its_days() -> None:
    log = Log()
    log.budget(100, 1, period="month")
    for day in range(9):
        log.spend(10, 24 * day + 2, day=DAY + day)
    assert shown(log.alerts) == [(1, "open", "info"), (2, "open", "warning")]
    assert "for 2026-01" in log.alerts[-1].summary
    (ended,) = log.tick(24 * 31)
    assert ended.history[-1].note == "the month is over"


def test_a_budget_of_a_service_counts_that_service_alone() -> None:
    log = Log()
    log.budget(20, 1, service="search")
    log.spend(100, 2)
    assert log.alerts == []
    (alert,) = log.spend(10, 2, service="search")
    assert (alert.service, alert.series_id) == ("search", series_id("acme", "search", ""))
    assert alert.summary.startswith("acme/search has spent 10.00 of 20.00 USD")


def test_a_budget_that_is_set_late_counts_what_the_period_has_spent_so_far() -> None:
    log = Log()
    log.spend(17, 5)
    assert shown(log.budget(20, 6)) == [(1, "open", "warning")]


def test_a_raised_budget_resolves_or_lowers_its_alert_and_it_may_come_again() -> None:
    log = Log()
    log.budget(20, 1)
    (first,) = log.spend(20, 2)
    (lower,) = log.budget(24, 3)
    assert shown([lower]) == [(2, "open", "warning")]
    assert lower.signals[0].baseline.p50 == 24
    (over,) = log.budget(100, 4)
    assert (over.state, over.history[-1].note) == ("resolved", "the budget is 100.00 USD now")
    (again,) = log.spend(40, 5)
    assert (again.id, again.rev, again.state, again.severity) == (first.id, 4, "open", "info")


def test_a_removed_budget_resolves_its_alert() -> None:
    log = Log()
    log.budget(20, 1)
    log.spend(20, 2)
    (gone,) = log.budget(None, 3)
    assert (gone.state, gone.history[-1].note) == ("resolved", "the budget was removed")
    assert log.spend(20, 4) == [] and log.state.budgets == {}


def test_a_budget_that_goes_to_another_project_ends_here() -> None:
    log = Log()
    log.budget(20, 1)
    log.spend(20, 2)
    (gone,) = log.budget(20, 3, project="other")
    assert gone.state == "resolved" and log.state.budgets == {}


def test_an_older_change_that_comes_again_changes_nothing() -> None:
    log = Log()
    log.budget(20, 1)
    log.budget(40, 1)
    first = log.state.pack()
    log._doors = iter((0, 1))  # type: ignore[assignment]
    log.budget(20, 1)
    log.budget(40, 1)
    assert log.state.budgets["b1"].usd == 40
    assert log.state.pack() != first  # it has come further in the log


def test_calls_without_a_price_are_told() -> None:
    log = Log()
    log.budget(20, 1)
    (alert,) = log.spend(11, 2, unpriced=3)
    assert alert.missing == ("what 3 calls without a price have cost",)


def test_a_project_has_so_many_budgets() -> None:
    log = Log()
    for number in range(MAX_BUDGETS):
        log.budget(20, 1, name=f"b{number}")
    with pytest.raises(TooManyBudgetsError, match="remove one first"):
        log.budget(20, 1, name="one more")
    log.budget(30, 1, name="b1")


def asked(log: Log, **fields: object) -> SeriesCommand:
    (alert,) = log.alerts[-1:]
    given = {"v": 1, "alert_id": alert.id, "series_id": alert.series_id, "by": "ada", "project": "acme"}
    return SeriesCommand(**given | fields)  # type: ignore[arg-type]


def half_spent() -> Log:
    log = Log()
    log.budget(20, 1)
    log.spend(10, 2)
    return log


def test_one_that_was_acknowledged_opens_again_at_the_next_threshold() -> None:
    log = half_spent()
    (seen,) = log.ask(asked(log, type="acknowledge", note="mine"), 3)
    assert (seen.state, seen.rev, seen.history[-1].by) == ("acknowledged", 2, "ada")
    assert log.ask(asked(log, type="acknowledge"), 3) == []
    assert log.spend(1, 4) == []
    assert shown(log.spend(5, 4)) == [(3, "open", "warning")]


def test_a_snooze_ends_by_the_time_of_the_log() -> None:
    log = half_spent()
    until = datetime(2026, 1, 1, 5, tzinfo=UTC)
    (quiet,) = log.ask(asked(log, type="snooze", until=until), 3)
    assert (quiet.state, quiet.snoozed_until) == ("snoozed", "2026-01-01T05:00:00.000Z")
    assert log.state.due_ms == int(until.timestamp() * 1000)
    (back,) = log.tick(5)
    assert (back.state, back.history[-1].note) == ("open", "the snooze is over")


@pytest.mark.parametrize(("reason", "later"), [("manual", [(3, "open", "warning")]), ("false", [])])
def test_one_that_was_resolved_by_hand(reason: str, later: list[tuple[int, str, str]]) -> None:
    log = half_spent()
    (over,) = log.ask(asked(log, type="resolve", reason=reason), 3)
    assert (over.state, over.reason) == ("resolved", reason)
    assert log.spend(1, 3) == []
    assert shown(log.spend(6, 4)) == later


def test_feedback_is_kept_and_changes_no_state() -> None:
    log = half_spent()
    log.tick(24)
    (said,) = log.ask(asked(log, type="feedback", feedback="noise"), 25)
    assert (said.feedback, said.state, said.rev, said.resolved_at) == (
        "noise",
        "resolved",
        3,
        "2026-01-02T00:00:00.000Z",
    )
    assert log.ask(asked(log, type="feedback", feedback="noise"), 25) == []


def test_a_command_on_an_alert_that_is_not_known_does_nothing() -> None:
    log = half_spent()
    assert log.ask(asked(log, type="resolve", alert_id="none"), 3) == []
