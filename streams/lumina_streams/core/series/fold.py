"""The fold: what a series learned from its calls since the last one. The only change to cold state."""

from collections.abc import Iterable
from itertools import groupby
from math import exp, isnan, log
from operator import itemgetter

from lumina_streams.core.baseline.fit import fit_cost, fit_latency, fit_share, fit_spend
from lumina_streams.core.baseline.habit import OTHER, Usage
from lumina_streams.core.baseline.lane import Lane, LaneName
from lumina_streams.core.baseline.level import LevelTest
from lumina_streams.core.baseline.level_lane import CostLane, LatencyLane
from lumina_streams.core.baseline.rhythm import Rhythm
from lumina_streams.core.baseline.sketch import LOWEST, Sketch
from lumina_streams.core.baseline.windows import HOUR_MS, MINUTE_MS, WINDOW_MS, Measure
from lumina_streams.core.quality.fit import fit_quality
from lumina_streams.core.quality.history import PLACES, History
from lumina_streams.core.quality.lane import QualityLane
from lumina_streams.core.series.pending import (
    COST_HELD,
    COST_UP,
    FAILED,
    LATENCY_HELD,
    LATENCY_UP,
    NO_BYTE,
    NO_TOKENS,
    QUALITY_HELD,
    QUALITY_UP,
    SPEND_HELD,
    UNPRICED,
    Pending,
    unpack_pending,
)
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import BY_COST, BY_LATENCY, BY_QUALITY, Cold, Hot, SeriesState

LEAST_ADOPTED = 50  # calls that a level needs, however long it holds
LEAST_QUALITY = 0.01
QUALITY_STEPS = 200.0
CUT_SCALES = 3.0  # spreads from the median at which a call's weight in the rhythm ends
SLOT_MINUTES = WINDOW_MS / MINUTE_MS

Points = dict[Measure, list[float]]


def fold(state: SeriesState, rules: Rules) -> list[LaneName]:
    """Learn the pending calls and refit the tests; returns the signals whose new level was adopted."""
    hot, cold = state.hot, state.cold
    now_ms = hot.newest_ms
    rows = list(unpack_pending(hot.pending))
    times = [max(hot.fold_ms + row.after_ms, 0) for row in rows]

    _drop_chance(state, rules, now_ms)
    cost_taught, cost_held = _sort(hot.cost, rows, COST_UP, COST_HELD)
    latency_taught, latency_held = _sort(hot.latency, rows, LATENCY_UP, LATENCY_HELD)
    quality_hot = hot.quality.is_hot
    quality_taught, quality_held = _sort(hot.quality, rows, QUALITY_UP, QUALITY_HELD)
    _drop_stale(cold, hot)
    _teach(hot, cold, rows, times, set(cost_taught), set(latency_taught), set(quality_taught))
    _teach_answers(hot, cold, rows, quality_taught, quality_held)
    _teach_rhythms(hot, cold, rows, times, cost_taught, latency_taught)
    _teach_spend(hot, cold, rows, times)
    for index in cost_held:
        _hold(cold, _cost_points(rows[index]))
    for index in latency_held:
        _hold(cold, _latency_points(rows[index]))
    for index in quality_held:
        _hold(cold, _quality_points(rows[index]))
    _learn_habit(cold, rows, set(cost_taught) & set(quality_taught), hot.labels)

    used = (row.slot for row in rows if row.slot != NO_BYTE)
    cold.references.learn([] if quality_hot else hot.candidates, used, hot.folds)
    cold.references.see(key for row in rows if row.quality != NO_BYTE for key in {row.exact, row.template})
    adopted = _settle(state, rules, now_ms)
    _refit(state, rules, adopted, now_ms)

    hot.pending = bytearray()
    hot.labels = []
    hot.candidates = []
    hot.slots = []
    hot.fold_ms = now_ms
    hot.folds += 1
    if not state.cold_dirty:
        hot.cold_version += 1
        state.cold_dirty = True
    return adopted


