"""The quality signal: do answers refuse, break, contradict or leave what the series answered before."""

from lumina_schemas.alert import Baseline, Signal
from lumina_schemas.score import Tier
from lumina_streams.core.alert.summary import quality_detail
from lumina_streams.core.baseline.excursion import Excursion, Exhibit
from lumina_streams.core.baseline.lane import Lane
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.sequential import Share, against, fourfold
from lumina_streams.core.quality.fit import ANY, SHARES, QualityTest
from lumina_streams.core.quality.history import PLACES, SIGNS
from lumina_streams.core.quality.score import SIGN_SCORES, SIMILARITY_SIGNS, Verdict
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

WIDTH = len(SHARES)
LEAST_BAD = 3  # answers that a signal rests on
LEAST_RISEN = 0.1  # of the share of bad answers: fewer are no drop
_UNLIKE = PLACES["unlike"]


class QualityLane(Lane, array_like=True, kw_only=True):
    """Quality. Evidence: for each sign, one for each alternative of its share."""

    test: QualityTest = QualityTest()
    reference: QualityTest = QualityTest()
    blind: bool = False  # adopted with its references: recovery from unlike answers cannot be seen
    back: Share = Share()  # share of bad answers when the alert opened, against the baseline's

    @property
    def alone_h(self) -> float:
        """As `Lane`."""
        return self.test.alone_h

    @property
    def joint_h(self) -> float:
        """As `Lane`."""
        return self.test.joint_h

    @property
    def ratio(self) -> float:
        """As `Lane`."""
        excursion = self.excursion
        if excursion is None or not self.test.p50:
            return 1.0
        return 1 / max(excursion.level / self.test.p50, 0.05)

    def weigh(self, call: Call, verdict: Verdict, cost: float | None, at_ms: int, rules: Rules) -> None:
        """Take one judged answer."""
        if not self.test.in_force:
            return
        bad = verdict.score < rules.quality_min
        if self.open and not self.blind:
            self.settle(self.back.gain(bad), at_ms)
        judged, signs = verdict.judged | 1 << ANY, _counted(verdict, rules) | bad << ANY
        self._take(call, judged, signs, verdict.score, cost, at_ms)
        excursion = self.excursion
        if bad and excursion is not None:
            exhibit = Exhibit(at_ms, call.trace_id, call.span_id, cost, round(verdict.score, 4))
            excursion.show_bad(exhibit, verdict.sign, verdict.before, verdict.answer.text)

    def weigh_aside(self, call: Call, place: int, shown: bool, at_ms: int, rules: Rules) -> None:
        """Take a span beside the answers: a tool that may have failed, a retrieval that may be empty."""
        if not self.test.bases or not self.test.bases[place]:
            return
        score = SIGN_SCORES[SIGNS[place]] if shown else 1.0
        shown = score < rules.quality_min
        if self.open and not self.blind and shown:
            self.settle(self.back.gain(True), at_ms)
        self._take(call, 1 << place, shown << place, score, None, at_ms)
        if shown and self.excursion is not None:
            exhibit = Exhibit(at_ms, call.trace_id, call.span_id, None, round(score, 4))
            self.excursion.show_bad(exhibit, SIGNS[place], "", "")

    def _take(
        self, call: Call, judged: int, signs: int, score: float, cost: float | None, at_ms: int
    ) -> None:
        if not signs and not self.evidence:
            return
        test = self.test
        gains: list[float] = []
        for place in range(ANY + 1):
            if judged >> place & 1:
                gains += test.gains(place, bool(signs >> place & 1))
            else:
                gains += _NOTHING
        deviates = self.collect(gains, at_ms)
        if not deviates:
            if not self.is_held and not any(self.evidence):
                self.evidence, self.runs, self.since = [], [], []
            return
        if self.excursion is None:
            self.excursion = Excursion(at_ms)
        self.excursion.add(call, at_ms, score, cost)

    def strength(self, h: float, rules: Rules) -> float:
        """Evidence over a threshold; 1 is just enough. 0 where too few answers are bad to matter."""
        excursion = self.excursion
        if excursion is None or h <= 0 or excursion.bad < LEAST_BAD:
            return 0.0
        if excursion.bad < (self.test.bad_share + LEAST_RISEN) * excursion.n:
            return 0.0
        return max(self.evidence, default=0.0) / h

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """As `Lane`."""
        excursion = self.excursion
        if excursion is None:
            return None
        test = self.reference if self.open and self.reference.in_force else self.test
        h = test.joint_h if dual else test.alone_h
        return Signal(
            kind="quality_drop",
            value=round(excursion.level, 4),
            baseline=Baseline(test.p50, test.p95, test.n, test.window),
            ratio=excursion.level / test.p50 if test.p50 else 1.0,
            significance=round(self.strength(h, rules), 3),
            n=excursion.n,
            since=rfc3339(self.since_ms),
            unit="score",
            detail=quality_detail(excursion),
            tier=_tier(excursion),
        )

    def adopt(self) -> None:
        """The level is the baseline now, its answers the references: only signs can recover."""
        evidence = self.evidence
        if evidence:
            strongest = max(range(len(evidence)), key=evidence.__getitem__)
            place = strongest // WIDTH
            self.blind = place < ANY and SIGNS[place] in SIMILARITY_SIGNS
        super().adopt()

    def begin(self, at_ms: int) -> None:
        """An alert takes this signal; note how bad it is, to know when it is over."""
        super().begin(at_ms)
        self.reference = self.test
        self.blind = False
        excursion = self.excursion
        base = max(self.test.bad_share, 0.003)
        seen = excursion.bad / excursion.n if excursion is not None and excursion.n else 0.3
        self.back = against(base, min(max(seen, 0.3, fourfold(base)), 0.95))


_NOTHING = (0.0,) * WIDTH


def _counted(verdict: Verdict, rules: Rules) -> int:
    """Bits of the signs that are bad by the rule."""
    signs = verdict.signs
    if not signs:
        return 0
    for place, sign in enumerate(SIGNS):
        if signs >> place & 1 and SIGN_SCORES.get(sign, 0.0) >= rules.quality_min:
            signs &= ~(1 << place)
    return signs


def _tier(excursion: Excursion) -> Tier | None:
    """What saw most of the bad answers."""
    if not excursion.signs:
        return None
    sign = max(excursion.signs, key=lambda name: excursion.signs[name])
    if sign == "unlike":
        return "semantics"
    return "similarity" if sign in SIMILARITY_SIGNS else "signs"
