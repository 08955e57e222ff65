"""What the demo sends: a day of history, then live calls with incidents. Pure: a seed gives one plan.

The live schedule starts with the incident that Lumina exists for (dearer and worse at once), so that it is
seen within seconds; the others follow one by one, then a long pause, then all of it again.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lumina_api.demo.endpoints import (
    ASK,
    CHAT,
    ENDPOINTS,
    NUMBERS,
    REFUSALS,
    SLOTS,
    SUMMARISE,
    TICKET_REPLY,
    Endpoint,
)

HISTORY_S = 23.5 * 3600
"""Less than a day: a first live call a day ahead of history would look like one with a wrong clock."""
HISTORY_CALLS = 320
"""Of each endpoint, and some more by its share: enough for a baseline that is ready."""

TOKEN_SPREAD = 0.18  # standard deviation of log tokens
LATENCY_SPREAD = 0.35
ERROR_SHARE = 0.006

PEAK_HOUR = 14.0
LIVE_DAY_S = 600.0
"""Live, a day's rhythm passes in ten minutes."""
CYCLE_S = 2400.0
"""The schedule repeats after this; longer than the time in which a signal reopens its old alert."""

BLOAT = 3.4
"""Factor by which a prompt grows that drags the whole conversation along."""

IncidentKind = Literal["both", "model_switch", "prompt_bloat", "refusals"]


@dataclass(frozen=True)
class Incident:
    """Something that goes wrong on one endpoint, from `start_s` (seconds in the cycle) on."""

    kind: IncidentKind
    endpoint: Endpoint
    start_s: float
    duration_s: float
    what: str
    alerts: tuple[str, ...]
    """Kinds of alert that answer it."""
    model: str = ""
    refuses: bool = False
    bloats: bool = False


INCIDENTS: tuple[Incident, ...] = (
    Incident(
        "both",
        CHAT,
        start_s=8,
        duration_s=75,
        what="switches from gpt-4o-mini to gpt-4o, which declines to answer",
        alerts=("cost_and_quality",),
        model="gpt-4o",
        refuses=True,
    ),
    Incident(
        "model_switch",
        ASK,
        start_s=180,
        duration_s=90,
        what="switches from gpt-4o-mini to gpt-5-mini: twice the price",
        alerts=("cost_spike",),
        model="gpt-5-mini",
    ),
    Incident(
        "prompt_bloat",
        SUMMARISE,
        start_s=360,
        duration_s=90,
        what=f"sends prompts {BLOAT:g} times as long",
        alerts=("cost_spike",),
        bloats=True,
    ),
    Incident(
        "refusals",
        TICKET_REPLY,
        start_s=540,
        duration_s=90,
        what="declines to answer",
        alerts=("quality_drop",),
        refuses=True,
    ),
)

ONCE_S = max(incident.start_s + incident.duration_s for incident in INCIDENTS) + 90
"""One pass over all incidents, with time for the last one to be over."""


@dataclass(frozen=True)
class PlannedCall:
    """One LLM call, and with it the trace around it. `at_s` is its end: seconds from the plan's begin."""

    at_s: float
    endpoint: Endpoint
    model: str
    question: str
    answer: str
    input_tokens: int
    output_tokens: int
    duration_ms: float
    error: str = ""  # error.type; the answer and tokens of such a call never came
    context: str = ""  # text dragged along in the prompt
    incident: Incident | None = None


def history(seed: int, length_s: float = HISTORY_S, hour: float = PEAK_HOUR) -> list[PlannedCall]:
    """Calls of the last `length_s` seconds before the plan's begin (negative `at_s`), in order of time.

    Their density follows the hours of a day, few at night; `hour` (UTC) is the time of day at the plan's
    begin. A shorter history holds fewer calls.
    """
    rng = random.Random(f"history {seed}")  # noqa: S311 - a plan, not a secret
    calls = []
    for endpoint in ENDPOINTS:
        count = int((HISTORY_CALLS + 200 * endpoint.share) * min(length_s / HISTORY_S, 1.0))
        for _ in range(count):
            while True:  # rejection sampling of the rhythm
                at_s = -rng.uniform(0, length_s)
                if rng.uniform(0, 2) < rhythm(at_s + (hour - PEAK_HOUR) * 3600, 24 * 3600):
                    break
            calls.append(_call(rng, endpoint, at_s))
    return sorted(calls, key=lambda call: call.at_s)


def live(seed: int, rate: float) -> Iterator[PlannedCall]:
    """Endless calls from the plan's begin on, `rate` a second on average, in order of time.

    The calls of an endpoint under an incident carry it.
    """
    rng = random.Random(f"live {seed}")  # noqa: S311
    shares = [endpoint.share for endpoint in ENDPOINTS]
    at_s = 0.0
    while True:
        at_s += rng.expovariate(rate * rhythm(at_s, LIVE_DAY_S, depth=0.3))
        endpoint = rng.choices(ENDPOINTS, shares)[0]
        call = _call(rng, endpoint, at_s)
        incident = incident_at(at_s)
        if incident is not None and incident.endpoint is endpoint:
            call = _altered(rng, call, incident)
        yield call


def incident_at(at_s: float) -> Incident | None:
    """The incident that is on at a time of the live plan; at most one is."""
    in_cycle = at_s % CYCLE_S
    for incident in INCIDENTS:
        if incident.start_s <= in_cycle < incident.start_s + incident.duration_s:
            return incident
    return None


def rhythm(at_s: float, day_s: float, depth: float = 0.8) -> float:
    """Traffic at a time relative to its mean (1.0): a wave a day, lowest half a day after its peak."""
    return 1.0 + depth * math.cos(2 * math.pi * at_s / day_s)


def _call(rng: random.Random, endpoint: Endpoint, at_s: float) -> PlannedCall:
    slots = {name: rng.choice(values) for name, values in SLOTS.items()} | {
        name: str(rng.randint(least, most)) for name, (least, most) in NUMBERS.items()
    }
    exchange = rng.choice(endpoint.exchanges)
    closing = rng.choice(endpoint.closings)
    wording = rng.choice((exchange.answer, exchange.reworded)) if exchange.reworded else exchange.answer
    answer = wording.format(**slots)
    call = PlannedCall(
        at_s=at_s,
        endpoint=endpoint,
        model=endpoint.model,
        question=exchange.question.format(**slots),
        answer=f"{answer} {closing}" if closing else answer,
        input_tokens=_spread(rng, endpoint.input_tokens),
        output_tokens=_spread(rng, endpoint.output_tokens),
        duration_ms=endpoint.latency_ms * rng.lognormvariate(0, LATENCY_SPREAD),
    )
    if endpoint.operation == "chat" and rng.random() < ERROR_SHARE:
        return replace(call, error="rate_limit_exceeded")
    return call


def _altered(rng: random.Random, call: PlannedCall, incident: Incident) -> PlannedCall:
    """The call as it is under an incident."""
    call = replace(call, incident=incident, error="", model=incident.model or call.model)
    if incident.refuses:
        refusal = rng.choice(REFUSALS)
        call = replace(call, answer=refusal, output_tokens=max(12, len(refusal) // 4))
    if incident.bloats:
        context = "\n".join(
            f"Earlier: {exchange.question} {exchange.answer}" for exchange in call.endpoint.exchanges * 3
        )
        call = replace(call, input_tokens=int(call.input_tokens * BLOAT), context=context)
    return call


def _spread(rng: random.Random, median: int) -> int:
    return int(median * rng.lognormvariate(0, TOKEN_SPREAD))
