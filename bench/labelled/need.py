"""How many calls statistics need to tell an incident from chance, and what rate few alerts prove."""

from math import exp, lgamma, log

from labelled.incident import COST_TYPES, RETRIES, RETRY_ERRORS, Incident, fault_need
from labelled.samples import coin_need, shift_need
from labelled.series import Plan


def need_of(incident: Incident, plan: Plan, spread: float) -> float:
    """Calls that a test of this incident needs, one at least; of a dual one those of its harder half.

    The factor of a shift is the rise of the mean over all calls.
    """
    of_fault = fault_need(incident, plan)
    if incident.type in COST_TYPES:
        return max(shift_need(spread, incident.effective), of_fault)
    if incident.fault is not None:
        return of_fault
    match incident.type:
        case "latency":
            return shift_need(plan.latency_spread, incident.effective)
        case "errors":
            return coin_need(incident.factor, plan.error_share)
        case "retry_loop":
            return coin_need(RETRY_ERRORS * (1.0 - 1.0 / RETRIES), plan.error_share)
        case _:
            return coin_need(incident.share, 0.0)


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
