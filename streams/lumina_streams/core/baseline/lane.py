"""One signal's running tests on a series: evidence as it grows, calm as it returns."""

from math import exp, log

from msgspec import Struct, field

from lumina_streams.core.baseline.cost import CostTest
from lumina_streams.core.baseline.excursion import Excursion, Exhibit
from lumina_streams.core.baseline.sequential import Share
from lumina_streams.core.quality.score import UNLIKE, QualityTest, Verdict
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

NEVER = -1
CALM_H = 8.0  # nats for "as before" against "as when the alert opened"
CALM_CALLS = 10
CALM_MS = 60_000
CAP = 3.0  # evidence is kept below so many thresholds
SUSPECT = 0.2  # of the threshold: from here points wait, outside the baseline, for the outcome
CHANCE_CALLS = 200  # a deviation that never alerts is adopted after so many calls


class Lane(Struct, array_like=True, kw_only=True):
    """State of one signal. `evidence` has one running sum of nats per test."""

    evidence: list[float]
    excursion: Excursion | None = None
    active_ms: int = NEVER  # last call whose evidence was enough for half of a dual signal
    open: bool = False  # an alert holds this signal
    adopted: bool = False  # ... and its level is the baseline by now
    calm: float = 0.0
    calm_n: int = 0
    calm_ms: int = NEVER  # since when it is calm
    recovered: bool = False
    stale: bool = False  # points held back belong to an incident that is over

    @property
    def is_chance(self) -> bool:
        """Whether a long excursion came to nothing: too small a rise to alert, so it may teach."""
        return not self.open and self.excursion is not None and self.excursion.n >= CHANCE_CALLS

    def is_hot(self, alone_h: float) -> bool:
        """Whether its points must not teach the baseline for now."""
        return self.is_held or max(self.evidence) >= alone_h * SUSPECT > 0

    @property
    def is_held(self) -> bool:
        """Whether an alert holds the signal and its level is not yet the baseline."""
        return self.open and not self.adopted

    def collect(self, gains: tuple[float, ...], cap: float) -> bool:
        """Add a call's gains; True while anything deviates (the call belongs to the excursion)."""
        evidence = self.evidence
        deviates = False
        for index, gain in enumerate(gains):
            total = evidence[index] + gain
            if total > 0.0:
                deviates = True
                evidence[index] = min(total, cap)
            else:
                evidence[index] = 0.0
        if not deviates and not self.is_held:
            self.excursion = None
        return deviates or self.is_held

    def settle(self, gain: float, at_ms: int) -> None:
        """Weigh a call of an open alert for the return to normal; `gain` is evidence against it."""
        self.calm = max(0.0, self.calm - gain)
        if self.calm == 0.0:
            self._forget_calm()
            return
        if self.calm_ms == NEVER:
            self.calm_ms = at_ms
        self.calm_n += 1
        if self.calm >= CALM_H and self.calm_n >= CALM_CALLS and at_ms - self.calm_ms >= CALM_MS:
            self.recovered = True

    def begin(self) -> None:
        """An alert takes this signal."""
        self.open = True
        self.adopted = False
        self._forget_calm()

    def adopt(self) -> None:
        """The level is the baseline now; the alert stays open, recovery is measured against the old one."""
        self.adopted = True
        self.dismiss()

    def dismiss(self) -> None:
        """Drop all evidence."""
        self.excursion = None
        self.active_ms = NEVER
        self.evidence = [0.0] * len(self.evidence)

    def end(self) -> None:
        """The alert gave this signal back."""
        self.open = False
        self.adopted = False
        self.stale = True
        self.dismiss()
        self._forget_calm()

    def _forget_calm(self) -> None:
        self.calm = 0.0
        self.calm_n = 0
        self.calm_ms = NEVER
        self.recovered = False


