"""What a series is used to, made from its state: `report(state, rules, now) -> SeriesBaseline`."""

from math import log
from typing import NamedTuple

from lumina_schemas.alert import Unit
from lumina_schemas.baseline import (
    BASELINE_VERSION,
    MeasureBaseline,
    MeasureName,
    Readiness,
    SeriesBaseline,
    WindowBaseline,
    WindowName,
)
from lumina_streams.core.baseline.learning import learning, length, minutes_left
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.sequential import robust_spread
from lumina_streams.core.baseline.sketch import LOWEST, Sketch
from lumina_streams.core.baseline.windows import DAY_MS, MINUTE_MS, Baselines
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import Hot, SeriesState

STALE_MS = DAY_MS

UNITS: dict[MeasureName, Unit] = {
    "cost": "usd_per_call",
    "latency": "ms",
    "ttft": "ms",
    "input_tokens": "tokens_per_call",
    "output_tokens": "tokens_per_call",
    "spend": "usd_per_min",
    "errors": "share",
}
"""The measures that are told, in this order."""

WINDOWS: tuple[WindowName, ...] = ("1h", "24h", "7d")


class Progress(NamedTuple):
    """How far the level that decides is: that of cost, or of latency where no cost and no tokens are told."""

    known: int
    wanted: int
    rate_per_min: float

    @property
    def words(self) -> str:
        """In words."""
        return learning(self.known, self.wanted, self.rate_per_min)


def report(state: SeriesState, rules: Rules, now_ms: int) -> SeriesBaseline:
    """What a series is used to. `now_ms`: the log's time, which decides whether it is stale."""
    hot, baselines = state.hot, state.cold.baselines
    progress = Progress(
        hot.cost.test.n or hot.latency.test.n, rules.min_samples, baselines.rate_per_min(hot.newest_ms)
    )
    readiness = _readiness(hot, progress, now_ms)
    words: str = readiness
    if readiness == "learning":
        words = progress.words
    elif readiness == "stale":
        words = f"stale (no call for {length((now_ms - _heard_ms(hot)) / MINUTE_MS)})"
    return SeriesBaseline(
        v=BASELINE_VERSION,
        project=hot.project,
        service=hot.service,
        endpoint=hot.endpoint,
        series_id=hot.series_id,
        state=readiness,
        progress=words,
        calls=hot.calls,
        known=progress.known,
        wanted=progress.wanted,
        ready_in_min=minutes_left(*progress) if readiness == "learning" else None,
        calls_per_min=progress.rate_per_min,
        newest=rfc3339(hot.newest_ms) if hot.newest_ms else None,
        references=len(state.cold.references),
        measures=tuple(_measure(name, unit, baselines) for name, unit in UNITS.items()),
    )


def _readiness(hot: Hot, progress: Progress, now_ms: int) -> Readiness:
    if now_ms - _heard_ms(hot) > STALE_MS:
        return "stale"
    return "ready" if progress.known >= progress.wanted else "learning"


def _heard_ms(hot: Hot) -> int:
    """When the series was called last: by the log's clock where it is known, else by its own."""
    return hot.heard_ms or hot.newest_ms


def _measure(name: MeasureName, unit: Unit, baselines: Baselines) -> MeasureBaseline:
    found = [_window(name, window, baselines) for window in WINDOWS]
    return MeasureBaseline(
        measure=name, unit=unit, windows=tuple(one for one in found if one is not None and one.n)
    )


def _window(name: MeasureName, window: WindowName, baselines: Baselines) -> WindowBaseline | None:
    rings = {ring.name: ring for ring in baselines.rings[name]}
    if name == "errors":
        calls = next(ring.n for ring in baselines.rings["calls"] if ring.name == window)
        share = min(rings[window].n / calls, 1.0) if calls else 0.0
        return WindowBaseline(window=window, n=calls, mean=share)
    return None if window not in rings else _of(window, rings[window].merged())


def _of(window: WindowName, sketch: Sketch) -> WindowBaseline | None:
    if not sketch.n:
        return None
    p50, p95, p99 = (sketch.quantile(q) for q in (0.5, 0.95, 0.99))
    location = log(max(p50, LOWEST))
    return WindowBaseline(
        window=window,
        n=sketch.n,
        mean=sketch.mean(),
        p50=p50,
        p95=p95,
        p99=p99,
        log_location=location,
        log_spread=robust_spread(sketch.logs(), sketch.n, location, log(max(p95, LOWEST))),
    )
