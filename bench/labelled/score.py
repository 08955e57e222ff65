"""News against labels: which incidents were found, how late, and which news were false."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from labelled.incident import COST_TYPES, SIDE_EFFECTS, Incident
from labelled.lookalike import Lookalike
from labelled.need import need_of, upper_bound
from labelled.series import DAY_MS, MINUTE_MS, Plan
from labelled.text.fault import QUALITY_TYPES
from labelled.watch import News

GRACE_MS = 30 * MINUTE_MS
GRACE_CALLS = 10  # ... or as long as so many calls take, on a slow series
ENOUGH = 3.0  # times the need: an incident that holds so many calls must be found
CLAIMED: dict[str, float] = {kind: 1.5 for kind in COST_TYPES} | {"latency": 2.0}
"""Rise of the mean from which an incident must be found; for latency the rule asks for more than 1.5."""

DUAL = "cost_and_quality"
COST_SIGNALS = frozenset({"cost_spike", "spend_spike"})

BANDS = (
    ("below 1.2", 0.0, 1.2),
    ("1.2-1.5", 1.2, 1.5),
    ("1.5-2", 1.5, 2.0),
    ("2-3", 2.0, 3.0),
    ("3+", 3.0, 1e9),
)


@dataclass
class Case:
    """One incident and what became of it."""

    series: int
    onset_ms: int
    type: str  # of a dual one `dual`
    factor: float
    share: float
    effective: float
    spread: float
    need: float  # calls
    calls: int  # that it holds
    found: bool = False
    delay_calls: int = 0
    delay_s: float = 0.0
    alerts: int = 0
    again: int = 0
    kinds: list[str] = field(default_factory=list)
    visible: bool = True  # without a judge
    cost: str = ""  # a dual one's halves
    fault: str = ""  # also of one of quality alone
    fault_share: float = 0.0
    text: str = ""  # kind of the series
    language: str = ""
    variation: float = 0.0
    outcome: str = ""  # of a dual one: one_alert, two_alerts, cost_alone, quality_alone, nothing

    @property
    def enough(self) -> bool:
        """Whether it lasts for enough calls to be found."""
        return self.calls >= ENOUGH * self.need

    @property
    def must(self) -> bool:
        """Whether it is one that must be found."""
        return self.visible and self.enough and self.effective >= CLAIMED.get(self.type, 0.0) - 1e-9


@dataclass
class False_:
    """News that no incident explains."""

    series: int
    at_ms: int
    kind: str
    severity: str
    during: str  # look-alike, or ""


@dataclass
class Result:
    """What one detector made of one series."""

    cases: list[Case]
    false: list[False_]
    giants: int
    quiet_ms: int


def windows(plan: Plan, incidents: Iterable[Incident]) -> list[tuple[int, int]]:
    """When news are no false alerts."""
    grace = max(GRACE_MS, int(GRACE_CALLS / plan.rate_per_min * MINUTE_MS))
    return [(incident.onset_ms, incident.end_ms + grace) for incident in incidents]


def score(
    series: int,
    plan: Plan,
    spread: float,
    incidents: list[Incident],
    lookalikes: list[Lookalike],
    counts: list[tuple[int, int]],
    news: list[News],
    first: list[tuple[int, int]] | None,
    giants: set[int],
    end_ms: int,
) -> Result:
    """Score one detector's news of one series.

    `counts`: for each incident the calls of the series before it and in it. `first`: of a rule whose alerts
    are merged flags, (time, calls) of every flag. `giants`: numbers of calls more than 3 times as dear as any
    before: news at one of them are what the rules ask for. News that an incident does not explain are false
    also while it lasts.
    """
    spans = windows(plan, incidents)
    cases: list[Case] = []
    for incident, (before, calls), (onset, end) in zip(incidents, counts, spans, strict=True):
        need = need_of(incident, plan, spread)
        case = Case(
            series,
            incident.onset_ms,
            incident.label,
            incident.factor,
            incident.share,
            incident.effective,
            spread,
            need,
            calls,
            visible=incident.visible(plan),
        )
        if incident.fault is not None and plan.text is not None:
            case.cost = incident.type if incident.worse else ""
            case.fault, case.fault_share = incident.fault, incident.fault_share
            case.text, case.language = plan.text.kind, plan.text.language
            case.variation = plan.text.variation
        within = [entry for entry in news if onset <= entry.at_ms < end]
        inside = [entry for entry in within if _finds(entry, incident)]
        if incident.worse:
            case.outcome = _outcome(within)
        hits = [(entry.at_ms, entry.calls) for entry in inside]
        if first is not None and not incident.worse and "flag" in incident.explained:
            hits = [hit for hit in first if onset <= hit[0] < end][:1]
        if hits:
            told = [entry for entry in inside if not entry.gained]
            case.found = True
            case.delay_s = (hits[0][0] - onset) / 1000
            case.delay_calls = hits[0][1] - before
            case.alerts = max(1, len({entry.alert_id for entry in told}))
            case.again = max(0, len(told) - case.alerts)
            case.kinds = list(inside[0].signals) if inside else []
        cases.append(case)
    false: list[False_] = []
    of_giants = 0
    flagged = [[entry.at_ms] for entry in news] if first is None else _episodes(news, first)
    for entry, flags in zip(news, flagged, strict=True):
        if any(
            onset <= at < end and _explains(incident, entry)
            for at in flags
            for incident, (onset, end) in zip(incidents, spans, strict=True)
        ):
            continue
        if entry.calls in giants:
            of_giants += 1
            continue
        during = next(
            (label.type for label in lookalikes if label.onset_ms <= entry.at_ms < label.end_ms), ""
        )
        false.append(False_(series, entry.at_ms, entry.kind, entry.severity, during))
    busy = sum(min(end, end_ms) - onset for onset, end in spans)
    return Result(cases, false, of_giants, end_ms - plan.first_ms - busy)


def _finds(entry: News, incident: Incident) -> bool:
    """Whether news tell of an incident; of a dual one only as one alert."""
    if incident.worse:
        return entry.kind == DUAL
    return any(signal in incident.explained for signal in entry.signals)


def _explains(incident: Incident, entry: News) -> bool:
    """Whether an incident explains news. An alert on both is false where cost or quality is as ever."""
    if entry.kind == DUAL and not incident.worse:
        return False
    aside = SIDE_EFFECTS.get(incident.type, frozenset())
    return any(signal in incident.explained or signal in aside for signal in entry.signals)


def _outcome(news: list[News]) -> str:
    """What became of a dual incident."""
    if any(entry.kind == DUAL for entry in news):
        return "one_alert"
    cost = any(not COST_SIGNALS.isdisjoint(entry.signals) for entry in news)
    quality = any("quality_drop" in entry.signals for entry in news)
    return (
        "two_alerts"
        if cost and quality
        else "cost_alone"
        if cost
        else "quality_alone"
        if quality
        else "nothing"
    )


def _episodes(news: list[News], flags: list[tuple[int, int]]) -> list[list[int]]:
    """The flags' times by the news that they were merged into."""
    starts = [entry.at_ms for entry in news]
    groups: list[list[int]] = [[] for _ in news]
    place = 0
    for at_ms, calls in flags:
        while place + 1 < len(news) and news[place + 1].calls <= calls and starts[place + 1] <= at_ms:
            place += 1
        groups[place].append(at_ms)
    return groups


