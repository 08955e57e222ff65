"""One signal's running tests on a series: evidence as it grows, calm as it returns.

What all signals share. What each measures is in `level_lane` (cost, latency), `share_lane` (errors,
unpriced), `spend_lane`, `event_lane` (silence, limit), and `quality.lane`.
"""

from typing import Literal

from msgspec import Struct

from lumina_schemas.alert import Signal
from lumina_streams.core.baseline.excursion import Excursion
from lumina_streams.core.series.rules import Rules

NEVER = -1
CALM_H = 8.0  # nats for "as before" against "as when the alert opened"
MOST_CALM = 16.0  # nats: a relapse is seen soon, however long it was calm
CALM_CALLS = 10
CALM_MS = 60_000
CAP = 3.0  # evidence is kept below so many thresholds
SUSPECT = 0.3  # of the threshold: from here points wait, outside the baseline, for the outcome
LEAST_EVIDENCE = 1.0  # nats: less is what every other call brings
STEADY = 0.5  # of the threshold: from here the excursion keeps its beginning

CHANCE_CALLS = 200

LaneName = Literal["cost", "spend", "latency", "errors", "unpriced", "quality", "silence", "limit"]


class Lane(Struct, array_like=True, kw_only=True):
    """State of one signal. `evidence` has one running sum of nats per test, `runs` and `since` its age."""

    evidence: list[float] = []
    runs: list[int] = []  # calls since a test's evidence was last zero
    since: list[int] = []  # event time, ms, of the first of them
    excursion: Excursion | None = None
    active_ms: int = NEVER  # last call whose evidence was enough for half of a dual signal
    open: bool = False  # an alert holds this signal
    begun_ms: int = NEVER  # since when
    adopted: bool = False  # ... and its level is the baseline by now
    accepting: bool = False  # somebody said that this level is right: learn it, say nothing
    calm: float = 0.0
    calm_n: int = 0
    calm_ms: int = NEVER  # since when it is calm
    patience_ms: int = CALM_MS  # how long it must be
    recovered: bool = False
    stale: bool = False  # points held back belong to an incident that is over
    returned: bool = False  # from an adopted level to the one before

    @property
    def alone_h(self) -> float:
        """Nats that this signal needs to alert alone; 0 while it cannot."""
        raise NotImplementedError

    @property
    def joint_h(self) -> float:
        """Nats that it needs as one half of a dual signal; 0 while it cannot."""
        return self.alone_h

    def strength(self, h: float, rules: Rules) -> float:
        """Evidence over a threshold; 1 is just enough. 0 where the change is too small to matter."""
        raise NotImplementedError

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """What the signal says in an alert; None where there is nothing to show."""
        raise NotImplementedError

    @property
    def ratio(self) -> float:
        """How far off the recent calls are, at least 1: decides whether an update is news."""
        return 1.0

    @property
    def since_ms(self) -> int:
        """Event time of the first deviating call."""
        if not self.evidence or self.excursion is None:
            return NEVER
        strongest = max(range(len(self.evidence)), key=self.evidence.__getitem__)
        since = self.since[strongest]
        return since if since > 0 else self.excursion.since_ms

    @property
    def is_chance(self) -> bool:
        """Whether a long excursion came to nothing: too small a change to alert, so it may teach."""
        return not self.is_held and self.excursion is not None and self.excursion.n >= self.chance_calls

    @property
    def chance_calls(self) -> int:
        """Calls of an excursion after which it is taken for chance."""
        return CHANCE_CALLS

    @property
    def stirs(self) -> bool:
        """Whether there is evidence enough to be looked at: half of a dual signal."""
        return self.excursion is not None and max(self.evidence, default=0.0) >= self.joint_h > 0

    @property
    def is_held(self) -> bool:
        """Whether an alert holds the signal and its level is not yet the baseline."""
        return (self.open and not self.adopted) or self.accepting

    @property
    def is_hot(self) -> bool:
        """Whether its points must not teach the baseline for now."""
        return self.is_held or (bool(self.evidence) and max(self.evidence) >= self.alone_h * SUSPECT > 0)

    def collect(self, gains: list[float] | tuple[float, ...], at_ms: int) -> bool:
        """Add a call's gains; True while anything deviates (the call belongs to the excursion).

        Until the evidence is half of what alerts, the excursion is no older than the run of the strongest
        test: calls from before the change would blur its cause.
        """
        evidence, runs, since = self.evidence, self.runs, self.since
        if not evidence:
            count = len(gains)
            evidence[:], runs[:], since[:] = [0.0] * count, [0] * count, [0] * count
        cap = CAP * self.alone_h
        best, strongest = 0.0, -1
        for index, gain in enumerate(gains):
            total = evidence[index] + gain
            if total > 0.0:
                if not runs[index]:
                    since[index] = at_ms
                runs[index] += 1
                evidence[index] = total = min(total, cap)
                if total > best:
                    best, strongest = total, index
            elif runs[index]:
                evidence[index] = 0.0
                runs[index] = 0
        if self.accepting and best < LEAST_EVIDENCE and self.excursion is not None:
            self.accepting = self.excursion.n < CALM_CALLS  # the level is as before again
        if self.is_held:
            return True
        if best < LEAST_EVIDENCE:
            self.excursion = None
            return False
        excursion = self.excursion
        if excursion is not None and excursion.n >= runs[strongest] and best < STEADY * self.alone_h:
            self.excursion = None
        return True

    def settle(self, gain: float, at_ms: int) -> None:
        """Weigh a call of an open alert for the return to normal; `gain` is evidence against it."""
        self.calm = min(max(0.0, self.calm - gain), MOST_CALM)
        if self.calm == 0.0:
            self._forget_calm()
            return
        if self.calm_ms == NEVER:
            self.calm_ms = at_ms
        self.calm_n += 1
        if self.calm >= CALM_H and self.calm_n >= CALM_CALLS and at_ms - self.calm_ms >= self.patience_ms:
            self.recovered = True

    def begin(self, at_ms: int) -> None:
        """An alert takes this signal."""
        self.open = True
        self.begun_ms = at_ms
        self.adopted = False
        self.accepting = False
        self._forget_calm()

    def take_level(self) -> None:
        """Make what is measured now the least that is expected."""

    def adopt(self) -> None:
        """The level is the baseline now; an alert stays open, recovery is measured against the old one."""
        self.adopted = self.open
        self.accepting = False
        self.dismiss()

    def accept(self) -> None:
        """Somebody says that the level is right: its points teach as soon as they are enough."""
        self.end()
        self.stale = False
        self.accepting = True

    def dismiss(self) -> None:
        """Drop all evidence."""
        self.excursion = None
        self.active_ms = NEVER
        count = len(self.evidence)
        self.evidence, self.runs, self.since = [0.0] * count, [0] * count, [0] * count

    def end(self) -> None:
        """The alert gave this signal back."""
        self.returned = self.adopted and self.recovered
        self.open = False
        self.adopted = False
        self.stale = True
        self.patience_ms = CALM_MS
        self.dismiss()
        self._forget_calm()

    def _forget_calm(self) -> None:
        self.calm = 0.0
        self.calm_n = 0
        self.calm_ms = NEVER
        self.recovered = False
