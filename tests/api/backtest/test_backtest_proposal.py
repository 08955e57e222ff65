"""What would have kept a false alert quiet, and what else it would have lost: on synthetic logs."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from api.backtest.recorded import START_NS, line, recorded
from api.views.span_lines import alert
from lumina_api.backtest.line import read_call
from lumina_api.backtest.overrides import Overrides
from lumina_api.backtest.proposal import Proposal, Proposer, judged, ladder, rule_with
from lumina_api.backtest.summary import Raised
from lumina_api.backtest.trial import Trial
from lumina_schemas.alert import Alert
from lumina_schemas.rule import Rule
from lumina_schemas.span import Span
from lumina_streams.core.series.rules import Rules

AT = "2026-01-01T10:00:00Z"
HOUR_MS = 3_600_000


def raised(id: str, hour: float, hours: float = 1) -> Raised:
    opened_ms = START_NS // 10**6 + int(hour * HOUR_MS)
    signals = frozenset(["cost_spike"])
    ended_ms = opened_ms + int(hours * HOUR_MS)
    place = ("shop", "checkout", "answer", "a" * 16)
    return Raised(id, "cost_spike", signals, *place, opened_ms, ended_ms, f"summary of {id}")


def test_the_mildest_rung_that_silences_it_is_proposed_with_what_it_loses() -> None:
    false, kept, lost, old = raised("f", 0), raised("k", 5), raised("l", 10), raised("o", -200)
    now = [old, false, kept, lost]
    rungs = [({"a": 1}, now), ({"a": 2}, [raised("other", 0.5), kept]), ({"a": 3}, [kept]), ({"a": 4}, [])]
    found = judged(false, now, rungs, 7)
    assert found.change == {"a": 3}
    assert found.tried == ({"a": 1}, {"a": 2})
    assert [(one.id, one.summary) for one in found.lost] == [("l", "summary of l")]
    assert judged(false, now, rungs[:2], 7).change is None
    assert judged(false, [kept], rungs, 7) == Proposal(reproduced=False, calls=7)


@pytest.mark.parametrize(
    ("signals", "rules", "expected"),
    [
        (
            ["cost_spike"],
            Rules(cost_spike_pct=50),
            [
                {"cost_spike_pct": 100.0},
                {"cost_spike_pct": 200.0},
                {"min_samples": 400},
                {"min_samples": 800},
                {"off": ("cost_spike",)},
            ],
        ),
        (["unpriced"], Rules(off=("no_data",)), [{"off": ("no_data", "unpriced")}]),
        (
            ["no_data"],
            Rules(no_data_after_s=60),
            [{"no_data_after_s": 120.0}, {"no_data_after_s": 240.0}, {"off": ("no_data",)}],
        ),
    ],
)
def test_the_ladder_begins_above_what_holds(
    signals: list[str], rules: Rules, expected: list[dict[str, Any]]
) -> None:
    assert ladder(signals, rules) == expected


def test_every_rung_is_a_rule() -> None:
    every = [
        "cost_spike",
        "spend_spike",
        "latency_spike",
        "error_spike",
        "quality_drop",
        "no_data",
        "series_limit",
    ]
    rungs = ladder(every, Rules(no_data_after_s=300, min_samples=900_000))
    assert rungs[-1] == {"off": tuple(sorted(every))}
    for rung in rungs:
        msgspec.convert({"v": 1} | rung, Rule)


def calls(spans: Iterable[Span]) -> Any:
    return (read_call(line(span), 1) for span in spans)


def test_a_false_alert_of_a_log_is_silenced() -> None:
    """A moderate rise is called false; the great one later is what the change must not lose."""
    spans = list(recorded(700, dear_from=350, dear_until=460, times=1.5))
    spans += recorded(
        400, seed=1, dear_from=250, dear_until=400, times=8, start_ns=spans[-1].start_ns + 7_200 * 10**9
    )
    records: list[Alert] = []
    trial = Trial(Rules(), Overrides(), records.append, AT, by_position=False)
    for call in calls(spans):
        trial.call(call)
    newest = {record.id: record for record in records}
    false, *others = newest.values()
    assert false.kind == "cost_spike" and others
    proposer = Proposer(false, Rules(), Rules(), AT)
    for call in calls(spans):
        for one in proposer.trials:
            one.by_position = False
            one.call(call)
    found = proposer.answer()
    assert found.reproduced
    assert found.calls == len(spans)
    assert found.change is not None
    checked: list[Alert] = []
    silent = Trial(Rules(), Overrides(found.change), checked.append, AT, by_position=False)
    for call in calls(spans):
        silent.call(call)
    left = [Raised.of(record) for record in checked]
    assert not any(one.meets(Raised.of(false)) for one in left)
    lost = {one.id for one in found.lost}
    for other in map(Raised.of, others):
        assert (other.id in lost) != any(one.meets(other) for one in left)


def test_the_rule_is_for_the_series_and_keeps_what_holds() -> None:
    before = Rule(v=1, project="shop", cooldown_s=60, cost_spike_pct=20)
    rule = rule_with({"cost_spike_pct": 50.0}, alert(1), before)
    assert (rule.project, rule.service, rule.endpoint) == ("shop", "checkout", "answer")
    assert (rule.cost_spike_pct, rule.cooldown_s) == (50.0, 60)
    assert rule_with({"off": ("no_data",)}, alert(1), None).off == ("no_data",)
