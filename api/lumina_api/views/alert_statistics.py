"""What alerts come to: how many of which sort, how soon somebody looked at them, how many were noise."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import duckdb

from lumina_api.views.batch import nanoseconds
from lumina_api.views.filters import Filters, of_alerts
from lumina_api.views.queries import Row, rows_of
from lumina_schemas.views import part

NS = 10**9


@dataclass
class Mean:
    """A mean of times, and over how many alerts."""

    total_ns: int = 0
    alerts: int = 0

    def add(self, ns: int) -> None:
        """One more; a clock that ran backwards counts as none."""
        self.total_ns += max(0, ns)
        self.alerts += 1

    @property
    def seconds(self) -> float | None:
        """None without alerts."""
        return self.total_ns / self.alerts / NS if self.alerts else None


@dataclass
class Statistics:
    """Counts of alerts, and means from the history that each carries."""

    alerts: int = 0
    by_state: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)
    by_severity: Counter[str] = field(default_factory=Counter)
    by_service: Counter[str] = field(default_factory=Counter)
    by_day: Counter[str] = field(default_factory=Counter)
    """By the day of opening, UTC, `2026-01-31`."""
    feedback: Counter[str] = field(default_factory=Counter)
    to_acknowledge: Mean = field(default_factory=Mean)
    """From opening to the first time that somebody acknowledged it."""
    to_resolve: Mean = field(default_factory=Mean)
    """From opening to its end, of those that have ended."""

    @property
    def noise(self) -> float | None:
        """Share of noise among the alerts that somebody judged; None without any."""
        judged = self.feedback["noise"] + self.feedback["useful"]
        return self.feedback["noise"] / judged if judged else None


def statistics(rows: Iterable[Row]) -> Statistics:
    """Statistics of the rows of `alert_facts`."""
    made = Statistics()
    for row in rows:
        opened_ns = row["opened_ns"]
        assert isinstance(opened_ns, int)
        made.alerts += 1
        for name in ("state", "kind", "severity", "service"):
            getattr(made, f"by_{name}")[str(row[name])] += 1
        made.by_day[datetime.fromtimestamp(opened_ns // NS, UTC).date().isoformat()] += 1
        if row["feedback"] is not None:
            made.feedback[str(row["feedback"])] += 1
        if (acknowledged_ns := _first(row, "acknowledged")) is not None:
            made.to_acknowledge.add(acknowledged_ns - opened_ns)
        if row["state"] == "resolved" and isinstance(resolved_ns := row["resolved_ns"], int):
            made.to_resolve.add(resolved_ns - opened_ns)
    return made


def alert_statistics(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> Statistics:
    """Statistics of the alerts that fulfil the filters."""
    asked = of_alerts(filters)
    return statistics(rows_of(cursor, part("alert_facts").format(where=asked.sql), asked.parameters))


def _first(row: Row, state: str) -> int | None:
    """When an alert first came into a state, Unix ns; None where it never did or its history is cut."""
    states, moments = row["states"], row["moments"]
    if not isinstance(states, list) or not isinstance(moments, list):
        return None
    for found, at in zip(states, moments, strict=False):
        if found == state:
            try:
                return nanoseconds(str(at))
            except (ValueError, OverflowError):
                return None
    return None
