"""What an alert shows: signals, cause, split, spans, answers, money. Built when it is written."""

from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from lumina_schemas.alert import (
    Alert,
    Answers,
    Cause,
    ChangedAttribute,
    CostPart,
    Signal,
    TopSpan,
)
from lumina_streams.core.alert.cause import MONEY, Rates, find_cause
from lumina_streams.core.alert.changed import MarkEntry, changed_attributes
from lumina_streams.core.alert.cost_split import cost_split
from lumina_streams.core.alert.kind import LEADING, kind_of, severity_of
from lumina_streams.core.alert.links import links_of
from lumina_streams.core.alert.summary import summarise
from lumina_streams.core.baseline.excursion import EXHIBITS, Excursion, Exhibit
from lumina_streams.core.baseline.habit import Habit
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.windows import HOUR_MS
from lumina_streams.core.series.rules import Rules

LEAST_SPAN_MS = 60_000  # shorter excursions say nothing about the rate of calls
DIGITS = 9  # of a USD that a record shows


class Evidence(Struct, frozen=True):
    """The part of an alert that follows from the calls."""

    signals: tuple[Signal, ...]
    since_ms: int
    now_ms: int
    first_ms: int  # start of the first call in question
    cause: Cause | None = None
    cost_split: tuple[CostPart, ...] = ()
    changed_attributes: tuple[ChangedAttribute, ...] = ()
    top_spans: tuple[TopSpan, ...] = ()
    answers: Answers | None = None
    impact_usd_per_h: float | None = None
    impact_usd: float | None = None


class Money(NamedTuple):
    """What the deviation costs."""

    parts: tuple[CostPart, ...] = ()
    usd_per_h: float | None = None
    usd: float | None = None


def gather(
    signals: tuple[Signal, ...],
    leading: Excursion | None,
    quality: Excursion | None,
    habit: Habit,
    rate_before_per_min: float,
    since_ms: int,
    now_ms: int,
    marks: tuple[MarkEntry, ...] = (),
) -> Evidence:
    """Evidence of an alert's signals.

    `leading` is the excursion of the signal that leads (of cost, where cost and quality come together),
    `quality` that of the answers where the alert covers them; `habit` and `rate_before_per_min` (calls) are
    what was usual before. Times are event times; `now_ms` is the series' newest.
    """
    if not signals:
        return Evidence((), since_ms, now_ms, since_ms)
    signals = tuple(sorted(signals, key=lambda signal: LEADING.index(signal.kind)))
    kinds = {signal.kind for signal in signals}
    main = leading or quality
    changed: tuple[ChangedAttribute, ...] = ()
    cause: Cause | None = None
    money = Money()
    first_ms = since_ms
    if main is not None:
        changed = changed_attributes(habit, main, marks, since_ms)
        rates = Rates(rate_before_per_min, _rate_per_min(main, main.n, rate_before_per_min))
        if MONEY & kinds and leading is not None and "unpriced" not in kinds:
            money = _money(leading, habit, rates, "cost_spike" in kinds, now_ms)
        cause = find_cause(kinds, habit, main, changed, money.parts, rates)
        first_ms = min(since_ms, main.first_ms)
    answers = Answers(quality.before, quality.after) if quality is not None and quality.before else None
    shown = [excursion.exhibits for excursion in (leading, quality) if excursion is not None]
    return Evidence(
        signals,
        since_ms,
        now_ms,
        first_ms,
        cause,
        money.parts,
        changed,
        _top_spans(shown),
        answers,
        money.usd_per_h,
        money.usd,
    )


def apply(
    alert: Alert,
    evidence: Evidence,
    missing: tuple[str, ...],
    rules: Rules,
    *,
    adopted: bool = False,
    settings_topic: str = "lumina.settings",
) -> Alert:
    """The alert with fresh evidence; what that does not tell stays as it was. Its life is not touched.

    `adopted`: the level has become the baseline, and the sentence says so.
    """
    fresh = {signal.kind: signal for signal in evidence.signals}
    kept = [signal for signal in alert.signals if signal.kind not in fresh]
    signals = tuple(sorted((*kept, *fresh.values()), key=lambda signal: LEADING.index(signal.kind)))
    if not signals:
        return replace(alert, missing=missing)
    kind = kind_of([signal.kind for signal in signals])
    cause = evidence.cause or alert.cause
    impact = alert.impact_usd_per_h if evidence.impact_usd_per_h is None else evidence.impact_usd_per_h
    top_spans = evidence.top_spans or alert.top_spans
    return replace(
        alert,
        kind=kind,
        severity=severity_of(kind, rules),
        summary=summarise(
            alert.service,
            alert.endpoint,
            kind,
            signals,
            evidence.since_ms,
            evidence.now_ms,
            cause,
            impact,
            adopted,
            settings_topic,
        ),
        signals=signals,
        cause=cause,
        impact_usd_per_h=impact,
        impact_usd=alert.impact_usd if evidence.impact_usd is None else evidence.impact_usd,
        cost_split=evidence.cost_split or alert.cost_split,
        top_spans=top_spans,
        answers=evidence.answers or alert.answers,
        changed_attributes=evidence.changed_attributes or alert.changed_attributes,
        missing=missing,
        links=links_of(alert.id, alert.project, alert.service, alert.endpoint, evidence.first_ms, top_spans),
    )


def _rate_per_min(excursion: Excursion, n: int, before: float) -> float:
    """Rate of `n` of the excursion's calls; it begins and ends with a call, so one less lies between."""
    span_ms = excursion.last_ms - excursion.since_ms
    return max(n - 1, 0) * 60_000 / span_ms if span_ms >= LEAST_SPAN_MS else before


def _money(excursion: Excursion, habit: Habit, rates: Rates, per_call: bool, now_ms: int) -> Money:
    """USD more than before: a call's, at the present rate (`per_call`), or the rate's too."""
    usual = habit.priced
    if not usual.calls or not excursion.priced_n:
        return Money()
    before = usual.cost / usual.calls
    rate_before = rates.before * usual.calls / habit.calls * 60
    rate_after = _rate_per_min(excursion, excursion.priced_n, rate_before / 60) * 60
    parts = cost_split(habit, excursion, rate_before, rate_after)
    counted = [part.usd_per_h for part in parts if not per_call or part.what != "volume"]
    expected = before * excursion.priced_n
    if not per_call:
        expected = before * rate_before * max(now_ms - excursion.since_ms, 0) / HOUR_MS
    return Money(
        tuple(CostPart(part.what, round(part.usd_per_h, DIGITS)) for part in parts),
        round(sum(counted), DIGITS),
        round(excursion.cost_sum - expected, DIGITS),
    )


def _top_spans(shown: list[list[Exhibit]]) -> tuple[TopSpan, ...]:
    """Up to five, from all signals in turn; a span that shows both counts once, with both figures."""
    merged: dict[str, Exhibit] = {}
    for rank in range(EXHIBITS):
        for exhibits in shown:
            if rank < len(exhibits):
                exhibit = exhibits[rank]
                other = merged.get(exhibit.span_id)
                quality = exhibit.quality if other is None or exhibit.quality is not None else other.quality
                merged[exhibit.span_id] = Exhibit(
                    exhibit.at_ms, exhibit.trace_id, exhibit.span_id, exhibit.cost_usd, quality
                )
    return tuple(
        TopSpan(entry.trace_id, entry.span_id, rfc3339(entry.at_ms), entry.cost_usd, entry.quality)
        for entry in list(merged.values())[:EXHIBITS]
    )
