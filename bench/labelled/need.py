"""How many calls statistics need to tell an incident from chance, and what rate few alerts prove."""

from math import exp, inf, lgamma, log

from labelled.incident import COST_TYPES, RETRIES, RETRY_ERRORS, Z_SUM, Incident
from labelled.series import Plan

RARE = 0.002  # a share that never occurred is taken for so large


def need_of(incident: Incident, plan: Plan, spread: float) -> float:
    """Calls that a test of this incident needs, one at least.

    For a shift of a log-normal value: ((z_alpha + z_beta) * spread / ln m)^2, m the rise of the mean over all
    calls. For a share of bad calls: the same with the distance that coins have (Kullback and Leibler).
    """
    if incident.type in COST_TYPES:
        return _shift(spread, incident.effective)
    match incident.type:
        case "latency":
            return _shift(plan.latency_spread, incident.effective)
        case "errors":
            return _coin(incident.factor, plan.error_share)
        case "retry_loop":
            return _coin(RETRY_ERRORS * (1.0 - 1.0 / RETRIES), plan.error_share)
        case _:
            return _coin(incident.share, 0.0)


def _shift(spread: float, factor: float) -> float:
    return max(1.0, (Z_SUM * spread / log(factor)) ** 2) if factor > 1.0 else inf


def _coin(share: float, usual: float) -> float:
    usual, share = max(usual, RARE), min(share, 0.999)
    distance = share * log(share / usual) + (1 - share) * log((1 - share) / (1 - usual))
    return max(1.0, Z_SUM**2 / (2 * distance))


def upper_bound(count: int, confidence: float = 0.95) -> float:
    """The largest mean of a Poisson number that shows `count` or fewer with probability 1 - confidence."""
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(count, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(count: int, mean: float) -> float:
    """Probability that a Poisson number of this mean is `count` or less."""
    return sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(count + 1))