def _refit(state: SeriesState, rules: Rules, adopted: list[LaneName], now_ms: int) -> None:
    """Let the signals decide by what the baseline is now; those that an alert holds keep what they had."""
    hot, cold = state.hot, state.cold
    baselines = cold.baselines
    if not hot.cost.is_held or "cost" in adopted:
        fit_cost(hot.cost, baselines, cold.cost_rhythm, rules, now_ms)
    if not hot.latency.is_held or "latency" in adopted:
        fit_latency(hot.latency, baselines, cold.latency_rhythm, rules, now_ms)
    if not hot.errors.is_held or "errors" in adopted:
        fit_share(hot.errors, "errors", None, baselines, rules, now_ms)
    if not hot.unpriced_share.is_held or "unpriced" in adopted:
        fit_share(hot.unpriced_share, "unpriced", "cost", baselines, rules, now_ms)
    if not hot.spend.is_held or "spend" in adopted:
        fit_spend(hot.spend, cold.spend, baselines, rules, now_ms)
    if not hot.quality.is_held or "quality" in adopted:
        hot.quality.test = fit_quality(baselines, cold.answers, rules, now_ms)


def _drop_chance(state: SeriesState, rules: Rules, now_ms: int) -> None:
    """Let deviations go that came to nothing. One that must be quiet for a while did not come to nothing."""
    for name in ("cost", "latency", "quality"):
        lane = state.lanes[name]
        if lane.is_chance and not state.hot.book.is_quiet(name, now_ms, rules.cooldown_s):
            lane.dismiss()


def _sort(
    lane: CostLane | LatencyLane | QualityLane, rows: list[Pending], up: int, held: int
) -> tuple[list[int], list[int]]:
    """(rows to teach, rows to hold back). Rows of an incident that is over are in neither."""
    end = len(rows)
    waits = up | held if lane.is_held else up if lane.is_hot else 0
    while end and rows[end - 1].flags & waits:
        end -= 1
    taught = [index for index in range(end) if not rows[index].flags & held]
    return taught, list(range(end, len(rows)))


def _drop_stale(cold: Cold, hot: Hot) -> None:
    """Forget the points of incidents that are over; after an adopted level what was before it comes back."""
    for name, level, measures, rhythm in _levels(hot, cold):
        if level.open:
            continue
        kept = cold.kept.pop(name, None)
        if kept is not None and level.returned:
            before = level.test.median
            cold.baselines.restore(measures, kept)
            level.test = LevelTest()
            median = log(max(cold.baselines.reference(measures[0])[1].quantile(0.5), LOWEST))
            _move(cold, name, rhythm, median - before)
        level.returned = False
    for lane, measures in ((hot.cost, BY_COST), (hot.latency, BY_LATENCY), (hot.quality, BY_QUALITY)):
        if lane.stale:
            lane.stale = False
            _clear(cold, measures)
            if lane is hot.quality:
                cold.held_answers = History()


def _move(cold: Cold, name: LaneName, rhythm: Rhythm, by: float) -> None:
    """Move what is known of the hours to another level (log); so much more, or less, is spent from now on."""
    rhythm.shift(by)
    if name == "cost":
        cold.spend.scale(exp(by))


def _clear(cold: Cold, measures: Iterable[Measure]) -> None:
    for measure in measures:
        cold.held[measure] = Sketch()


def _teach(
    hot: Hot,
    cold: Cold,
    rows: list[Pending],
    times: list[int],
    by_cost: set[int],
    by_latency: set[int],
    by_quality: set[int],
) -> None:
    """Add points to the windows that they lie in."""
    shares = not hot.errors.is_hot, not hot.unpriced_share.is_hot
    placed = sorted((at_ms - at_ms % WINDOW_MS, index) for index, at_ms in enumerate(times))
    for window, group in groupby(placed, key=itemgetter(0)):
        points: Points = {}
        for _, index in group:
            row = rows[index]
            _collect(points, _count_points(row, *shares))
            if index in by_latency:
                _collect(points, _latency_points(row))
            if index in by_cost:
                _collect(points, _cost_points(row))
            if index in by_quality:
                _collect(points, _quality_points(row))
        cold.baselines.teach(window, {measure: Sketch.of(values) for measure, values in points.items()})


