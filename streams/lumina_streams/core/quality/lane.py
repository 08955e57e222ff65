"""The quality signal: do answers refuse, break, or drift from those that the series gave before."""

from math import log

from lumina_schemas.alert import Baseline, Signal
from lumina_streams.core.alert.summary import quality_detail
from lumina_streams.core.baseline.excursion import Excursion, Exhibit
from lumina_streams.core.baseline.lane import Lane
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.sequential import Share
from lumina_streams.core.quality.score import UNLIKE, QualityTest, Verdict
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules


class QualityLane(Lane, array_like=True, kw_only=True):
    """Quality. Evidence: [level of logit S, share of hard signs, share of unlike answers]."""

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
        if not self.collect((level_gain, test.hard.gain(verdict.hard), unlike_gain), at_ms):
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
        )

    def adopt(self) -> None:
        """The level is the baseline now, its answers the references: only hard signs can recover."""
        self.blind = bool(self.evidence) and self.evidence[1] < max(self.evidence)
        super().adopt()

    def begin(self, at_ms: int) -> None:
        """An alert takes this signal; note how bad it is, to know when it is over."""
        super().begin(at_ms)
        self.reference = self.test
        self.blind = False
        excursion = self.excursion
        base = max(self.test.bad_share, 0.003)
        seen = excursion.bad / excursion.n if excursion is not None and excursion.n else 0.3
        share = min(max(seen, 0.3, 4 * base / (1 + 3 * base)), 0.95)
        self.back = Share(base, log(share / base), log((1 - share) / (1 - base)))
