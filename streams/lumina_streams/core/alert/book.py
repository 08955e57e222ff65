"""What a series remembers of its alerts, and how their records are written anew. An id never changes."""

from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from lumina_schemas.alert import Alert, AlertKind, AlertState, Reason, Severity, Signal, Transition
from lumina_streams.core.alert.evidence import Evidence
from lumina_streams.core.alert.summary import place_of, summarise
from lumina_streams.core.baseline.moment import rfc3339

HISTORY = 50
BY = "lumina"
NEVER = -1

LaneName = Literal["cost", "quality"]


class Track(Struct, array_like=True):
    """An alert that is open, or was resolved within the cooldown. Times are event times in ms."""

    alert: Alert
    lanes: list[LaneName]
    opened_ms: int
    written_ms: int
    resolved_ms: int = NEVER
    ratio: float = 1.0  # when it was last written
    snoozed_ms: int = NEVER  # end of the snooze

    @property
    def open(self) -> bool:
        """Whether it is not resolved."""
        return self.resolved_ms < 0

    @property
    def snoozed(self) -> bool:
        """Whether it is to be left alone until `snoozed_ms`."""
        return self.snoozed_ms >= 0

    def show(self, evidence: Evidence, missing: tuple[str, ...]) -> None:
        """Put fresh evidence into the record; the caller writes it then."""
        if evidence.signals:
            self.alert = _with_evidence(self.alert, evidence, missing)
            self.ratio = evidence.ratio

    def write(
        self,
        state: AlertState,
        at_ms: int,
        detected_at: str,
        *,
        reason: Reason | None = None,
        note: str | None = None,
        by: str = BY,
        until_ms: int = NEVER,
    ) -> Alert:
        """Write the record anew, rev + 1, and return it. `note` None is no transition.

        A record is never older than the one before, though a quiet series' time may run ahead of its next
        call.
        """
        at_ms = max(at_ms, self.written_ms)
        at = rfc3339(at_ms)
        self.resolved_ms = at_ms if state == "resolved" else NEVER
        if state != "snoozed":
            self.snoozed_ms = NEVER
        elif until_ms >= 0:
            self.snoozed_ms = until_ms
        history = self.alert.history
        if note is not None:
            history = (*history, Transition(state, at, by, note))[-HISTORY:]
        self.alert = replace(
            self.alert,
            rev=self.alert.rev + 1,
            state=state,
            reason=reason,
            updated_at=at,
            resolved_at=at if state == "resolved" else None,
            snoozed_until=rfc3339(self.snoozed_ms) if self.snoozed else None,
            detected_at=detected_at,
            history=history,
        )
        self.written_ms = at_ms
        return self.alert


class Book(Struct, array_like=True):
    """A series' alerts, and how many were opened per kind in the current window (for their ids)."""

    tracks: list[Track] = field(default_factory=list)
    openings: dict[str, tuple[int, int]] = field(default_factory=dict)


def severity_of(kind: AlertKind) -> Severity:
    """Both signals at once are critical."""
    return "critical" if kind == "cost_and_quality" else "warning"


def _with_evidence(alert: Alert, evidence: Evidence, missing: tuple[str, ...]) -> Alert:
    fresh = {signal.kind: signal for signal in evidence.signals}
    kept: list[Signal] = [signal for signal in alert.signals if signal.kind not in fresh]
    signals = tuple(sorted((*kept, *fresh.values()), key=lambda signal: signal.kind))
    kind: AlertKind = "cost_and_quality" if len(signals) == 2 else signals[0].kind
    place = place_of(alert.service, alert.endpoint)
    cause = evidence.cause or alert.cause
    impact = alert.impact_usd_per_h if evidence.impact_usd_per_h is None else evidence.impact_usd_per_h
    return replace(
        alert,
        kind=kind,
        severity=severity_of(kind),
        summary=summarise(place, signals, evidence.since_ms, cause, impact),
        signals=signals,
        cause=cause,
        impact_usd_per_h=impact,
        top_spans=evidence.top_spans,
        answers=evidence.answers or alert.answers,
        missing=missing,
    )
