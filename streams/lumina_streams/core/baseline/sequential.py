"""Sequential tests in nats of evidence: when does a run of calls no longer look like the baseline.

Both tests are CUSUMs of log-likelihood ratios (Page 1954): evidence = max(0, evidence + gain(call)). A gain
whose exponential averages at most 1 over the baseline makes `exp(evidence)` an e-process, so a false alarm
that starts at a given call has probability at most exp(-h), whatever the distribution (Shin, Ramdas, Rinaldo:
"E-detectors", 2022). `fit_level` enforces that average on the series' own sketch.
"""

from math import exp, log, sqrt

from msgspec import Struct

from lumina_streams.core.baseline.sketch import Sketch

LEAST_CALLS = 20  # no judgement at all before
CLIP = 3.0  # nats one call can add to a level test: a giant alone never decides
LOCATION_ERRORS = 2.0  # an unsure baseline accuses nobody
PRIOR_CALLS = 20.0  # weight of the prior spread
PRIOR_SCALE = 0.5  # log-normal spread of an unknown series


class Level(Struct, frozen=True, array_like=True):
    """Test for a shift of the log level upwards: gain = clip(shift * (z - shift / 2)) - norm."""

    n: int = 0
    median: float = 0.0  # of the log value
    location: float = 0.0  # median and a margin for its own error
    scale: float = 1.0  # robust spread of the log value
    shift: float = 1.0  # in scales: the smallest rise worth finding
    norm: float = 0.0

    def gain(self, x: float) -> float:
        """Nats that a log value x adds."""
        raw = self.shift * ((x - self.location) / self.scale - self.shift / 2)
        return max(-CLIP, min(CLIP, raw)) - self.norm

    def z(self, x: float) -> float:
        """Distance of a log value from the baseline's median, in scales."""
        return (x - self.median) / self.scale


def fit_level(sketch: Sketch, least_rise: float, least_scale: float, sign: int = 1) -> Level:
    """Learn the test from a baseline.

    `least_rise` (> 0): rise of the log value that must at least be found. `sign` -1 tests for a fall: hand
    over `-x` then. The spread is the largest of MAD and upper 5 % (two modes of cost are normal), shrunk
    towards a prior where points are few.
    """
    if sketch.n < LEAST_CALLS:
        return Level(n=sketch.n)
    points = [(sign * value, count) for value, count in sketch.logs()]
    if sign < 0:
        points.reverse()
    median = weighted_quantile(points, sketch.n, 0.5)
    upper = weighted_quantile(points, sketch.n, 0.95)
    scale = max(shrunk(robust_spread(points, sketch.n, median, upper), sketch.n), least_scale)
    location = median + LOCATION_ERRORS * scale / sqrt(sketch.n)
    test = Level(sketch.n, median, location, scale, max(1.0, least_rise / scale))
    average = sum(exp(test.gain(value)) * count for value, count in points) / sketch.n
    return Level(test.n, median, location, scale, test.shift, max(0.0, log(average)))


def robust_spread(points: list[tuple[float, int]], n: int, median: float, upper: float) -> float:
    """Spread of n points given as (value, count), whose median and 95th percentile (`upper`) are known.

    The larger of what the middle half and the upper 5 % say: two modes of cost are normal.
    """
    deviations = sorted((abs(value - median), count) for value, count in points)
    return max(1.4826 * weighted_quantile(deviations, n, 0.5), (upper - median) / 1.645)


def shrunk(spread: float, n: int) -> float:
    """A spread of n points, drawn to that of an unknown series where they are few."""
    return sqrt((n * spread * spread + PRIOR_CALLS * PRIOR_SCALE * PRIOR_SCALE) / (n + PRIOR_CALLS))


def weighted_quantile(points: list[tuple[float, int]], n: int, q: float) -> float:
    """Value at quantile q of n points given as ascending (value, count)."""
    rank = q * (n - 1)
    seen = 0
    for value, count in points:
        seen += count
        if seen > rank:
            return value
    return points[-1][0]


class Share(Struct, frozen=True, array_like=True):
    """Test for a growing share of bad calls (Bernoulli): gain by outcome, in nats."""

    base: float = 0.0  # share in the baseline, with its prior
    hit: float = 0.0
    miss: float = 0.0

    def gain(self, bad: bool) -> float:
        """Nats that an outcome adds."""
        return self.hit if bad else self.miss


def fit_share(bad: int, n: int, ready: bool) -> Share:
    """Learn the test from `bad` of `n` calls.

    Prior: one bad in fifty. The alternative is a share of 30 % (or four times the odds where bad is common);
    while learning it is 90 %, so that only nearly unanimous calls count.
    """
    if n < LEAST_CALLS:
        return Share()
    base = min(max((bad + 1) / (n + 50), 0.003), 0.9)
    suspected = max(0.3, 4 * base / (1 + 3 * base)) if ready else max(0.9, (1 + base) / 2)
    return Share(base, log(suspected / base), log((1 - suspected) / (1 - base)))
