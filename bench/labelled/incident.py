"""Incidents: what goes wrong on a series, when, how much, and on how many of its calls."""

import random
from dataclasses import dataclass, replace
from math import exp, log
from typing import Literal

from labelled.prices import Price
from labelled.series import DAY_MS, HOUR_MS, START_MS, Plan

IncidentType = Literal[
    "model_swap",
    "prompt_bloat",
    "retry_loop",
    "cache_loss",
    "output_runaway",
    "price_change",
    "slow_leak",
    "latency",
    "errors",
    "unpriced",
]
INCIDENT_TYPES: tuple[IncidentType, ...] = (
    "model_swap",
    "prompt_bloat",
    "retry_loop",
    "cache_loss",
    "output_runaway",
    "price_change",
    "slow_leak",
    "latency",
    "errors",
    "unpriced",
)
COST_TYPES = frozenset(
    {"model_swap", "prompt_bloat", "cache_loss", "output_runaway", "price_change", "slow_leak"}
)
"""Those that make a call dearer."""

_OF_COST = frozenset({"flag", "cost_spike", "spend_spike"})
EXPLAINED: dict[IncidentType, frozenset[str]] = {
    "model_swap": _OF_COST,
    "prompt_bloat": _OF_COST,
    "cache_loss": _OF_COST,
    "output_runaway": _OF_COST,
    "price_change": _OF_COST,
    "slow_leak": _OF_COST,
    "retry_loop": _OF_COST | {"error_spike"},
    "latency": frozenset({"latency_spike"}),
    "errors": frozenset({"error_spike"}),
    "unpriced": frozenset({"unpriced"}),
}
"""Signals that find an incident. `flag` is what a plain rule on cost says."""

SIDE_EFFECTS: dict[IncidentType, frozenset[str]] = {
    "output_runaway": frozenset({"latency_spike"}),
    "slow_leak": frozenset({"latency_spike"}),
}
"""Signals that do not find it, and are no false alert either: long answers take long."""

STEPS: tuple[IncidentType, ...] = (
    "model_swap",
    "prompt_bloat",
    "cache_loss",
    "output_runaway",
    "price_change",
)
"""Those that make a call dearer from one call to the next: drawn three times as often as the others."""

FACTORS = (1.3, 1.5, 1.5, 1.5, 2.0, 2.0, 2.0, 3.0, 3.0, 5.0)
SHARES = (1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.1)
ERROR_SHARES = (0.15, 0.3, 0.6)
RETRIES = 5.0  # volume of a retry loop
RETRY_ERRORS = 0.4
LEAK_PER_H = 0.01
LEAK_H = 96
Z_SUM = 6.0  # z_alpha + z_beta: one false alarm in 10^6, and as good as no miss
WORTH = 1.4  # rise of the mean from which most incidents last until they can be found
PATIENT = 0.8  # share of those
PERIOD_MS = 2 * DAY_MS  # at most one incident in each
SHORTEST_H, LONGEST_H = 2.0, 24.0
LONGEST_NEED_H = 34.0  # where a slow series needs so long to hold enough calls
MARGIN_MS = 6 * HOUR_MS  # after an incident, before the next period


@dataclass(frozen=True)
class Incident:
    """A label: from `onset_ms` until `end_ms` a share of the calls is different by a factor."""

    type: IncidentType
    onset_ms: int
    end_ms: int
    factor: float  # of cost (latency; volume; share of errors) on the calls that are hit
    share: float = 1.0  # of the calls that are hit

    @property
    def effective(self) -> float:
        """Rise of the mean of what the incident changes, over all calls; 1 where that is a share of calls."""
        if self.type in ("errors", "unpriced"):
            return 1.0
        return 1.0 + self.share * (self.factor - 1.0)

    def swapped(self, price: Price) -> Price:
        """The price of a call that is hit, where the model or its price changes."""
        if self.type == "model_swap":
            return price.times(self.factor, f"{price.model}-pro")
        if self.type == "price_change":
            return price.times(self.factor, price.model)
        return price


def draw_incidents(plan: Plan, days: float, warm_up_days: float, only: str = "") -> list[Incident]:
    """The incidents of a series: one in each period of two days after the warm-up, at the most."""
    rng = random.Random(f"incidents {plan.seed}")
    if only == "none":
        return []
    types: list[str] = [only] if only else [*INCIDENT_TYPES, *STEPS, *STEPS]
    incidents: list[Incident] = []
    at_ms = plan.first_ms + int(warm_up_days * DAY_MS)
    last_ms = START_MS + int(days * DAY_MS)
    while at_ms + PERIOD_MS <= last_ms:
        incident = _draw(rng, plan, rng.choice(types), at_ms, last_ms)
        if incident is None:
            at_ms += PERIOD_MS
            continue
        incidents.append(incident)
        while at_ms < incident.end_ms + MARGIN_MS:
            at_ms += PERIOD_MS
    return incidents


def _draw(rng: random.Random, plan: Plan, kind: str, at_ms: int, last_ms: int) -> Incident | None:
    hours = exp(rng.uniform(log(SHORTEST_H), log(LONGEST_H)))
    factor, share = rng.choice(FACTORS), rng.choice(SHARES)
    match kind:
        case "slow_leak":
            incident = Incident("slow_leak", 0, 0, exp(log(1 + LEAK_PER_H) * LEAK_H))
            return _placed(rng, incident, at_ms, LEAK_H) if at_ms + LEAK_H * HOUR_MS <= last_ms else None
        case "retry_loop":
            incident = Incident("retry_loop", 0, 0, RETRIES)
        case "cache_loss":
            incident = Incident("cache_loss", 0, 0, cache_factor(plan), share)
            if incident.factor < FACTORS[0]:
                return None
        case "errors":
            incident = Incident("errors", 0, 0, rng.choice(ERROR_SHARES))
        case "latency":
            incident = Incident("latency", 0, 0, max(factor, 1.5), max(share, 0.5))
        case "unpriced":
            incident = Incident("unpriced", 0, 0, 1.0, max(share, 0.25))
        case "model_swap" | "prompt_bloat" | "output_runaway" | "price_change":
            incident = Incident(kind, 0, 0, factor, 1.0 if kind == "price_change" else share)
        case _:
            raise ValueError(f"{kind} is no type of incident; there are {', '.join(INCIDENT_TYPES)}.")
    if kind in STEPS and incident.effective >= WORTH and rng.random() < PATIENT:
        # Long enough to be found, where the series is slow.
        calls = rng.uniform(4.0, 6.0) * (Z_SUM * plan.spread / log(incident.effective)) ** 2
        hours = max(hours, min(calls / plan.rate_per_min / 60, LONGEST_NEED_H))
    return _placed(rng, incident, at_ms, hours)


def _placed(rng: random.Random, incident: Incident, at_ms: int, hours: float) -> Incident:
    """The incident somewhere in the period that begins at `at_ms`."""
    room = max(PERIOD_MS - MARGIN_MS - hours * HOUR_MS, 1.0)
    onset_ms = at_ms + int(rng.uniform(0, room))
    return replace(incident, onset_ms=onset_ms, end_ms=onset_ms + int(hours * HOUR_MS))


def cache_factor(plan: Plan) -> float:
    """How much dearer a median call gets without its cache."""
    tokens, output = int(plan.input_tokens), int(plan.output_tokens)
    with_cache = plan.price.cost(tokens, int(tokens * plan.cached), output)
    return plan.price.cost(tokens, 0, output) / with_cache
