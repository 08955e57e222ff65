"""What a trial would have told, and what did fire: the same, only now, only then."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct, field

from lumina_schemas.alert import Alert, Transition
from lumina_streams.core.baseline.moment import LATEST_MS, ms_of, rfc3339


class Raised(Struct, frozen=True):
    """An alert as the comparison needs it. Times are event times in ms since 1970."""

    id: str
    kind: str
    signals: frozenset[str]
    project: str
    service: str
    endpoint: str
    series_id: str
    opened_ms: int
    ended_ms: int
    summary: str
    is_false: bool = False

    @classmethod
    def of(cls, alert: Alert) -> "Raised":
        """The alert as its newest record says."""
        return cls(
            alert.id,
            alert.kind,
            frozenset(signal.kind for signal in alert.signals),
            alert.project,
            alert.service,
            alert.endpoint,
            alert.series_id,
            at_ms(alert.opened_at),
            at_ms(alert.resolved_at) if alert.resolved_at else LATEST_MS,
            alert.summary,
            alert.reason == "false" and alert.state == "resolved",
        )

    def meets(self, other: "Raised") -> bool:
        """Whether both tell of one incident: one id, or a signal of one series at one time."""
        if self.id == other.id:
            return True
        return (
            self.series_id == other.series_id
            and not self.signals.isdisjoint(other.signals)
            and self.opened_ms <= other.ended_ms
            and other.opened_ms <= self.ended_ms
        )


class Tale:
    """The alerts of a trial: which records are news, and what each came to."""

    def __init__(self) -> None:
        self.raised: dict[str, Raised] = {}
        self._last: dict[str, Transition] = {}

    def take(self, alert: Alert) -> bool:
        """Take a record. True: its alert has changed its state, or something was noted in its history."""
        self.raised[alert.id] = Raised.of(alert)
        last = alert.history[-1]
        if self._last.get(alert.id) == last:
            return False
        self._last[alert.id] = last
        return True

    @staticmethod
    def moment(alert: Alert) -> int:
        """The event time of a record, in ms since 1970."""
        return at_ms(alert.updated_at)


class Told(Struct, frozen=True):
    """An alert as the summary names it."""

    id: str
    kind: str
    project: str
    service: str
    endpoint: str
    opened_at: str
    summary: str


class Comparison(Struct, kw_only=True):
    """The alerts of the trial against those that did fire. Precision: the share that nobody called false."""

    fired: int  # alerts that did fire
    same: int
    only_now: list[Told]
    only_then: list[Told]
    marked_false: int  # of those that did fire
    marked_false_now: int  # of those, what the trial raises too
    precision_then: float | None  # of all that did fire
    precision_now: float | None  # of those that the trial raises too: about the others nobody has said a word


class Summary(Struct, kw_only=True):
    """What a backtest found, in numbers."""

    calls: int = 0
    series: int = 0
    first: str | None = None  # event time of the first call, RFC 3339
    last: str | None = None
    duplicates: int = 0  # calls that were delivered twice
    failed: int = 0  # calls on which the detection failed
    unreadable: int = 0  # lines or messages
    others: int = 0  # lines that are no calls
    seconds: float = 0.0
    us_per_call: float | None = None
    alerts: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    by_week: dict[str, int] = field(default_factory=dict)  # ISO weeks
    by_project: dict[str, int] = field(default_factory=dict)
    against: Comparison | None = None  # None: there is nothing that did fire

    def count(self, raised: Iterable[Raised]) -> None:
        """Count alerts by kind, week and project."""
        found = list(raised)
        self.alerts = len(found)
        self.by_kind = _counted(one.kind for one in found)
        self.by_project = _counted(one.project for one in found)
        self.by_week = _counted(_week(one.opened_ms) for one in found)


def compared(now: Iterable[Raised], then: Iterable[Raised]) -> Comparison:
    """The alerts of a trial against those that did fire, each counted once."""
    now, then = list(now), list(then)
    by_series: dict[str, list[Raised]] = {}
    for one in now:
        by_series.setdefault(one.series_id, []).append(one)
    met: set[str] = set()
    seen_again: list[Raised] = []
    only_then: list[Raised] = []
    for one in then:
        found = [other.id for other in by_series.get(one.series_id, ()) if one.meets(other)]
        met.update(found)
        (seen_again if found else only_then).append(one)
    false, false_now = sum(one.is_false for one in then), sum(one.is_false for one in seen_again)
    return Comparison(
        fired=len(then),
        same=len(seen_again),
        only_now=[told(one) for one in now if one.id not in met],
        only_then=[told(one) for one in only_then],
        marked_false=false,
        marked_false_now=false_now,
        precision_then=_share(len(then) - false, len(then)),
        precision_now=_share(len(seen_again) - false_now, len(seen_again)),
    )


def told(one: Raised) -> Told:
    """An alert as the summary names it."""
    at = rfc3339(one.opened_ms)
    return Told(one.id, one.kind, one.project, one.service, one.endpoint, at, one.summary)


def at_ms(text: str) -> int:
    """RFC 3339 as a record has it, in ms since 1970."""
    return ms_of(datetime.fromisoformat(text))


def _week(ms: int) -> str:
    year, week, _ = datetime.fromisoformat(rfc3339(ms)).isocalendar()
    return f"{year}-W{week:02d}"


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
