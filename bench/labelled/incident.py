"""Incidents: what goes wrong on a series, when, how much, and on how many of its calls."""

import random
from dataclasses import dataclass, replace
from math import exp, log
from typing import Literal

from labelled.prices import Price
from labelled.samples import Z_SUM, coin_need, shift_need
from labelled.series import DAY_MS, HOUR_MS, START_MS, Plan
from labelled.text.fault import HARD, QUALITY_TYPES, QualityType, occurs, usual_share, visible
from labelled.text.plan import TOOL_SHARE

MeteredType = Literal[
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
IncidentType = Literal[MeteredType, QualityType]
INCIDENT_TYPES: tuple[MeteredType, ...] = (
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
_OF_QUALITY = frozenset({"quality_drop"})
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
    **dict.fromkeys(QUALITY_TYPES, _OF_QUALITY),
}
"""Signals that find an incident. `flag` is what a plain rule on cost says."""

SIDE_EFFECTS: dict[IncidentType, frozenset[str]] = {
    "output_runaway": frozenset({"latency_spike"}),
    "slow_leak": frozenset({"latency_spike"}),
}
"""Signals that do not find it, and are no false alert either: long answers take long."""

STEPS: tuple[MeteredType, ...] = (
    "model_swap",
    "prompt_bloat",
    "cache_loss",
    "output_runaway",
    "price_change",
)
"""Those that make a call dearer from one call to the next: drawn three times as often as the others. They
also come together with bad answers."""

FACTORS = (1.3, 1.5, 1.5, 1.5, 2.0, 2.0, 2.0, 3.0, 3.0, 5.0)
SHARES = (1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.1)
ERROR_SHARES = (0.15, 0.3, 0.6)
RETRIES = 5.0  # volume of a retry loop
RETRY_ERRORS = 0.4
LEAK_PER_H = 0.01
LEAK_H = 96
FAULT_SHARES = (1.0, 1.0, 0.7, 0.5, 0.3)
DUAL_SHARES = (1.0, 1.0, 1.0, 0.5)
LEAST_DUAL = 1.3  # rise of the mean cost
FAULTS_OFTEN = 2  # times that each fault is drawn for one metered type
DUALS_OFTEN = 16
HOLDS = (4.0, 6.0)  # times the calls that are needed
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
    worse: QualityType | None = None  # a dual incident: what its answers have as well
    worse_share: float = 1.0  # of the calls that are hit

    @property
    def label(self) -> str:
        """Its type, or `dual`."""
        return "dual" if self.worse else self.type

    @property
    def fault(self) -> QualityType | None:
        """What is wrong with the answers."""
        return self.worse or next((kind for kind in QUALITY_TYPES if kind == self.type), None)

    @property
    def fault_share(self) -> float:
        """Share of all calls whose answers have the fault."""
        return self.share * self.worse_share

    @property
    def mode(self) -> int:
        """How its fault shows, where there are several ways."""
        return self.onset_ms // HOUR_MS

    @property
    def explained(self) -> frozenset[str]:
        """Signals that it explains."""
        return EXPLAINED[self.type] | (_OF_QUALITY if self.worse else frozenset())

    def visible(self, plan: Plan) -> bool:
        """Whether detection can see it without a judge.

        With another prompt version references begin anew: beside a bloated prompt only what an answer shows
        by itself is seen.
        """
        fault = self.fault
        if fault is None:
            return True
        if self.type == "prompt_bloat" and fault not in HARD:
            return False
        return plan.text is not None and visible(fault, plan.text)

    @property
    def effective(self) -> float:
        """Rise of the mean of what the incident changes, over all calls; 1 where that is a share of calls."""
        if self.type in ("errors", "unpriced") or self.type in QUALITY_TYPES:
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
    types = _types(plan, only)
    if not types:
        return []
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


def _types(plan: Plan, only: str) -> list[str]:
    """What may happen to a series, as often as it is drawn."""
    metered: list[str] = [*INCIDENT_TYPES, *STEPS, *STEPS]
    faults = [kind for kind in QUALITY_TYPES if plan.text is not None and occurs(kind, plan.text)]
    match only:
        case "":
            return metered + faults * FAULTS_OFTEN + ["dual"] * (DUALS_OFTEN if faults else 0)
        case "metered":
            return metered
        case "quality":
            return [*faults]
        case "dual":
            return ["dual"] if faults else []
    return [only] if only not in QUALITY_TYPES or only in faults else []


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
        case "dual":
            incident = _dual(rng, plan, factor)
            needed = max(shift_need(plan.spread, incident.effective), fault_need(incident, plan))
            return _placed(rng, incident, at_ms, max(hours, _hours(rng, plan, needed)))
        case _ if kind in QUALITY_TYPES:
            fault = QUALITY_TYPES[QUALITY_TYPES.index(kind)]
            incident = Incident(fault, 0, 0, 1.0, rng.choice(FAULT_SHARES))
            return _placed(rng, incident, at_ms, max(hours, _hours(rng, plan, fault_need(incident, plan))))
        case _:
            known = ", ".join((*INCIDENT_TYPES, *QUALITY_TYPES, "dual"))
            raise ValueError(f"{kind} is no type of incident; there are {known}.")
    if kind in STEPS and incident.effective >= WORTH and rng.random() < PATIENT:
        # Long enough to be found, where the series is slow.
        calls = rng.uniform(4.0, 6.0) * (Z_SUM * plan.spread / log(incident.effective)) ** 2
        hours = max(hours, min(calls / plan.rate_per_min / 60, LONGEST_NEED_H))
    return _placed(rng, incident, at_ms, hours)


def _dual(rng: random.Random, plan: Plan, factor: float) -> Incident:
    """A step of cost and a fault of answers on the same calls."""
    if plan.text is None:
        raise ValueError("A series without texts has no dual incidents: draw its plan with text=1.")
    text = plan.text
    steps = [kind for kind in STEPS if kind != "cache_loss" or cache_factor(plan) >= LEAST_DUAL]
    step = rng.choice(steps)
    if step == "cache_loss":
        factor = cache_factor(plan)
    share = 1.0 if step == "price_change" else rng.choice(DUAL_SHARES)
    if 1.0 + share * (factor - 1.0) < LEAST_DUAL:
        share = 1.0
    fault = rng.choice([kind for kind in QUALITY_TYPES if kind != "subtle_fact" and occurs(kind, text)])
    return Incident(step, 0, 0, factor, share, fault, rng.choice(FAULT_SHARES))


def fault_need(incident: Incident, plan: Plan) -> float:
    """Calls that a test of the share of bad answers needs; 0 where answers are as ever."""
    if incident.fault is None or plan.text is None:
        return 0.0
    calls = coin_need(incident.fault_share, usual_share(incident.fault, plan.text))
    return calls / TOOL_SHARE if incident.fault == "tool_error" else calls


def _hours(rng: random.Random, plan: Plan, needed: float) -> float:
    """How long it takes to hold some times the calls that are needed, within bounds."""
    return min(rng.uniform(*HOLDS) * needed / plan.rate_per_min / 60, LONGEST_NEED_H)


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