class CostLane(Lane, array_like=True, kw_only=True):
    """Cost. Evidence: [level of log cost, share of far calls]."""

    evidence: list[float] = field(default_factory=lambda: [0.0, 0.0])
    test: CostTest = CostTest()
    reference: CostTest = CostTest()  # the test that opened the alert: recovery is measured against it
    giant: float = 0.0  # ratio to the largest earlier call, where one call alone opened the excursion

    def weigh(self, call: Call, cost: float, x: float, at_ms: int, largest: float) -> None:
        """Take one priced call (x = log cost, `largest` = that of the dearest earlier call)."""
        test = self.test
        if not test.in_force:
            return
        if self.open:
            self.settle(self.reference.level.gain(x), at_ms)
        gains = (test.level.gain(x), test.far.gain(x > test.far_from))
        giant = test.is_giant(x, largest)
        if giant:
            gains = (gains[0], max(gains[1], test.alone_h - self.evidence[1]))
        if not self.collect(gains, CAP * test.alone_h):
            return
        excursion = self.excursion
        if excursion is None:
            excursion = self.excursion = Excursion(at_ms)
            self.giant = 0.0
        if giant:
            self.giant = exp(x - largest)
        excursion.add(call, at_ms, x, cost)
        if x > test.level.median:
            excursion.show_dear(Exhibit(at_ms, call.trace_id, call.span_id, cost, None))

    def begin(self) -> None:
        """An alert takes this signal."""
        super().begin()
        self.reference = self.test

    def strength(self, h: float, rules: Rules) -> float:
        """Evidence over a threshold; 1 is just enough. 0 where the rise is smaller than the rule asks for."""
        excursion = self.excursion
        if excursion is None or h <= 0:
            return 0.0
        level, far = self.evidence
        if level > far and self.test.lift(excursion.level) < 1 + rules.cost_spike_pct / 100:
            level = 0.0
        return max(level, far) / h


class QualityLane(Lane, array_like=True, kw_only=True):
    """Quality. Evidence: [level of logit S, share of hard signs, share of unlike answers]."""

    evidence: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])
    test: QualityTest = QualityTest()
    reference: QualityTest = QualityTest()
    blind: bool = False  # adopted with its references: recovery from unlike answers cannot be seen
    back: Share = Share()  # share of bad answers when the alert opened, against the baseline's

    def weigh(self, call: Call, verdict: Verdict, cost: float | None, at_ms: int, rules: Rules) -> None:
        """Take one judged answer."""
        test = self.test
        if not test.in_force:
            return
        bad = verdict.score < rules.quality_min
        if self.open and not self.blind:
            self.settle(self.back.gain(bad), at_ms)
        level_gain = unlike_gain = 0.0
        if verdict.compared and verdict.likeness is not None:
            level = test.level(verdict.likeness)
            level_gain = level.gain(-verdict.logit)
            if not verdict.hard:
                unlike_gain = test.unlike.gain(verdict.sign == UNLIKE)
        gains = (level_gain, test.hard.gain(verdict.hard), unlike_gain)
        if not self.collect(gains, CAP * test.alone_h):
            return
        excursion = self.excursion
        if excursion is None:
            excursion = self.excursion = Excursion(at_ms)
        excursion.add(call, at_ms, verdict.score, cost)
        if bad:
            exhibit = Exhibit(at_ms, call.trace_id, call.span_id, cost, round(verdict.score, 4))
            before = verdict.likeness.text if verdict.likeness else ""
            excursion.show_bad(exhibit, verdict.sign, before, verdict.text)

    def strength(self, h: float, rules: Rules) -> float:
        """Evidence over a threshold; 1 is just enough. Small drifts of S count once answers score as bad."""
        excursion = self.excursion
        if excursion is None or h <= 0 or not excursion.bad:
            return 0.0
        level, hard, unlike = self.evidence
        if excursion.level >= rules.quality_min:
            level = 0.0
        return max(level, hard, unlike) / h

    def adopt(self) -> None:
        """The level is the baseline now, its answers the references: only hard signs can recover."""
        self.blind = self.evidence[1] < max(self.evidence)
        super().adopt()

    def begin(self) -> None:
        """An alert takes this signal; note how bad it is, to know when it is over."""
        super().begin()
        self.reference = self.test
        self.blind = False
        excursion = self.excursion
        base = max(self.test.bad_share, 0.003)
        seen = excursion.bad / excursion.n if excursion is not None and excursion.n else 0.3
        share = min(max(seen, 0.3, 4 * base / (1 + 3 * base)), 0.95)
        self.back = Share(base, log(share / base), log((1 - share) / (1 - base)))
