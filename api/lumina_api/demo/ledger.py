"""What was injected, what Lumina answered, and how long that took: the demo's lines, without clock or I/O.

Times are seconds of one monotonic clock, given by the caller.
"""

from dataclasses import dataclass, field

from lumina_api.demo import PROJECT
from lumina_api.demo.scenario import Incident
from lumina_api.text import plain
from lumina_schemas.alert import Alert
from lumina_streams.core.alert.summary import SUMMARY_CHARS


@dataclass
class Injection:
    """One incident as it went: when its first and last bad call were sent, whether it was answered."""

    incident: Incident
    first_s: float
    last_s: float
    calls: int = 1
    answered: bool = False
    ended: bool = False


@dataclass
class Ledger:
    """Matches alerts with incidents. Each method returns the line to print, or None."""

    injections: list[Injection] = field(default_factory=list)
    alerts: dict[str, Alert] = field(default_factory=dict)

    def remember(self, alert: Alert) -> None:
        """Take note of an alert that is older than the demo."""
        if self._is_news(alert):
            self.alerts[alert.id] = alert

    def sending(self, incident: Incident | None, at_s: float) -> str | None:
        """A call is about to be sent; None is a normal one. Announces an incident with its first call."""
        if incident is None:
            return None
        current = self.current
        if current is not None and current.incident is incident:
            current.last_s = at_s
            current.calls += 1
            return None
        self.injections.append(Injection(incident, at_s, at_s))
        line = f"injected  {_name(incident)} {incident.what} ({incident.duration_s:g} s)"
        standing = self._standing(incident)
        if standing is not None:
            line += f"\n{' ' * 10}{standing.kind} {standing.id} is open there already"
        return line

    def over(self, incident: Incident | None) -> str | None:
        """Tell which incident is on now; says so when one has ended."""
        current = self.current
        if current is None or current.incident is incident:
            return None
        current.ended = True
        name = _name(current.incident)
        if current.answered or self._standing(current.incident):
            return f"ended     {name} behaves again, after {current.calls} bad calls"
        return f"ended     {name} behaves again, after {current.calls} bad calls; no alert answered it"

    def receive(self, alert: Alert, at_s: float) -> str | None:
        """An alert record was read."""
        if not self._is_news(alert):
            return None
        before = self.alerts.get(alert.id)
        self.alerts[alert.id] = alert
        if before is not None and (before.kind, before.state) == (alert.kind, alert.state):
            return None  # more of the same
        where = f"{plain(alert.service, 60)} {plain(alert.endpoint, 60)}"
        if alert.state == "resolved":
            return f"Lumina    {alert.kind} on {where} is resolved ({alert.reason or 'no reason given'})"
        injection = self._answered_by(alert)
        head = f"Lumina    {alert.kind} on {where}"
        if before is not None:
            head += f", {before.kind if before.state != 'resolved' else 'resolved'} before"
        if injection is None:
            head += ", which answers no incident of this demo"
        else:
            injection.answered = injection.answered or alert.kind in injection.incident.alerts
            head += (
                f": {_ms(at_s - injection.first_s)} after the first bad call was sent, "
                f"{_ms(at_s - injection.last_s)} after bad call {injection.calls}"
            )
        return f"{head}\n{' ' * 10}{plain(alert.summary, SUMMARY_CHARS)}\n{' ' * 10}alert {alert.id}"

    @property
    def current(self) -> Injection | None:
        """The incident that is on."""
        return self.injections[-1] if self.injections and not self.injections[-1].ended else None

    @property
    def unanswered(self) -> list[Incident]:
        """Incidents without an alert of the kind that answers them."""
        return [
            injection.incident
            for injection in self.injections
            if not (injection.answered or self._standing(injection.incident))
        ]

    def _is_news(self, alert: Alert) -> bool:
        known = self.alerts.get(alert.id)
        return alert.project == PROJECT and (known is None or alert.rev > known.rev)

    def _answered_by(self, alert: Alert) -> Injection | None:
        """The latest injection on the alert's series."""
        for injection in reversed(self.injections):
            if _concerns(alert, injection.incident):
                return injection
        return None

    def _standing(self, incident: Incident) -> Alert | None:
        """An open alert that says already what the incident would bring about."""
        for alert in self.alerts.values():
            if alert.state != "resolved" and alert.kind in incident.alerts and _concerns(alert, incident):
                return alert
        return None


def _concerns(alert: Alert, incident: Incident) -> bool:
    return (alert.service, alert.endpoint) == (incident.endpoint.service, incident.endpoint.name)


def _name(incident: Incident) -> str:
    return f"{incident.endpoint.service} {incident.endpoint.name}"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms"
