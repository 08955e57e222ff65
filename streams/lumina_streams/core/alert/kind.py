"""Which of an alert's signals leads, and how bad that is."""

from collections.abc import Collection

from lumina_schemas.alert import AlertKind, Severity, SignalKind
from lumina_streams.core.baseline.lane import LaneName
from lumina_streams.core.series.rules import Rules

KINDS: dict[LaneName, SignalKind] = {
    "cost": "cost_spike",
    "quality": "quality_drop",
    "spend": "spend_spike",
    "errors": "error_spike",
    "latency": "latency_spike",
    "unpriced": "unpriced",
    "silence": "no_data",
    "limit": "series_limit",
}
"""What each lane signals, the one that says most first: it names the alert's kind."""

LEADING = tuple(KINDS.values())


def kind_of(signals: Collection[SignalKind]) -> AlertKind:
    """Kind of an alert with these signals (one at least)."""
    if "cost_spike" in signals and "quality_drop" in signals:
        return "cost_and_quality"
    return min(signals, key=LEADING.index)


def severity_of(kind: AlertKind, rules: Rules) -> Severity:
    """What the rule says; else cost and quality together are critical, anything alone a warning."""
    usual: Severity = "critical" if kind == "cost_and_quality" else "warning"
    return rules.severity.get(kind, usual)