def _teach_answers(hot: Hot, cold: Cold, rows: list[Pending], taught: list[int], held: list[int]) -> None:
    """Count what answers showed, and what tools and retrievals beside them did."""
    languages = dict(enumerate(hot.labels))
    for indices, history in ((taught, cold.answers), (held, cold.held_answers)):
        for index in indices:
            row = rows[index]
            if row.quality != NO_BYTE:
                history.add(row.reading(languages))
    if hot.asides:
        history = cold.held_answers if hot.quality.is_hot else cold.answers
        tools, failed, retrievals, empty = hot.asides
        history.try_aside(PLACES["tool_error"], tools, failed)
        history.try_aside(PLACES["no_documents"], retrievals, empty)
        hot.asides = []
    cold.answers.fade()


def _teach_rhythms(
    hot: Hot, cold: Cold, rows: list[Pending], times: list[int], cost: list[int], latency: list[int]
) -> None:
    """Tell the hours of the day what they came to, giants cut."""
    for lane, rhythm, taught, of in (
        (hot.cost, cold.cost_rhythm, cost, _cost_point),
        (hot.latency, cold.latency_rhythm, latency, _latency_point),
    ):
        test = lane.test
        if not test.in_force:
            continue
        by_tokens = lane.unit == "tokens_per_call"
        for index in taught:
            value = of(rows[index], by_tokens)
            if value is not None:
                x = log(max(value, LOWEST))
                x = min(max(x, test.median - CUT_SCALES * test.scale), test.median + CUT_SCALES * test.scale)
                rhythm.learn(times[index], x, test.scale)


def _teach_spend(hot: Hot, cold: Cold, rows: list[Pending], times: list[int]) -> None:
    """Add what was spent to its hours, and closed slots of five minutes to the windows."""
    cap = hot.spend.cap
    hours: dict[int, float] = {}
    for row, at_ms in zip(rows, times, strict=True):
        if not isnan(row.cost) and not row.flags & SPEND_HELD:
            hour = at_ms - at_ms % HOUR_MS
            hours[hour] = hours.get(hour, 0.0) + (min(row.cost, cap) if cap else row.cost)
    for hour, usd in sorted(hours.items()):
        cold.spend.add(hour, usd)
    for at_ms, usd in hot.slots:
        cold.spend.peak(at_ms, usd)
        if usd > 0:
            window = at_ms - at_ms % WINDOW_MS
            cold.baselines.teach(window, {"spend": Sketch.of([usd / SLOT_MINUTES])})


def _collect(points: Points, more: list[tuple[Measure, float]]) -> None:
    for measure, value in more:
        if measure in points:
            points[measure].append(value)
        else:
            points[measure] = [value]


def _hold(cold: Cold, points: list[tuple[Measure, float]]) -> None:
    for measure, value in points:
        cold.held[measure].add(value)


def _cost_point(row: Pending, by_tokens: bool) -> float | None:
    if by_tokens:
        return row.weighted
    return None if isnan(row.cost) else row.cost


def _latency_point(row: Pending, by_tokens: bool) -> float | None:
    return None if row.flags & FAILED or row.latency_ms <= 0 else row.latency_ms


def _count_points(row: Pending, errors: bool, unpriced: bool) -> list[tuple[Measure, float]]:
    points: list[tuple[Measure, float]] = [("calls", 1.0)]
    if row.flags & FAILED and errors:
        points.append(("errors", 1.0))
    if row.flags & UNPRICED and unpriced:
        points.append(("unpriced", 1.0))
    return points


def _latency_points(row: Pending) -> list[tuple[Measure, float]]:
    points: list[tuple[Measure, float]] = []
    if not row.flags & FAILED and row.latency_ms > 0:
        points.append(("latency", row.latency_ms))
        if row.ttft_ms > 0:
            points.append(("ttft", row.ttft_ms))
    return points


