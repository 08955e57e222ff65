"""The fold: what a series learned from its calls since the last one. The only change to cold state."""

from collections.abc import Callable, Iterable
from itertools import groupby
from math import exp, isnan
from operator import itemgetter

from lumina_streams.core.alert.book import LaneName
from lumina_streams.core.baseline.cost import fit_cost
from lumina_streams.core.baseline.lane import Lane
from lumina_streams.core.baseline.sketch import Sketch
from lumina_streams.core.baseline.windows import WINDOW_MS, Measure
from lumina_streams.core.quality.score import Tally, fit_quality
from lumina_streams.core.series.pending import (
    COMPARED,
    COST_HELD,
    COST_UP,
    HARD,
    JSON,
    NO_BYTE,
    NO_TOKENS,
    QUALITY_HELD,
    QUALITY_UP,
    TEMPLATE,
    UNLIKE_ANSWER,
    Pending,
    unpack_pending,
)
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import BY_COST, BY_QUALITY, Cold, SeriesState

LEAST_ADOPTED = 50  # calls that a level needs, however long it holds
LEAST_QUALITY = 0.01
KNOWN_VALUES = 8  # models (prompt versions) whose shares are known
KNOWN_CALLS = 4000  # counted before they are halved

Points = dict[Measure, list[float]]


def fold(state: SeriesState, rules: Rules) -> list[LaneName]:
    """Learn the pending calls and refit the tests; returns the signals whose new level was adopted."""
    hot, cold = state.hot, state.cold
    now_ms = hot.newest_ms
    rows = list(unpack_pending(hot.pending))
    times = [max(hot.fold_ms + row.after_ms, 0) for row in rows]

    cost_taught, cost_held = _sort(hot.cost, hot.cost.test.alone_h, rows, COST_UP, COST_HELD)
    quality_hot = hot.quality.is_hot(hot.quality.test.alone_h)
    quality_taught, quality_held = _sort(
        hot.quality, hot.quality.test.alone_h, rows, QUALITY_UP, QUALITY_HELD
    )
    _drop_stale(cold, hot.cost, hot.quality)
    _teach(cold, rows, times, cost_taught, quality_taught)
    for index in cost_held:
        _hold(cold, _cost_points(rows[index]))
    for index in quality_held:
        _hold(cold, _quality_points(rows[index]))
    cold.held_tally.add(_tally(rows[index] for index in quality_held))
    _learn_known(cold, rows, set(cost_taught) & set(quality_taught), hot.labels)

    used = (row.slot for row in rows if row.slot != NO_BYTE)
    cold.references.learn([] if quality_hot else hot.candidates, used, hot.folds)
    adopted = _settle(state, rules, now_ms)

    if not hot.cost.is_held or "cost" in adopted:
        hot.cost.test = fit_cost(cold.baselines, rules, now_ms)
    if not hot.quality.is_held or "quality" in adopted:
        hot.quality.test = fit_quality(cold.baselines, cold.tally, rules, now_ms)

    hot.pending = bytearray()
    hot.labels = []
    hot.candidates = []
    hot.fold_ms = now_ms
    hot.folds += 1
    if not state.cold_dirty:
        hot.cold_version += 1
        state.cold_dirty = True
    return adopted


def _sort(lane: Lane, alone_h: float, rows: list[Pending], up: int, held: int) -> tuple[list[int], list[int]]:
    """(rows to teach, rows to hold back). Rows of an incident that is over are in neither."""
    if lane.is_held:
        return [], list(range(len(rows)))
    if lane.is_chance:
        lane.dismiss()
    end = len(rows)
    if lane.is_hot(alone_h):
        while end and rows[end - 1].flags & up:
            end -= 1
    taught = [index for index in range(end) if not rows[index].flags & held]
    return taught, list(range(end, len(rows)))


def _drop_stale(cold: Cold, cost: Lane, quality: Lane) -> None:
    if cost.stale:
        cost.stale = False
        _clear(cold, BY_COST)
    if quality.stale:
        quality.stale = False
        _clear(cold, BY_QUALITY)
        cold.held_tally = Tally()


def _clear(cold: Cold, measures: Iterable[Measure]) -> None:
    for measure in measures:
        cold.held[measure] = Sketch()


