"""A trial does what detect does: the same core, clock, deadlines, rules, marks, in the order of the log."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from api.backtest.recorded import START_NS, line, recorded
from lumina_api.backtest.census import DAY_MS, Census
from lumina_api.backtest.line import read_call
from lumina_api.backtest.overrides import Overrides
from lumina_api.backtest.trial import EventClock, Scope, Trial
from lumina_schemas.alert import Alert
from lumina_schemas.control import Reached, SeriesCommand, SeriesMark, Tick
from lumina_schemas.rule import Rule, RuleChange
from lumina_schemas.source import Source
from lumina_schemas.span import Span
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, step

AT = "2026-01-01T10:00:00Z"
START_MS = START_NS // 1_000_000
HOUR_MS = 3_600_000


def calls(spans: Iterable[Span]) -> list[Call]:
    return [call for span in spans if (call := read_call(line(span), 1)) is not None]


class Tried:
    """A trial and what it published."""

    def __init__(self, rules: Rules | None = None, by_position: bool = False, **asked: Any) -> None:
        self.alerts: list[Alert] = []
        scope = asked.pop("scope", Scope())
        self.trial = Trial(rules or Rules(), Overrides(asked), self.alerts.append, AT, by_position, scope)

    def feed(self, some: Iterable[Call], number: int = 0) -> "Tried":
        for call in some:
            self.trial.call(call, number)
        return self


def test_it_is_the_core_that_decides() -> None:
    some = [decode_line(msgspec.json.encode(span)) for span in recorded(400, dear_from=350)]
    state: SeriesState | None = None
    expected: list[Alert] = []
    for call in some:
        assert isinstance(call, Call)
        state = state or SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint)
        expected += step(state, call, Rules(), AT)
    tried = Tried().feed(call for call in some if isinstance(call, Call))
    assert [(a.id, a.rev, a.state) for a in tried.alerts] == [(a.id, a.rev, a.state) for a in expected]
    assert expected
    assert tried.trial.calls == 400


def test_other_rules_decide_otherwise() -> None:
    some = calls(recorded(600, dear_from=350, times=1.7))
    assert "cost_spike" in {alert.kind for alert in Tried().feed(some).alerts}
    assert "cost_spike" not in {alert.kind for alert in Tried(cost_spike_pct=10_000.0).feed(some).alerts}


def test_an_override_comes_before_the_rules_of_the_log() -> None:
    tried = Tried(cost_spike_pct=10_000.0)
    src = Source("settings", "control", 0, 1, 0)
    tried.trial.rule(RuleChange(v=1, id="a", src=src, rule=Rule(v=1, cost_spike_pct=20, cooldown_s=5)), 0)
    rules = tried.trial.partition(0).book.rules_for("shop", "checkout", "answer")
    assert (rules.cost_spike_pct, rules.cooldown_s) == (10_000.0, 5)


def test_the_clock_of_a_log_without_ticks_follows_its_calls() -> None:
    """An alert of a series that stops is resolved as silent when the others' calls show that it is."""
    silenced = calls(recorded(380, dear_from=350))
    tried = Tried().feed(silenced)
    assert tried.alerts[-1].state == "open"
    later = START_NS + 30 * HOUR_MS * 1_000_000
    tried.feed(calls(recorded(3, endpoint="other", seed=1, start_ns=later)))
    assert (tried.alerts[-1].state, tried.alerts[-1].reason) == ("resolved", "silent")


def test_ticks_are_the_clock_where_there_are_some() -> None:
    tried = Tried().feed(calls(recorded(380, dear_from=350)))
    for hours in (1, 30):
        reached = (Reached("otlp", 0, hours, START_MS + hours * HOUR_MS),)
        tried.trial.tick(Tick(v=1, sources={"otlp": 1}, reached=reached, series={"shop": 18}), 0, hours)
    assert tried.alerts[-1].reason == "silent"
    book = tried.trial.partition(0).book
    assert book.rules_for("shop", "checkout", "answer").active_series == 19
    before = tried.trial.partition(0).clock.ms
    tried.feed(calls(recorded(1, start_ns=START_NS + 90 * HOUR_MS * 1_000_000)))
    assert tried.trial.partition(0).clock.ms == before


