"""Which setting would have kept a false alert quiet, and what else it would have lost.

The series' calls go through one trial as things are, and through one for each rung of a ladder, the mildest
first.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from lumina_api.backtest.overrides import Overrides
from lumina_api.backtest.summary import Raised, Tale, Told, told
from lumina_api.backtest.trial import Trial
from lumina_schemas.alert import Alert
from lumina_schemas.rule import RULE_VERSION, Rule
from lumina_streams.core.series.rules import Rules

LOOK_BACK_MS = 7 * 86_400_000
"""What else would be lost is looked for so far back."""

RISES: dict[str, tuple[str, tuple[float, ...]]] = {
    "cost_spike": ("cost_spike_pct", (30, 50, 100, 200)),
    "spend_spike": ("spend_spike_pct", (300, 500, 1000)),
    "latency_spike": ("latency_spike_pct", (100, 200, 400)),
    "error_spike": ("error_spike_points", (10, 20, 40)),
}
"""By signal: the field that says how far it must rise, and what it is raised to."""

SCORES = (0.6, 0.5, 0.3)  # quality_min
SILENCES = (2, 4)  # times no_data_after_s
SAMPLES = (2, 4)  # times min_samples
MOST_SAMPLES = 1_000_000

Rung = dict[str, Any]
"""Fields of a rule."""


class Proposal(Struct, kw_only=True):
    """What a backtest answers to "this alert was false"."""

    reproduced: bool  # the alert shows in what the log retains, by today's rules
    calls: int
    change: Rung | None = None  # the mildest that silences it
    lost: tuple[Told, ...] = ()  # other alerts of the last days that would be gone too
    tried: tuple[Rung, ...] = ()  # milder ones that do not


def ladder(signals: Iterable[str], rules: Rules) -> list[Rung]:
    """Changes that may silence an alert of these signals, the mildest first: thresholds, then more calls
    before a baseline counts, at last signals switched off.
    """
    named = sorted(set(signals))
    rungs: list[Rung] = []
    for signal in named:
        if signal in RISES:
            name, values = RISES[signal]
            rungs += [{name: float(value)} for value in values if value > getattr(rules, name)]
        elif signal == "quality_drop":
            rungs += [{"quality_min": value} for value in SCORES if value < rules.quality_min]
        elif signal == "no_data" and rules.no_data_after_s:
            rungs += [{"no_data_after_s": rules.no_data_after_s * times} for times in SILENCES]
    if set(named) & {*RISES, "quality_drop"}:
        rungs += [{"min_samples": min(rules.min_samples * times, MOST_SAMPLES)} for times in SAMPLES]
    rungs += [{"off": tuple(sorted({*rules.off, signal}))} for signal in named]
    if len(named) > 1:
        rungs.append({"off": tuple(sorted({*rules.off, *named}))})
    return rungs


def judged(
    false: Raised, now: Sequence[Raised], rungs: Sequence[tuple[Rung, Sequence[Raised]]], calls: int
) -> Proposal:
    """The proposal that follows from what the trials raised: as things are, and by each rung."""
    if not any(one.meets(false) for one in now):
        return Proposal(reproduced=False, calls=calls)
    others = [one for one in now if not one.meets(false) and one.opened_ms >= false.opened_ms - LOOK_BACK_MS]
    tried: list[Rung] = []
    for rung, raised in rungs:
        if any(one.meets(false) for one in raised):
            tried.append(rung)
            continue
        lost = [told(one) for one in others if not any(other.meets(one) for other in raised)]
        return Proposal(reproduced=True, calls=calls, change=rung, lost=tuple(lost), tried=tuple(tried))
    return Proposal(reproduced=True, calls=calls, tried=tuple(tried))


class Proposer:
    """The trials of one false alert, side by side: feed them the log of its series."""

    def __init__(self, alert: Alert, defaults: Rules, in_force: Rules, detected_at: str) -> None:
        self.false = Raised.of(alert)
        self.rungs = ladder(self.false.signals, in_force)
        self._tales = [Tale() for _ in range(len(self.rungs) + 1)]
        self.trials = [
            Trial(defaults, Overrides(rung), _into(tale), detected_at)
            for rung, tale in zip(({}, *self.rungs), self._tales, strict=True)
        ]

    def answer(self) -> Proposal:
        """What follows from all that was fed."""
        now, *others = [list(tale.raised.values()) for tale in self._tales]
        return judged(self.false, now, list(zip(self.rungs, others, strict=True)), self.trials[0].calls)


def rule_with(rung: Rung, alert: Alert, in_force: Rule | None) -> Rule:
    """A rule for the series alone that changes what a rung says, and keeps what holds for it now: the most
    specific rule is in force alone.
    """
    base = in_force or Rule(v=RULE_VERSION)
    return msgspec.structs.replace(
        base, project=alert.project, service=alert.service, endpoint=alert.endpoint, **rung
    )


def _into(tale: Tale) -> Any:
    def take(alert: Alert) -> None:
        tale.take(alert)

    return take
