"""Alerts of a project: raised in place from threshold to threshold, resolved when their period is over."""

import json
from collections.abc import Iterator
from typing import Literal
from uuid import uuid5

from msgspec.structs import replace

from lumina_schemas.alert import SCHEMA_VERSION, Alert, AlertState, Baseline, Reason, Severity, Signal
from lumina_schemas.budget import THRESHOLDS, Budget, Period
from lumina_schemas.partition import series_id
from lumina_streams.core.alert.book import Track
from lumina_streams.core.alert.lifecycle import NAMESPACE
from lumina_streams.core.alert.links import place_links
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.project.period import start_ms
from lumina_streams.core.project.state import ProjectState, Raised
from lumina_streams.core.project.summary import budget_summary, money, trace_summary

ProjectKind = Literal["budget", "trace_limit"]

SEVERITIES: dict[int, Severity] = {50: "info", 80: "warning", 90: "warning", 100: "critical"}
"""By the threshold that was reached."""

WINDOWS: dict[Period, str] = {"day": "1d", "month": "1mo"}
ENDED = {"day": "the day is over", "month": "the month is over"}


class Raiser:
    """One message's look at the alerts of a project. Collects the records to publish in `news`."""

    def __init__(self, state: ProjectState, detected_at: str) -> None:
        self.state = state
        self.detected_at = detected_at
        self.news: list[Alert] = []

    def find(self, subject: str, service: str, period: Period, number: int) -> Raised | None:
        """The alert of a budget, or of the limit (subject ""), in one period."""
        for raised in self.state.raised:
            if (raised.subject, raised.service, raised.period, raised.number) == (
                subject,
                service,
                period,
                number,
            ):
                return raised
        return None

    def of_budget(self, budget_id: str) -> Iterator[Raised]:
        """The alerts of a budget."""
        return (raised for raised in self.state.raised if raised.subject == budget_id)

    def open(
        self,
        subject: str,
        service: str,
        period: Period,
        number: int,
        level: int,
        limit: float,
        value: float = 0.0,
    ) -> None:
        """Raise an alert for the first time in its period."""
        state = self.state
        kind: ProjectKind = "budget" if subject else "trace_limit"
        at_ms, at = state.now_ms, rfc3339(state.now_ms)
        name = json.dumps([kind, state.project, service, subject, period, number])
        alert_id = str(uuid5(NAMESPACE, name))
        alert = Alert(
            v=SCHEMA_VERSION,
            rev=0,
            id=alert_id,
            kind=kind,
            state="open",
            severity=SEVERITIES[level],
            project=state.project,
            service=service,
            endpoint="",
            series_id=series_id(state.project, service, ""),
            summary="",
            opened_at=at,
            updated_at=at,
            detected_at=self.detected_at,
            signals=(),
            links=place_links(alert_id, state.project, service, start_ms(period, number)),
        )
        raised = Raised(Track(alert, [], at_ms, at_ms), subject, service, period, number, level, limit, value)
        state.raised.append(raised)
        self.write(raised, "open", f"{level}% reached")

    def reach(self, raised: Raised, level: int, limit: float, value: float, note: str) -> None:
        """Raise an alert further: whoever acknowledged, snoozed or resolved it has not seen this."""
        raised.level, raised.limit, raised.value = level, limit, value
        if not raised.muted:
            self.write(raised, "open", note)

    def write(
        self,
        raised: Raised,
        state: AlertState,
        note: str,
        *,
        reason: Reason | None = None,
        by: str = "lumina",
        until_ms: int = -1,
    ) -> None:
        """Write an alert anew, as things stand now."""
        track = raised.track
        track.alert = self._rendered(raised)
        self.news.append(
            track.write(
                state, self.state.now_ms, self.detected_at, reason=reason, note=note, by=by, until_ms=until_ms
            )
        )

    def end(self, raised: Raised, note: str, reason: Reason = "recovered") -> None:
        """Resolve an alert if it is open."""
        if raised.track.open:
            self.write(raised, "resolved", note, reason=reason)

    def pass_time(self) -> None:
        """Do what is due at the present time: periods end, and snoozes."""
        for raised in self.state.raised:
            track = raised.track
            if track.open and raised.end_ms <= self.state.now_ms:
                self.end(raised, ENDED[raised.period])
            elif track.snoozed and track.snoozed_ms <= self.state.now_ms:
                self.write(raised, "open", "the snooze is over")

    def _rendered(self, raised: Raised) -> Alert:
        alert = raised.track.alert
        shown = self._traces(raised) if alert.kind == "trace_limit" else self._spend(raised)
        severity = SEVERITIES.get(raised.level, alert.severity)
        return replace(shown, severity=severity)

    def _spend(self, raised: Raised) -> Alert:
        state = self.state
        spent = state.sum_of(raised.service, raised.period, raised.number)
        at_ms = start_ms(raised.period, raised.number)
        ratio = spent.usd / raised.limit
        signal = Signal(
            kind="budget",
            value=spent.usd,
            baseline=Baseline(raised.limit, raised.limit, 0, WINDOWS[raised.period]),
            ratio=ratio,
            significance=ratio * 100 / raised.level if raised.level else 0.0,
            n=spent.calls,
            since=rfc3339(at_ms),
            unit="usd",
            detail=f"budget {raised.subject}",
        )
        missing: tuple[str, ...] = ()
        if spent.unpriced:
            missing = (f"what {spent.unpriced:,} calls without a price have cost",)
        summary = budget_summary(
            state.project,
            raised.service,
            raised.period,
            raised.number,
            spent.usd,
            raised.limit,
            state.now_ms,
        )
        return replace(raised.track.alert, signals=(signal,), summary=summary, missing=missing)

    def _traces(self, raised: Raised) -> Alert:
        state = self.state
        ratio = raised.value / raised.limit
        signal = Signal(
            kind="trace_limit",
            value=raised.value,
            baseline=Baseline(raised.limit, raised.limit, 0, WINDOWS["day"]),
            ratio=ratio,
            significance=ratio * 100 / raised.level if raised.level else 0.0,
            n=int(raised.value),
            since=rfc3339(start_ms("day", raised.number)),
            unit="traces",
        )
        summary = trace_summary(
            state.project, raised.number, raised.value, raised.limit, raised.level, state.now_ms
        )
        return replace(raised.track.alert, signals=(signal,), summary=summary)


def review(raiser: Raiser, budget_id: str, budget: Budget, number: int) -> None:
    """Compare what was spent in a period with a budget. Each threshold raises its alert once."""
    state = raiser.state
    if not state.is_kept(budget.period, number):
        return
    spent = state.sum_of(budget.service, budget.period, number)
    level = level_of(spent.usd, budget.usd)
    raised = raiser.find(budget_id, budget.service, budget.period, number)
    if raised is None:
        if level:
            raiser.open(budget_id, budget.service, budget.period, number, level, budget.usd)
        return
    changed = raised.limit != budget.usd
    raised.limit = budget.usd
    if level > raised.level:
        raiser.reach(raised, level, budget.usd, 0.0, f"{level}% reached")
    elif level < raised.level or changed:  # spend never falls: the budget was changed
        raised.level = level
        note = f"the budget is {money(budget.usd)} USD now"
        if not level:
            raiser.end(raised, note)
        elif raised.track.open:
            raiser.write(raised, raised.track.alert.state, note)


def level_of(spent: float, budget: float) -> int:
    """The highest threshold that is reached, in percent; 0 below the first."""
    return max((one for one in THRESHOLDS if spent * 100 >= budget * one), default=0)
