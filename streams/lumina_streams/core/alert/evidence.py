"""What an alert shows: signals, cause, spans, answers, money. Built from the lanes when it is written."""

from math import exp

from msgspec import Struct

from lumina_schemas.alert import Answers, Baseline, Cause, Signal, TopSpan
from lumina_streams.core.alert.summary import quality_detail
from lumina_streams.core.baseline.excursion import EXHIBITS, Excursion, Exhibit
from lumina_streams.core.baseline.lane import CostLane, QualityLane
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.series.rules import Rules

CAUSE_SHARE = 0.3  # a value must be so much more common among new calls than before
CAUSE_RATIO = 1.2  # tokens must have grown so much
LEAST_SPAN_MS = 60_000  # shorter excursions say nothing about the rate of calls

Known = dict[str, dict[str, int]]
"""Attribute -> value -> calls of the baseline."""


class Evidence(Struct, frozen=True):
    """The part of an alert that follows from the calls."""

    signals: tuple[Signal, ...]
    since_ms: int
    ratio: float  # how far off, for deciding whether an update is news
    cause: Cause | None
    top_spans: tuple[TopSpan, ...]
    answers: Answers | None
    impact_usd_per_h: float | None


def gather(
    cost: CostLane | None,
    quality: QualityLane | None,
    known: Known,
    rate_per_min: float,
    rules: Rules,
) -> Evidence:
    """Evidence of the lanes that an alert covers (None: not covered, or nothing to show)."""
    dual = cost is not None and quality is not None
    signals: list[Signal] = []
    starts: list[int] = []
    shown: list[list[Exhibit]] = []
    cause: Cause | None = None
    answers: Answers | None = None
    impact: float | None = None
    ratio = 1.0
    if cost is not None and cost.excursion is not None:
        excursion = cost.excursion
        signal = cost_signal(cost, excursion, dual, rules)
        signals.append(signal)
        starts.append(excursion.since_ms)
        shown.append(excursion.exhibits)
        cause = find_cause(excursion, cost, known)
        impact = impact_per_h(excursion, cost.reference.mean, rate_per_min)
        ratio *= signal.ratio
    if quality is not None and quality.excursion is not None:
        excursion = quality.excursion
        signal = quality_signal(quality, excursion, dual, rules)
        signals.append(signal)
        starts.append(excursion.since_ms)
        shown.append(excursion.exhibits)
        cause = cause or find_cause(excursion, None, known)
        if excursion.before:
            answers = Answers(excursion.before, excursion.after)
        ratio /= max(signal.ratio, 0.05)
    return Evidence(tuple(signals), min(starts, default=0), ratio, cause, _top_spans(shown), answers, impact)


def cost_signal(lane: CostLane, excursion: Excursion, dual: bool, rules: Rules) -> Signal:
    """The cost half."""
    test = lane.reference
    value = exp(excursion.level)
    if lane.giant:
        detail = f"one call {lane.giant:.3g}x the dearest earlier one"
    elif lane.evidence[1] > lane.evidence[0]:
        detail = "calls far beyond the series' spread"
    else:
        detail = "the level of cost per call rose"
    return Signal(
        kind="cost_spike",
        value=value,
        baseline=Baseline(test.p50, test.p95, test.n, test.window),
        ratio=value / test.p50 if test.p50 else 1.0,
        significance=round(lane.strength(test.joint_h if dual else test.alone_h, rules), 3),
        n=excursion.n,
        since=rfc3339(excursion.since_ms),
        detail=detail,
    )


def quality_signal(lane: QualityLane, excursion: Excursion, dual: bool, rules: Rules) -> Signal:
    """The quality half."""
    test = lane.reference
    return Signal(
        kind="quality_drop",
        value=round(excursion.level, 4),
        baseline=Baseline(test.p50, test.p95, test.n, test.window),
        ratio=excursion.level / test.p50 if test.p50 else 1.0,
        significance=round(lane.strength(test.joint_h if dual else test.alone_h, rules), 3),
        n=excursion.n,
        since=rfc3339(excursion.since_ms),
        detail=quality_detail(excursion),
    )


def find_cause(excursion: Excursion, lane: CostLane | None, known: Known) -> Cause | None:
    """The attribute that separates new calls from old ones: a switch first, else tokens (cost only)."""
    for what, counts in (("request_model", excursion.models), ("prompt_version", excursion.versions)):
        cause = _switch(what, counts, known.get(what, {}))
        if cause is not None:
            return cause
    if lane is None:
        return None
    test = lane.reference
    grown: list[tuple[float, Cause]] = []
    for what, total, n, before in (
        ("input_tokens", excursion.input_sum, excursion.input_n, test.input_p50),
        ("output_tokens", excursion.output_sum, excursion.output_n, test.output_p50),
    ):
        if n and before >= 1 and total / n >= CAUSE_RATIO * before:
            share = n / excursion.n
            grown.append((total / n / before, Cause(what, f"{before:.0f}", f"{total / n:.0f}", share)))
    return max(grown, key=lambda entry: entry[0])[1] if grown else None


def _switch(what: str, new: dict[str, int], old: dict[str, int]) -> Cause | None:
    calls, known = sum(new.values()), sum(old.values())
    if not calls or not known:
        return None
    gains = {value: count / calls - old.get(value, 0) / known for value, count in new.items() if value}
    if not gains:
        return None
    to = max(gains, key=lambda value: (gains[value], value))
    if gains[to] < CAUSE_SHARE:
        return None
    before = [value for value in old if value != to]
    from_ = max(before, key=lambda value: (old[value], value), default="")
    return Cause(what, from_ or "none", to, round(new[to] / calls, 4))


def impact_per_h(excursion: Excursion, mean_before: float, rate_per_min: float) -> float | None:
    """USD an hour more than before, at the rate of calls of the excursion."""
    if not excursion.n:
        return None
    span_ms = excursion.last_ms - excursion.since_ms
    rate = excursion.n * 60_000 / span_ms if span_ms >= LEAST_SPAN_MS else rate_per_min
    return round((excursion.cost_sum / excursion.n - mean_before) * rate * 60, 6)


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
