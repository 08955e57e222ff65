"""Sequential tests in nats of evidence: when does a run of calls no longer look like the baseline.

Tests are CUSUMs of log-likelihood ratios (Page 1954): evidence = max(0, evidence + gain(call)). A gain
whose exponential averages at most 1 over the baseline makes `exp(evidence)` an e-process, so a false alarm
that starts at a given call has probability at most exp(-h), whatever the distribution (Shin, Ramdas, Rinaldo:
"E-detectors", 2022). `fit_level_test` enforces that average on the series' own
sketch; a coin's gains have it.
"""

from math import log, sqrt

from msgspec import Struct

LEAST_CALLS = 20  # no judgement at all before
PRIOR_CALLS = 20.0  # weight of the prior spread
PRIOR_SCALE = 0.5  # log-normal spread of an unknown series


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


def against(base: float, share: float) -> Share:
    """The test of a suspected share of bad calls against that of the baseline; both inside of 0 to 1."""
    return Share(base, log(share / base), log((1 - share) / (1 - base)))


def fourfold(base: float) -> float:
    """The share that has four times the odds of another one: less is suspected nowhere."""
    return 4 * base / (1 + 3 * base)
