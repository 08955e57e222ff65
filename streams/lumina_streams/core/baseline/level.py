"""Test for a rise of the level of a positive measure: cost or latency of a call, on the log scale.

Four alternatives at once, rises of 0.35 to 2.8 spreads: a drift that must be waited for and a jump that must
not. Each is a CUSUM of log-likelihood ratios between normal distributions (Page 1954), clipped, and made an
e-process on the series' own sketch whatever its shape (see `sequential`). An alternative that is off by
sqrt(2) keeps 84 % of its drift, so that one of them is never far from the best test.

Two further alternatives count calls far beyond the spread: a roll-out to a tenth of the calls hardly moves
the level.
"""

from math import exp, log, sqrt

from msgspec import Struct

from lumina_streams.core.baseline.sequential import (
    against,
    fourfold,
    robust_spread,
    shrunk,
    weighted_quantile,
)
from lumina_streams.core.baseline.sketch import Sketch

SHIFTS = (0.35, 0.7, 1.4, 2.8)  # spreads
CEILINGS = (2.5, 3.0, 4.0, 5.0)  # nats that one call can add: a giant alone never decides
FLOOR = -3.0
FAR_SHARES = (0.08, 0.4)
FAR_SCALES = 3.0  # a far call: this many spreads above ...
FAR_RATIO = log(2.5)  # ... and at least so much above the median
TAIL_CALLS = 0.5  # calls of an unseen tail, at the ceiling
CAP_SCALES = 4.0  # a call's weight in means ends there
MEDIAN_ERROR = 1.2533  # of a median, against a mean's
FAR_PRIOR = 50.0  # calls: one far call in fifty
LEAST_FAR = 0.003
NEED_H = 18.0  # nats: half of (z_alpha + z_beta)^2 with a sum of 6


class LevelTest(Struct, frozen=True, array_like=True):
    """What decides about a level until the next fit. Values are natural logs where nothing else is said."""

    n: int = 0
    seen: int = 0  # points that were known when it was learned
    fit_ms: int = 0
    window: str = ""
    median: float = 0.0
    location: float = 0.0  # median, and what it may be wrong by
    scale: float = 1.0  # robust spread
    norms: tuple[float, ...] = ()
    far_from: float = 0.0
    far_hits: tuple[float, ...] = ()  # nats of a far call, by alternative
    far_misses: tuple[float, ...] = ()
    cap: float = 0.0
    capped_mean: float = 1.0  # plain, not log, of values up to the cap
    p50: float = 0.0  # plain
    p95: float = 0.0
    mean: float = 0.0
    window_calls: int = 32  # calls that the recent level is taken over
    margin: float = 0.0  # that a rise must have on top: an unknown rhythm
    alone_h: float = 0.0
    joint_h: float = 0.0
    ready: bool = False

    @property
    def in_force(self) -> bool:
        """Whether there are enough calls to judge at all."""
        return bool(self.norms)

    def gains(self, x: float) -> list[float]:
        """Nats that a value (log, without its rhythm) adds to each test."""
        z = (x - self.location) / self.scale
        norms = self.norms
        found: list[float] = []
        for index, shift in enumerate(SHIFTS):
            raw = shift * (z - shift / 2)
            if raw < FLOOR:
                raw = FLOOR
            elif raw > CEILINGS[index]:
                raw = CEILINGS[index]
            found.append(raw - norms[index])
        found += self.far_hits if x > self.far_from else self.far_misses
        return found

    def z(self, x: float) -> float:
        """Distance from the median, in spreads."""
        return (x - self.median) / self.scale


def fit_level_test(
    sketch: Sketch, *, least_rise: float, least_scale: float, unrest: float, ready: bool
) -> LevelTest:
    """Learn the test from a baseline of at least `LEAST_CALLS` values.

    `least_rise`: rise of the log value that would alert; `unrest`: how far the level moves by itself from
    hour to hour (standard deviation, log), which accuses nobody. The rest is the caller's to add.
    """
    n = sketch.n
    points = sketch.logs()
    median = weighted_quantile(points, n, 0.5)
    upper = weighted_quantile(points, n, 0.95)
    scale = max(shrunk(robust_spread(points, n, median, upper), n), least_scale)
    errors = 1.0 if ready else 2.0
    location = median + sqrt((errors * MEDIAN_ERROR * scale) ** 2 / n + unrest * unrest)
    far_from = median + max(FAR_SCALES * scale, FAR_RATIO)
    cap = median + max(CAP_SCALES * scale, FAR_RATIO)
    sums = [TAIL_CALLS * exp(ceiling) for ceiling in CEILINGS]
    capped = 0.0
    far = 0
    for value, count in points:
        z = (value - location) / scale
        for index, shift in enumerate(SHIFTS):
            sums[index] += count * exp(min(max(shift * (z - shift / 2), FLOOR), CEILINGS[index]))
        capped += count * exp(min(value, cap))
        if value > far_from:
            far += count
    norms = tuple(max(0.0, log(total / (n + TAIL_CALLS))) for total in sums)
    base = min(max((far + 1) / (n + FAR_PRIOR), LEAST_FAR), 0.5)
    shares = [max(share, fourfold(base)) for share in FAR_SHARES]
    if not ready:
        shares[-1] = max(0.9, (1 + base) / 2)
    coins = [against(base, share) for share in shares]
    need = 2 * NEED_H * (scale / least_rise) ** 2
    return LevelTest(
        n=n,
        median=median,
        location=location,
        scale=scale,
        norms=norms,
        far_from=far_from,
        far_hits=tuple(coin.hit for coin in coins),
        far_misses=tuple(coin.miss for coin in coins),
        cap=cap,
        capped_mean=capped / n,
        p50=exp(median),
        p95=exp(upper),
        mean=sketch.mean(),
        window_calls=int(min(max(need, 32), 500)),
        ready=ready,
    )
