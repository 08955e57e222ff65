"""Look-alikes: changes that are no incident. An alert on one of them is false."""

import random
from dataclasses import dataclass
from typing import Literal

from labelled.incident import Incident
from labelled.series import DAY_MS, HOUR_MS, START_MS, Plan

LookalikeType = Literal[
    "traffic_doubling",
    "new_endpoint",
    "long_tail",
    "holiday",
    "cheaper_answers",
    "reworded_deploy",
    "better_model",
    "reworded",
    "new_prompt_version",
    "new_customers",
    "longer_answers",
]
LOOKALIKE_TYPES: tuple[LookalikeType, ...] = (
    "traffic_doubling",
    "new_endpoint",
    "long_tail",
    "holiday",
    "cheaper_answers",
    "reworded_deploy",
)
TEXT_TYPES: tuple[LookalikeType, ...] = (
    "better_model",
    "reworded",
    "new_prompt_version",
    "new_customers",
    "longer_answers",
)
"""Only where calls have content. All of them stay."""

ONCE = frozenset({"cheaper_answers", "better_model", "longer_answers"})
LONGER = (1.5, 2.0, 3.0)  # times the sentences of a usual answer
HOLIDAY = 0.2  # of the usual volume
CHEAPER = (0.4, 0.6, 0.8)
YOUNG_MS = DAY_MS  # so long is an endpoint new
WATCH_MS = 12 * HOUR_MS  # so long a change that stays is watched
GAP_MS = 2 * HOUR_MS  # from an incident
TRIES = 20


@dataclass(frozen=True)
class Lookalike:
    """A label. What stays (cheaper answers, a deploy, other words) is watched until `end_ms`."""

    type: LookalikeType
    onset_ms: int
    end_ms: int
    factor: float = 1.0


def draw_lookalikes(
    plan: Plan, incidents: list[Incident], days: float, warm_up_days: float
) -> list[Lookalike]:
    """The look-alikes of a series, clear of its incidents: about one in two days."""
    rng = random.Random(f"look-alikes {plan.seed}")
    found = [Lookalike("new_endpoint", plan.first_ms, plan.first_ms + YOUNG_MS)]
    first_ms = plan.first_ms + int(warm_up_days * DAY_MS)
    last_ms = START_MS + int(days * DAY_MS)
    clear = _Clearance(incidents, first_ms, last_ms)
    found += clear.draw(rng, [kind for kind in LOOKALIKE_TYPES if kind != "new_endpoint"], found)
    if plan.text is not None:
        found += clear.draw(random.Random(f"text look-alikes {plan.seed}"), [*TEXT_TYPES], found)
    return sorted(found, key=lambda made: made.onset_ms)


@dataclass(frozen=True)
class _Clearance:
    """Where look-alikes may lie."""

    incidents: list[Incident]
    first_ms: int
    last_ms: int

    def draw(
        self, rng: random.Random, kinds: list[LookalikeType], others: list[Lookalike]
    ) -> list[Lookalike]:
        """About one in two days."""
        found: list[Lookalike] = []
        for _ in range(int((self.last_ms - self.first_ms) / (2 * DAY_MS))):
            kind = rng.choice(kinds)
            if kind in ONCE:
                kinds.remove(kind)  # it stays
            for _ in range(TRIES):
                made = _draw(rng, kind, rng.randrange(self.first_ms, self.last_ms - WATCH_MS))
                inside = made.end_ms <= self.last_ms and made.onset_ms >= self.first_ms
                if inside and _is_clear(made, self.incidents, [*others, *found]):
                    found.append(made)
                    break
        return found


def _draw(rng: random.Random, kind: LookalikeType, at_ms: int) -> Lookalike:
    match kind:
        case "traffic_doubling":
            return Lookalike(kind, at_ms, at_ms + int(rng.uniform(2, 24) * HOUR_MS), 2.0)
        case "holiday":
            day_ms = at_ms - at_ms % DAY_MS
            return Lookalike(kind, day_ms, day_ms + DAY_MS, HOLIDAY)
        case "cheaper_answers":
            return Lookalike(kind, at_ms, at_ms + WATCH_MS, rng.choice(CHEAPER))
        case "longer_answers":
            return Lookalike(kind, at_ms, at_ms + WATCH_MS, rng.choice(LONGER))
        case "long_tail":
            return Lookalike(kind, at_ms, at_ms + HOUR_MS, rng.uniform(0.7, 1.5))
        case _:
            return Lookalike(kind, at_ms, at_ms + WATCH_MS)


def _is_clear(made: Lookalike, incidents: list[Incident], others: list[Lookalike]) -> bool:
    labels: list[Incident | Lookalike] = [*incidents, *others]
    windows = [(label.onset_ms, label.end_ms) for label in labels]
    return all(made.onset_ms >= end + GAP_MS or made.end_ms + GAP_MS <= onset for onset, end in windows)