def summary(results: list[Result], lookalikes: Counter[str], size: int) -> dict[str, Any]:
    """The figures of one detector over all series, for a project of `size` series."""
    cases = [case for result in results for case in result.cases]
    false = [entry for result in results for entry in result.false]
    days = sum(result.quiet_ms for result in results) / DAY_MS
    alerts = sum(case.alerts + case.again for case in cases)
    found = [case for case in cases if case.found]
    week = 7 * size / max(days, 1e-9)
    asked = [case for case in cases if case.type in COST_TYPES]
    of_quality = [case for case in cases if case.type in QUALITY_TYPES and case.must]
    duals = [case for case in cases if case.type == "dual" and case.must]
    by_severity = Counter(entry.severity for entry in false)
    return {
        "precision": _share(alerts, alerts + len(false)),
        "cost_recall_from_1.5": _recall(case for case in asked if case.must),
        "quality_recall": _recall(case for case in cases if case.type in QUALITY_TYPES and case.must),
        "dual_recall": _recall(case for case in cases if case.type == "dual" and case.must),
        "alerts_per_incident": _share(sum(case.alerts for case in found), len(found)),
        "openings_per_incident": _share(alerts, len(found)),
        "delay_over_need_p50": _median(
            case.delay_calls / case.need
            for case in asked
            if case.found and case.must and case.type != "slow_leak"
        ),
        "by_type": {
            kind: _of_type([case for case in cases if case.type == kind])
            for kind in sorted({case.type for case in cases})
        },
        "by_rise": {
            name: _of_type(
                [case for case in asked if case.type != "slow_leak" and low <= case.effective + 1e-9 < high]
            )
            for name, low, high in BANDS
        },
        "quality": {name: _by(of_quality, name) for name in ("text", "language", "variation", "fault_share")},
        "dual": {
            "outcomes": Counter(case.outcome for case in duals),
            **{name: _by(duals, name) for name in ("cost", "fault", "text", "fault_share")},
        },
        "giants_alerted": sum(result.giants for result in results),
        "false": {
            "alerts": len(false),
            "by_kind": Counter(entry.kind for entry in false),
            "by_kind_per_project_week": {
                kind: round(count * week, 3)
                for kind, count in sorted(Counter(entry.kind for entry in false).items())
            },
            "by_severity": by_severity,
            "quiet_series_days": round(days, 1),
            "per_project_week": round(len(false) * week, 3),
            "per_project_week_upper_95": round(upper_bound(len(false)) * week, 3),
            "by_lookalike": {
                kind: [sum(entry.during == kind for entry in false), number]
                for kind, number in sorted(lookalikes.items())
            },
            "outside_of_lookalikes": sum(not entry.during for entry in false),
        },
    }


def listing(results: list[Result]) -> dict[str, Any]:
    """Every case and every false alert, to look into."""
    return {
        "cases": [asdict(case) for result in results for case in result.cases],
        "false": [asdict(entry) for result in results for entry in result.false],
    }


def _of_type(cases: list[Case]) -> dict[str, Any]:
    found = [case for case in cases if case.found]
    return {
        "incidents": len(cases),
        "recall": _recall(iter(cases)),
        "recall_where_enough": _recall(case for case in cases if case.must),
        "delay_calls_p50": _median(case.delay_calls for case in found),
        "delay_s_p50": _median(case.delay_s for case in found),
        "delay_over_need_p50": _median(case.delay_calls / case.need for case in found),
        "by": Counter(kind for case in found for kind in case.kinds),
    }


def _by(cases: list[Case], name: str) -> dict[str, Any]:
    """Recall by the values of a field."""
    values = sorted({getattr(case, name) for case in cases})
    return {str(value): _recall(case for case in cases if getattr(case, name) == value) for value in values}


def _recall(cases: Iterable[Case]) -> dict[str, Any]:
    of = list(cases)
    return {"value": _share(sum(case.found for case in of), len(of)), "incidents": len(of)}


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 3) if whole else None


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return round(median(found), 2) if found else None