def test_active_series_are_counted_where_no_tick_tells_them_also_those_not_looked_at() -> None:
    tried = Tried(scope=Scope(endpoint="e3"))
    for number in range(12):
        tried.feed(calls(recorded(2, endpoint=f"e{number}", seed=number)))
    rules = tried.trial.partition(0).book.rules_for("shop", "checkout", "e3")
    assert rules.active_series == 12
    assert (tried.trial.calls, len(tried.trial.states)) == (2, 1)
    assert tried.trial.partition(5).book.rules_for("shop", "x", "y").active_series == 12
    asked = Tried(active_series=40).feed(calls(recorded(5)))
    assert asked.trial.partition(0).book.rules_for("shop", "checkout", "answer").active_series == 40


def test_what_was_delivered_twice_counts_once() -> None:
    some = [decode_line(msgspec.json.encode(span)) for span in recorded(5)]
    tried = Tried(by_position=True).feed(call for call in (*some, *some) if isinstance(call, Call))
    assert (tried.trial.calls, tried.trial.duplicates) == (5, 5)


def test_commands_and_marks_of_the_log() -> None:
    tried = Tried(by_position=True)
    tried.feed(decode for span in recorded(380, dear_from=350) if isinstance(decode := _decoded(span), Call))
    alert = tried.alerts[-1]
    asked = SeriesCommand(
        v=1, type="resolve", alert_id=alert.id, series_id=alert.series_id, by="ada", reason="false"
    )
    for _ in range(2):
        tried.trial.command(asked, 0, Source("spans", "control", 0, 9, 0))
    assert (tried.alerts[-1].state, tried.alerts[-1].reason) == ("resolved", "false")
    assert len([one for one in tried.alerts if one.reason == "false"]) == 1
    at = datetime(2026, 1, 1, 10, tzinfo=UTC)
    mark = SeriesMark(
        v=1, type="mark", id="m", text="1.4", at=at, by="ada", src=Source("c", "control", 0, 1, 0)
    )
    tried.trial.mark(mark, 0)
    (marker,) = tried.trial.partition(0).book.rules_for("shop", "checkout", "answer").marks
    assert (marker.at_ms, marker.text) == (START_MS, "1.4")


def _decoded(span: Span) -> object:
    return decode_line(msgspec.json.encode(span))


def test_one_wrong_clock_moves_nothing_and_a_gap_is_believed_at_its_second_call() -> None:
    clock = EventClock()
    assert clock.see(START_MS, False) == START_MS
    assert clock.see(START_MS + 90 * DAY_MS, False) == START_MS
    assert clock.see(START_MS + 1, False) == START_MS + 1
    assert clock.see(START_MS + 400 * DAY_MS, True) == START_MS + 1
    assert clock.see(START_MS + 3 * DAY_MS, False) == START_MS + 1
    assert clock.see(START_MS + 3 * DAY_MS + 5, False) == START_MS + 3 * DAY_MS + 5
    assert clock.see(START_MS, False) == START_MS + 3 * DAY_MS + 5


def test_a_census_tells_growth_and_each_new_day() -> None:
    census = Census()
    assert [census.see("shop", f"{number}", START_MS) for number in range(3)] == [1, 2, 3]
    assert census.see("shop", "1", START_MS + 1) == 0
    assert census.see("shop", "2", START_MS + 15 * HOUR_MS) == 3, "a new day"
    assert census.see("shop", "2", START_MS + 40 * HOUR_MS) == 1, "the others are gone"
    assert census.see("bank", "2", START_MS + 40 * HOUR_MS) == 1
    assert census.numbers() == {"shop": 1, "bank": 1}


def test_a_call_that_fails_stops_nothing() -> None:
    """What a bug of the core does: the others go on, and it is counted."""
    some = calls(recorded(5))
    bad = msgspec.structs.replace(some[2], cost_usd="dear")
    tried = Tried().feed([*some[:2], bad, *some[3:]])
    assert tried.trial.failed == 1
    assert tried.trial.calls == 5
