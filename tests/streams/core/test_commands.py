"""What people and silence do to alerts."""

from datetime import datetime
from typing import Any

import pytest

from lumina_streams.core.series.quiet import due_ms, now_ms
from lumina_streams.core.series.rules import Rules

HOUR_MS = 3_600_000
CLOCK_MS = 1_767_300_000_000


def written(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@pytest.fixture
def spike(make_traffic: Any, bench: Any) -> Any:
    """A traffic whose series has an open alert of cost, with the log's clock known."""
    traffic = make_traffic(seed=41)
    bench.clock_ms = CLOCK_MS
    bench.feed(traffic.calls(300))
    bench.feed_until(traffic.calls(60, times=4), lambda alert: alert.state == "open")
    return traffic


def test_acknowledged_it_is_updated_and_recovers_but_does_not_open(spike: Any, bench: Any) -> None:
    (alert,) = bench.ask("acknowledge", note="deploy is rolled back")
    assert alert.state == "acknowledged"
    assert (alert.history[-1].by, alert.history[-1].note) == ("ada", "deploy is rolled back")
    assert bench.ask("acknowledge") == []
    assert {one.state for one in bench.feed(spike.calls(80, times=12))} == {"acknowledged"}
    bench.feed(spike.calls(120))
    assert (bench.alerts[-1].state, bench.alerts[-1].reason) == ("resolved", "recovered")
    assert [alert.rev for alert in bench.alerts] == list(range(1, len(bench.alerts) + 1))


@pytest.mark.parametrize("kind", ["acknowledge", "snooze"])
def test_an_upgrade_is_news(spike: Any, bench: Any, refusal: str, kind: str) -> None:
    bench.ask(kind, until=bench.after(24) if kind == "snooze" else None)
    _, alert = bench.feed_until(
        spike.calls(40, times=4, answer=refusal), lambda alert: alert.kind == "cost_and_quality"
    )
    assert (alert.state, alert.snoozed_until, alert.severity) == ("open", None, "critical")
    assert alert.rev == len(bench.alerts)


@pytest.mark.parametrize("by", ["tick", "call"])
def test_a_snooze_ends_at_its_time_whoever_notices(spike: Any, bench: Any, by: str) -> None:
    until = bench.after(2)
    (snoozed,) = bench.ask("snooze", until=until)
    assert (snoozed.state, snoozed.snoozed_until) == ("snoozed", written(until))
    assert due_ms(bench.state, bench.rules) == CLOCK_MS + 2 * HOUR_MS
    assert bench.tick(CLOCK_MS + 2 * HOUR_MS - 1) == []
    if by == "tick":
        (alert,) = bench.tick(CLOCK_MS + 5 * HOUR_MS)
    else:
        spike.now_ns += 5 * HOUR_MS * 1_000_000
        alert = bench.feed(spike.calls(1, times=4))[0]
    assert (alert.state, alert.snoozed_until, alert.rev) == ("open", None, snoozed.rev + 1)
    assert alert.updated_at == alert.history[-1].at == snoozed.snoozed_until
    assert (alert.history[-1].by, alert.history[-1].note) == ("lumina", "the snooze is over")


def test_a_snooze_can_be_moved_but_not_into_the_past(spike: Any, bench: Any) -> None:
    assert bench.ask("snooze", until=bench.after(0)) == []
    bench.ask("snooze", until=bench.after(2))
    assert bench.ask("snooze", until=bench.after(2)) == []
    (moved,) = bench.ask("snooze", until=bench.after(3))
    assert moved.state == "snoozed"
    assert bench.tick(CLOCK_MS + 3 * HOUR_MS - 1) == []
    assert [alert.state for alert in bench.tick(CLOCK_MS + 3 * HOUR_MS)] == ["open"]
    bench.tick(CLOCK_MS + 4 * HOUR_MS)
    assert bench.ask("snooze", until=bench.after(3.5)) == []


@pytest.mark.parametrize("reason", [None, "manual"])
def test_resolved_by_hand_while_it_lasts_it_is_quiet_until_the_cooldown(
    spike: Any, bench: Any, reason: Any
) -> None:
    (alert,) = bench.ask("resolve", reason=reason)
    assert (alert.state, alert.reason) == ("resolved", "manual")
    assert not bench.state.hot.cost.open
    for kind in ("acknowledge", "snooze", "resolve"):
        assert bench.ask(kind, until=bench.after(9) if kind == "snooze" else None) == []
    calls = spike.calls(400, times=4)  # 40 min; the cooldown is 30
    _, again = bench.feed_until(calls, lambda alert: alert.state == "open")
    assert again.id == alert.id
    assert again.resolved_at is None
    assert again.history[-1].note == "lasts beyond the cooldown"
    quiet = datetime.fromisoformat(again.updated_at) - datetime.fromisoformat(alert.updated_at)
    assert quiet.total_seconds() >= 1800


def test_resolved_by_hand_and_over_it_does_not_come_back(spike: Any, bench: Any) -> None:
    bench.ask("resolve")
    assert bench.feed(spike.calls(600)) == []
    assert bench.state.hot.book.tracks == []


def test_marked_false_its_level_is_learned_without_another_word(spike: Any, bench: Any) -> None:
    (alert,) = bench.ask("resolve", reason="false")
    assert (alert.state, alert.reason) == ("resolved", "false")
    assert bench.feed(spike.calls(600, times=4)) == []
    assert bench.state.hot.cost.test.p50 == pytest.approx(0.016, rel=0.2)


def test_marked_false_and_over_at_once_nothing_is_learned(spike: Any, bench: Any) -> None:
    before = bench.state.hot.cost.test.p50
    bench.ask("resolve", reason="false")
    assert bench.feed(spike.calls(300)) == []
    assert not bench.state.hot.cost.accepting
    assert bench.state.hot.cost.test.p50 == pytest.approx(before, rel=0.2)


def test_an_adopted_alert_is_over_when_somebody_has_seen_it(spike: Any, bench: Any) -> None:
    bench.rules = Rules(adopt_after_s=1200)
    bench.feed(spike.calls(400, times=4))
    assert bench.alerts[-1].reason == "adopted"
    assert bench.alerts[-1].state == "open"
    (alert,) = bench.ask("acknowledge")
    assert (alert.state, alert.reason) == ("resolved", "adopted")


def test_a_level_that_somebody_has_seen_is_adopted_and_over(spike: Any, bench: Any) -> None:
    bench.rules = Rules(adopt_after_s=1200)
    bench.ask("acknowledge")
    bench.feed(spike.calls(400, times=4))
    assert (bench.alerts[-1].state, bench.alerts[-1].reason) == ("resolved", "adopted")


@pytest.mark.parametrize("state", ["open", "acknowledged", "resolved"])
def test_feedback_is_kept_whatever_the_state_and_changes_none(spike: Any, bench: Any, state: str) -> None:
    if state == "acknowledged":
        bench.ask("acknowledge")
    if state == "resolved":
        bench.ask("resolve")
    before = bench.alerts[-1]
    (alert,) = bench.ask("feedback", feedback="noise", note="a load test")
    assert (alert.feedback, alert.state, alert.rev) == ("noise", state, before.rev + 1)
    assert (alert.history[-1].state, alert.history[-1].by) == (state, "ada")
    assert alert.history[-1].note == "noise: a load test"
    assert (alert.reason, alert.resolved_at) == (before.reason, before.resolved_at)
    assert bench.ask("feedback", feedback="noise") == []
    (changed,) = bench.ask("feedback", feedback="useful")
    assert (changed.feedback, changed.history[-1].note) == ("useful", "useful")


def test_feedback_outlasts_what_becomes_of_the_alert_and_begins_no_cooldown(spike: Any, bench: Any) -> None:
    bench.ask("feedback", feedback="useful")
    (resolved,) = bench.ask("resolve")
    assert resolved.feedback == "useful"
    resolved_ms = bench.state.hot.book.tracks[0].resolved_ms
    bench.feed(spike.calls(100, times=4))
    bench.ask("feedback", feedback="noise")
    assert bench.state.hot.book.tracks[0].resolved_ms == resolved_ms
    _, again = bench.feed_until(spike.calls(400, times=4), lambda alert: alert.state == "open")
    assert (again.id, again.feedback) == (resolved.id, "noise")


def test_feedback_on_an_alert_that_is_forgotten_changes_nothing(spike: Any, bench: Any) -> None:
    bench.ask("resolve")
    bench.feed(spike.calls(600))
    assert bench.ask("feedback", feedback="noise") == []


def test_an_unknown_alert_changes_nothing(spike: Any, bench: Any) -> None:
    before = bench.state.pack_hot()
    assert bench.ask("acknowledge", alert_id="unknown") == []
    assert bench.state.pack_hot() == before


@pytest.mark.parametrize("state", ["open", "acknowledged"])
@pytest.mark.parametrize("by", ["tick", "call"])
def test_a_series_that_falls_silent_gives_its_alert_up(spike: Any, bench: Any, state: str, by: str) -> None:
    bench.rules = Rules(silent_after_s=3600)
    if state == "acknowledged":
        bench.ask("acknowledge")
    silent_at = bench.after(1)
    assert bench.tick(CLOCK_MS + HOUR_MS - 1) == []
    if by == "tick":
        (alert,) = bench.tick(CLOCK_MS + 20 * HOUR_MS)
    else:
        spike.now_ns += 20 * HOUR_MS * 1_000_000
        alert = bench.feed(spike.calls(1))[0]
    assert (alert.state, alert.reason) == ("resolved", "silent")
    assert alert.resolved_at == written(silent_at)
    assert alert.history[-1].note == "no calls for 1 h"
    assert not bench.state.hot.cost.open
    assert due_ms(bench.state, bench.rules) is None


def test_late_calls_are_calls(spike: Any, bench: Any) -> None:
    """They do not move event time, but a series that sends them is not silent."""
    bench.tick(CLOCK_MS + 20 * HOUR_MS)
    newest = bench.state.hot.newest_ms
    late = spike.call(start_ns=spike.now_ns - 10 * HOUR_MS * 1_000_000)
    bench.feed([late])
    assert bench.state.hot.newest_ms == newest
    assert now_ms(bench.state, bench.clock_ms) == newest + 20 * HOUR_MS
    assert bench.tick(CLOCK_MS + 43 * HOUR_MS) == []
    assert [alert.reason for alert in bench.tick(CLOCK_MS + 44 * HOUR_MS)] == ["silent"]


def test_a_late_call_in_a_log_that_begins_anew_is_no_silence(spike: Any, bench: Any) -> None:
    """A recreated or grown log does not know its clock until all landing topics have reported in it."""
    bench.tick(CLOCK_MS + 2 * HOUR_MS)
    bench.clock_ms = 0
    bench.feed([spike.call(start_ns=spike.now_ns - HOUR_MS * 1_000_000)])
    assert bench.tick(CLOCK_MS + 3 * HOUR_MS) == []
    assert [alert.reason for alert in bench.tick(CLOCK_MS + 24 * HOUR_MS)] == ["silent"]


def test_a_snoozed_alert_outlives_the_silence_but_does_not_open_into_it(spike: Any, bench: Any) -> None:
    bench.ask("snooze", until=bench.after(72))
    assert bench.tick(CLOCK_MS + 48 * HOUR_MS) == []
    (alert,) = bench.tick(CLOCK_MS + 100 * HOUR_MS)
    assert (alert.state, alert.reason) == ("resolved", "silent")
    assert alert.resolved_at == written(bench.after(72))


def test_acknowledged_on_a_series_long_silent_it_is_over_at_once(spike: Any, bench: Any) -> None:
    """Nothing may be due at a clock that the state has seen: a tick at a replay would act too early."""
    bench.ask("snooze", until=bench.after(72))
    bench.tick(CLOCK_MS + 48 * HOUR_MS)
    states = [alert.state for alert in bench.ask("acknowledge")]
    assert states == ["acknowledged", "resolved"]
    assert due_ms(bench.state, bench.rules) is None


def test_one_tick_or_many_make_the_same_records(make_traffic: Any, make_bench: Any) -> None:
    made = []
    for ticks in ([60], range(61), [3, 30, 60]):
        traffic, bench = make_traffic(seed=41, content=False), make_bench()
        bench.clock_ms = CLOCK_MS
        bench.feed(traffic.calls(300))
        bench.feed_until(traffic.calls(60, times=4), lambda alert: alert.state == "open")
        bench.ask("snooze", until=bench.after(2))
        for hours in ticks:
            bench.tick(CLOCK_MS + hours * HOUR_MS)
        made.append((bench.alerts, bench.state.pack_hot()))
    assert [alert.state for alert in made[0][0]][-3:] == ["snoozed", "open", "resolved"]
    assert made[0] == made[1] == made[2]


def test_the_first_known_clock_becomes_the_reference(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=41, content=False)
    bench.feed(traffic.calls(300))
    assert due_ms(bench.state, bench.rules) is None
    bench.feed_until(traffic.calls(60, times=4), lambda alert: alert.state == "open")
    assert bench.tick(0) == []
    assert bench.state.hot.clock_ms == 0
    assert due_ms(bench.state, bench.rules) == 1
    assert bench.tick(CLOCK_MS) == []
    assert due_ms(bench.state, bench.rules) == CLOCK_MS + 24 * HOUR_MS
    before = bench.state.pack_hot()
    assert bench.tick(CLOCK_MS + 24 * HOUR_MS - 1) == []
    assert bench.tick(CLOCK_MS - HOUR_MS) == []
    assert bench.state.pack_hot() == before
    assert [alert.reason for alert in bench.tick(CLOCK_MS + 24 * HOUR_MS)] == ["silent"]


def test_times_beyond_the_calendar_are_written_as_its_end(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=41, content=False)
    traffic.now_ns = 253_402_300_000 * 10**9
    bench.clock_ms = CLOCK_MS
    bench.feed(traffic.calls(60, start_ns=253_402_300_799 * 10**9))
    bench.feed(traffic.calls(60, times=9, start_ns=253_402_300_799 * 10**9))
    assert bench.alerts
    (alert,) = bench.tick(CLOCK_MS + 48 * HOUR_MS)
    assert alert.resolved_at == "9999-12-31T23:59:59.000Z"