def _cost_points(row: Pending) -> list[tuple[Measure, float]]:
    points: list[tuple[Measure, float]] = []
    if not isnan(row.cost):
        points.append(("cost", row.cost))
    if row.input_tokens != NO_TOKENS:
        points.append(("input_tokens", row.input_tokens))
    if row.output_tokens != NO_TOKENS:
        points.append(("output_tokens", row.output_tokens))
    if not row.flags & FAILED and (weighted := row.weighted) is not None:
        points.append(("tokens", weighted))
    return points


def _quality_points(row: Pending) -> list[tuple[Measure, float]]:
    if row.quality == NO_BYTE:
        return []
    return [("quality", max(row.quality / QUALITY_STEPS, LEAST_QUALITY))]


def _learn_habit(cold: Cold, rows: list[Pending], taught: set[int], labels: list[str]) -> None:
    """Count the calls of each model, version and release together: most folds have one of each."""
    alike: dict[tuple[int, int, int, bool], Usage] = {}
    failed = 0
    for index in sorted(taught):
        row = rows[index]
        priced = not isnan(row.cost)
        key = (row.model, row.version, row.release, priced)
        usage = alike.get(key)
        if usage is None:
            usage = alike[key] = Usage()
        usage.add(
            row.cost if priced else None,
            None if row.input_tokens == NO_TOKENS else row.input_tokens,
            row.cached_tokens,
            None if row.output_tokens == NO_TOKENS else row.output_tokens,
        )
        failed += bool(row.flags & FAILED)
    names = dict(enumerate(labels)) | {NO_BYTE: OTHER}
    for (model, version, release, priced), usage in alike.items():
        cold.habit.count(names[model], names[version], names[release], priced, usage)
    cold.habit.failed += failed
    cold.habit.fade()


def _levels(
    hot: Hot, cold: Cold
) -> tuple[tuple[LaneName, CostLane | LatencyLane, tuple[Measure, ...], Rhythm], ...]:
    return (
        ("cost", hot.cost, BY_COST, cold.cost_rhythm),
        ("latency", hot.latency, BY_LATENCY, cold.latency_rhythm),
    )


def _settle(state: SeriesState, rules: Rules, now_ms: int) -> list[LaneName]:
    """Give points that were held back to the baseline: by chance deviating, or a level that stays."""
    hot, cold = state.hot, state.cold
    adopted: list[LaneName] = []
    for name, level, measures, rhythm in _levels(hot, cold):
        if _stays(level, max(cold.held[measure].n for measure in measures), rules, now_ms):
            _move(cold, name, rhythm, level.recent.log - level.test.median)
            if level.open and name not in cold.kept:
                cold.kept[name] = cold.baselines.keep(measures)
            for measure in measures:
                cold.baselines.replace(now_ms, measure, cold.held[measure])
            _clear(cold, measures)
            level.test = LevelTest()
            adopted.append(name)
        elif not level.is_hot:
            _release(cold, measures, now_ms)
    if _stays(hot.quality, cold.held_answers.scored, rules, now_ms):
        for measure in BY_QUALITY:
            cold.baselines.replace(now_ms, measure, cold.held[measure])
        _clear(cold, BY_QUALITY)
        cold.answers, cold.held_answers = cold.held_answers, History()
        cold.references.clear()
        adopted.append("quality")
    elif not hot.quality.is_hot:
        _release(cold, BY_QUALITY, now_ms)
        cold.answers.merge(cold.held_answers)
        cold.held_answers = History()
    for name in ("errors", "unpriced", "spend"):
        lane = state.lanes[name]
        if lane.excursion is not None and _stays(lane, lane.excursion.n, rules, now_ms):
            lane.take_level()
            adopted.append(name)
    return adopted


def _stays(lane: Lane, n: int, rules: Rules, now_ms: int) -> bool:
    if not lane.is_held or lane.excursion is None or lane.calm > 0:
        return False
    long = lane.accepting or now_ms - lane.begun_ms >= rules.adopt_after_s * 1000
    return long and n >= LEAST_ADOPTED


def _release(cold: Cold, measures: tuple[Measure, ...], now_ms: int) -> None:
    points = {measure: cold.held[measure] for measure in measures if cold.held[measure].n}
    if points:
        cold.baselines.teach(now_ms, points)
        _clear(cold, measures)
