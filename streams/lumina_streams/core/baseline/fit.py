"""From what a series learned to what decides about its next calls. Runs at folds, never at calls."""

from math import log

from msgspec.structs import replace

from lumina_streams.core.baseline.budget import thresholds
from lumina_streams.core.baseline.level import LevelTest, fit_level_test
from lumina_streams.core.baseline.level_lane import CostLane, LatencyLane, LevelLane
from lumina_streams.core.baseline.rhythm import Rhythm
from lumina_streams.core.baseline.sequential import LEAST_CALLS
from lumina_streams.core.baseline.share_lane import ShareLane, fit_share_test
from lumina_streams.core.baseline.spend import SpendHistory
from lumina_streams.core.baseline.spend_lane import SpendLane
from lumina_streams.core.baseline.windows import HOUR_MS, MINUTE_MS, Baselines, Measure
from lumina_streams.core.series.rules import Rules

LEAST_SCALE = 0.1  # spread of a log value below which differences are no news
UNSEEN_COST = 0.12  # log: by how much an hour of the day that was never seen may differ
UNSEEN_LATENCY = 0.35  # ... latency follows the load
GROWN = 1.05  # a baseline that has grown by less is not read again ...
REFIT_MS = 30 * MINUTE_MS  # ... unless so much time has passed


def fit_cost(lane: CostLane, baselines: Baselines, rhythm: Rhythm, rules: Rules, now_ms: int) -> None:
    """Learn what decides about cost; by weighted tokens where most calls have no price."""
    by_tokens = baselines.count("tokens") > 2 * baselines.count("cost")
    measure: Measure = "tokens" if by_tokens else "cost"
    if not _fit_level(lane, measure, baselines, rhythm, rules, rules.cost_spike_pct, UNSEEN_COST, now_ms):
        return
    lane.unit = "tokens_per_call" if by_tokens else "usd_per_call"
    lane.tokens_p50 = baselines.reference("tokens")[1].quantile(0.5)


def fit_latency(lane: LatencyLane, baselines: Baselines, rhythm: Rhythm, rules: Rules, now_ms: int) -> None:
    """Learn what decides about latency."""
    _fit_level(lane, "latency", baselines, rhythm, rules, rules.latency_spike_pct, UNSEEN_LATENCY, now_ms)


def _fit_level(
    lane: LevelLane,
    measure: Measure,
    baselines: Baselines,
    rhythm: Rhythm,
    rules: Rules,
    pct: float,
    unseen: float,
    now_ms: int,
) -> bool:
    """Fit a level anew where enough has changed; True where it was."""
    test, n = lane.test, baselines.count(measure)
    if n < LEAST_CALLS:
        lane.test = LevelTest(n=n)
        return False
    if test.in_force and now_ms - test.fit_ms < REFIT_MS and test.seen <= n < GROWN * test.seen:
        return False
    window, sketch = baselines.reference(measure)
    ready = sketch.n >= rules.min_samples
    fitted = fit_level_test(
        sketch,
        least_rise=log(1 + pct / 100),
        least_scale=LEAST_SCALE,
        unrest=rhythm.unrest(unseen),
        ready=ready,
    )
    h = thresholds(ready, baselines.usual_rate_per_min(now_ms), rules)
    lane.test = replace(
        fitted,
        window=window,
        seen=n,
        fit_ms=now_ms,
        margin=2 * unseen * rhythm.unknown,
        alone_h=h.alone,
        joint_h=h.joint,
    )
    lane.effects = rhythm.effects(fitted.scale)
    return True


def fit_share(
    lane: ShareLane, measure: Measure, of: Measure | None, baselines: Baselines, rules: Rules, now_ms: int
) -> None:
    """Learn what decides about a share: `measure` among all calls, or among itself and `of`."""
    hits = baselines.count(measure)
    n = baselines.count("calls") if of is None else hits + baselines.count(of)
    test = lane.test
    if test.hits and now_ms - test.fit_ms < REFIT_MS and test.n <= n < GROWN * test.n:
        return
    ready = n >= rules.min_samples
    h = thresholds(ready, baselines.usual_rate_per_min(now_ms), rules)
    lane.test = fit_share_test(min(hits, n), n, baselines.window("calls"), ready, h.alone, lane.floor, now_ms)


def fit_spend(
    lane: SpendLane, history: SpendHistory, baselines: Baselines, rules: Rules, now_ms: int
) -> None:
    """Learn how much may be spent in this hour and the next."""
    hour = now_ms // HOUR_MS
    if lane.limits and lane.limits[0].hour == hour:
        return
    lane.limits = ()
    cost = baselines.reference("cost")[1]
    if cost.n < rules.min_samples:
        return
    lane.cap = cost.quantile(0.95)
    points = [(min(value, lane.cap), count) for value, count in cost.values()]
    mean = sum(value * count for value, count in points) / cost.n
    square = sum(value * value * count for value, count in points) / cost.n
    dispersion = square / (mean * mean) if mean > 0 else 1.0
    times = 1 + rules.spend_spike_pct / 100
    for at in (hour, hour + 1):
        limits = history.limits(at, mean, dispersion, times, lane.floor)
        if limits is not None:
            lane.limits = (*lane.limits, limits)
    lane.p95 = baselines.reference("spend")[1].quantile(0.95)
    lane.n = history.known_hours
