"""The cost signal: does a call cost more than the series' calls do."""

from math import exp, log

from msgspec import Struct

from lumina_streams.core.baseline.sequential import (
    LEAST_CALLS,
    Level,
    Share,
    fit_level,
    fit_share,
    thresholds,
)
from lumina_streams.core.baseline.sketch import LOWEST
from lumina_streams.core.baseline.windows import Baselines
from lumina_streams.core.series.rules import Rules

LEAST_SCALE = 0.1  # spread of log cost below which differences are no news
FAR_SCALES = 3.0  # a far call: this many scales above ...
FAR_RATIO = log(2.5)  # ... and at least so much dearer than the median
GIANT_RATIO = log(3.0)  # a single call this much dearer than the largest earlier one is a spike
GIANT_Z = 4.5  # ... provided that the series' own spread does not explain it


class CostTest(Struct, frozen=True, array_like=True):
    """What decides about cost until the next fold."""

    level: Level = Level()
    far: Share = Share()
    far_from: float = 0.0  # log cost
    n: int = 0
    window: str = ""
    p50: float = 0.0  # USD a call
    p95: float = 0.0
    mean: float = 0.0
    input_p50: float = 0.0  # tokens a call
    output_p50: float = 0.0
    alone_h: float = 0.0  # nats
    joint_h: float = 0.0
    ready: bool = False

    @property
    def in_force(self) -> bool:
        """Whether there are enough calls to judge at all."""
        return self.n >= LEAST_CALLS

    def lift(self, level: float) -> float:
        """Ratio of a log level to the baseline's median."""
        return exp(level - self.level.median)

    def is_giant(self, x: float, largest: float) -> bool:
        """Whether one call alone is a spike (log cost of it and of the largest earlier call)."""
        return self.ready and x > largest + GIANT_RATIO and self.level.z(x) >= GIANT_Z


def log_cost(usd: float) -> float:
    """Log of a cost; free calls count as 1e-9 USD."""
    return log(max(usd, LOWEST))


def fit_cost(baselines: Baselines, rules: Rules, now_ms: int) -> CostTest:
    """Learn what decides about cost from the baseline."""
    window, sketch = baselines.reference("cost", rules.min_samples)
    if sketch.n < LEAST_CALLS:
        return CostTest(n=sketch.n, window=window)
    ready = sketch.n >= rules.min_samples
    level = fit_level(sketch, log(1 + rules.cost_spike_pct / 100), LEAST_SCALE)
    far_from = level.median + max(FAR_SCALES * level.scale, FAR_RATIO)
    far = sum(count for x, count in sketch.logs() if x > far_from)
    alone_h, joint_h = thresholds(ready, baselines.rate_per_min(now_ms))
    return CostTest(
        level=level,
        far=fit_share(far, sketch.n, ready),
        far_from=far_from,
        n=sketch.n,
        window=window,
        p50=sketch.quantile(0.5),
        p95=sketch.quantile(0.95),
        mean=sketch.mean(),
        input_p50=baselines.reference("input_tokens", rules.min_samples)[1].quantile(0.5),
        output_p50=baselines.reference("output_tokens", rules.min_samples)[1].quantile(0.5),
        alone_h=alone_h,
        joint_h=joint_h,
        ready=ready,
    )
