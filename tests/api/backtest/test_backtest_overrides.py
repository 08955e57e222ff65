"""`--set`: held to the bounds that rules have, and told what is allowed."""

import pytest

from lumina_api.backtest.overrides import Overrides, allowed, overrides_of
from lumina_schemas.rule import Rule
from lumina_streams.core.series.rulebook import OVERRIDES
from lumina_streams.core.series.rules import Rules


def test_values_come_in_the_types_of_the_rule() -> None:
    asked = overrides_of(
        [
            "cost_spike_pct=50",
            "min_samples=400",
            "off=latency_spike, error_spike",
            "severity=cost_spike:info,quality_drop:critical",
            "active_series=30",
            "adopt_calls=9",
        ]
    )
    rules = asked.on(Rules(cooldown_s=7))
    assert (rules.cost_spike_pct, rules.min_samples, rules.cooldown_s) == (50.0, 400, 7)
    assert (rules.active_series, rules.adopt_calls) == (30, 9)
    assert rules.off == ("latency_spike", "error_spike")
    assert rules.severity == {"cost_spike": "info", "quality_drop": "critical"}
    rule = asked.on_rule(Rule(v=1, service="web", cost_spike_pct=20, cooldown_s=9))
    assert (rule.service, rule.cost_spike_pct, rule.cooldown_s) == ("web", 50.0, 9)
    assert overrides_of(["off="]).on(Rules(off=("no_data",))).off == ()


def test_nothing_asked_changes_nothing() -> None:
    rules, rule = Rules(), Rule(v=1)
    assert Overrides().on(rules) is rules
    assert Overrides().on_rule(rule) is rule


@pytest.mark.parametrize(
    "wrong",
    [
        "cost_spike=50",
        "cost_spike_pct",
        "cost_spike_pct=",
        "cost_spike_pct=0",
        "cost_spike_pct=much",
        "cost_spike_pct=nan",
        "cost_spike_pct=inf",
        "quality_min=1.5",
        "min_samples=9",
        "min_samples=20.5",
        "off=latency",
        "severity=cost_spike:loud",
        "severity=cost_spike",
        "active_series=0",
        "project=shop",
        "marks=1",
        "v=2",
    ],
)
def test_what_is_wrong_is_told_with_what_is_allowed(wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong.partition("=")[0]) as error:
        overrides_of([wrong])
    assert allowed() in str(error.value)


def test_every_field_is_named_with_its_bounds() -> None:
    told = allowed()
    for name in (*OVERRIDES, "adopt_calls", "active_series"):
        assert f"  {name}=" in told
    assert "quality_min=NUMBER  (>= 0, <= 1)" in told
    assert "unpriced" in told
