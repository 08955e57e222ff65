"""Which of an alert's signals leads, and how bad that is."""

from collections.abc import Collection

from lumina_schemas.alert import AlertKind, Severity, SignalKind
from lumina_streams.core.series.rules import Rules

LEADING: tuple[SignalKind, ...] = (
    "cost_spike",
    "quality_drop",
    "spend_spike",
    "error_spike",
    "latency_spike",
    "unpriced",
    "no_data",
    "series_limit",
)
"""Kinds of signals, the one that says most first."""


def kind_of(signals: Collection[SignalKind]) -> AlertKind:
    """Kind of an alert with these signals (one at least)."""
    if "cost_spike" in signals and "quality_drop" in signals:
        return "cost_and_quality"
    return min(signals, key=LEADING.index)


def severity_of(kind: AlertKind, rules: Rules) -> Severity:
    """What the rule says; else cost and quality together are critical, anything alone a warning."""
    usual: Severity = "critical" if kind == "cost_and_quality" else "warning"
    return rules.severity.get(kind, usual)