def _teach(
    cold: Cold, rows: list[Pending], times: list[int], cost_taught: list[int], quality_taught: list[int]
) -> None:
    """Add points to the windows that they lie in."""
    by_cost, by_quality = set(cost_taught), set(quality_taught)
    placed = sorted((at_ms - at_ms % WINDOW_MS, index) for index, at_ms in enumerate(times))
    for window, group in groupby(placed, key=itemgetter(0)):
        points: Points = {}
        for _, index in group:
            row = rows[index]
            points.setdefault("latency", []).append(row.latency_ms)
            if index in by_cost:
                _collect(points, _cost_points(row))
            if index in by_quality:
                _collect(points, _quality_points(row))
        cold.baselines.teach(window, {measure: Sketch.of(values) for measure, values in points.items()})
    cold.tally.add(_tally(rows[index] for index in quality_taught))


def _collect(points: Points, more: list[tuple[Measure, float]]) -> None:
    for measure, value in more:
        if measure in points:
            points[measure].append(value)
        else:
            points[measure] = [value]


def _hold(cold: Cold, points: list[tuple[Measure, float]]) -> None:
    for measure, value in points:
        cold.held[measure].add(value)


def _cost_points(row: Pending) -> list[tuple[Measure, float]]:
    points: list[tuple[Measure, float]] = []
    if not isnan(row.cost):
        points.append(("cost", row.cost))
    if row.input_tokens != NO_TOKENS:
        points.append(("input_tokens", row.input_tokens))
    if row.output_tokens != NO_TOKENS:
        points.append(("output_tokens", row.output_tokens))
    return points


def _quality_points(row: Pending) -> list[tuple[Measure, float]]:
    if row.quality == NO_BYTE:
        return []
    points: list[tuple[Measure, float]] = [("quality", max(row.score, LEAST_QUALITY))]
    if not isnan(row.logit):
        points.append(("odds_template" if row.flags & TEMPLATE else "odds_exact", exp(row.logit)))
    return points


def _tally(rows: Iterable[Pending]) -> Tally:
    tally = Tally()
    for row in rows:
        if row.quality != NO_BYTE:
            flags = row.flags
            tally.scored += 1
            tally.hard += bool(flags & HARD)
            tally.json += bool(flags & JSON)
            if flags & COMPARED and not flags & HARD:
                tally.compared += 1
                tally.unlike += bool(flags & UNLIKE_ANSWER)
    return tally


def _learn_known(cold: Cold, rows: list[Pending], taught: set[int], labels: list[str]) -> None:
    label_of: tuple[tuple[str, Callable[[Pending], int]], ...] = (
        ("request_model", lambda row: row.model),
        ("prompt_version", lambda row: row.version),
    )
    for what, label in label_of:
        counts = cold.known[what]
        for index in sorted(taught):
            number = label(rows[index])
            if number == NO_BYTE:
                continue
            value = labels[number]
            if value in counts or len(counts) < KNOWN_VALUES:
                counts[value] = counts.get(value, 0) + 1
        if sum(counts.values()) >= KNOWN_CALLS:
            cold.known[what] = {value: count // 2 for value, count in counts.items() if count >= 2}


def _settle(state: SeriesState, rules: Rules, now_ms: int) -> list[LaneName]:
    """Give points that were held back to the baseline: by chance deviating, or a level that stays."""
    hot, cold = state.hot, state.cold
    adopted: list[LaneName] = []
    if _stays(hot.cost, cold.held["cost"].n, rules, now_ms):
        for measure in BY_COST:
            cold.baselines.replace(now_ms, measure, cold.held[measure])
        _clear(cold, BY_COST)
        adopted.append("cost")
    elif not hot.cost.is_hot(hot.cost.test.alone_h):
        _release(cold, BY_COST, now_ms)
    if _stays(hot.quality, cold.held_tally.scored, rules, now_ms):
        for measure in BY_QUALITY:
            cold.baselines.replace(now_ms, measure, cold.held[measure])
        _clear(cold, BY_QUALITY)
        cold.tally, cold.held_tally = cold.held_tally, Tally()
        cold.references.clear()
        adopted.append("quality")
    elif not hot.quality.is_hot(hot.quality.test.alone_h):
        _release(cold, BY_QUALITY, now_ms)
        cold.tally.add(cold.held_tally)
        cold.held_tally = Tally()
    return adopted


def _stays(lane: Lane, n: int, rules: Rules, now_ms: int) -> bool:
    if not lane.is_held or lane.excursion is None or lane.calm > 0:
        return False
    long = now_ms - lane.excursion.since_ms >= rules.adopt_after_s * 1000
    return n >= rules.adopt_calls or (long and n >= LEAST_ADOPTED)


def _release(cold: Cold, measures: tuple[Measure, ...], now_ms: int) -> None:
    points = {measure: cold.held[measure] for measure in measures if cold.held[measure].n}
    if points:
        cold.baselines.teach(now_ms, points)
        _clear(cold, measures)
