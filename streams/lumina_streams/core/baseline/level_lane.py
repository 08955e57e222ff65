"""A signal of level: does a call cost more, or take longer, than the series' calls do."""

from math import exp, log

from msgspec import Struct, field

from lumina_schemas.alert import Baseline, Signal, SignalKind, Unit
from lumina_streams.core.baseline.excursion import Excursion, Exhibit
from lumina_streams.core.baseline.lane import Lane
from lumina_streams.core.baseline.level import LevelTest
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.windows import HOUR_MS
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

GIANT_RATIO = log(3.0)  # a single call this much above the largest earlier one is a spike
GIANT_Z = 4.5  # ... provided that the series' own spread does not explain it
LEAST_CALM_SHIFT = 0.15  # spreads
CALM_GAIN = 3.0  # nats that one call can say for or against calm
CHANCE_WINDOWS = 4  # windows of the recent level after which an excursion is taken for chance


class Recent(Struct, array_like=True):
    """The level of the calls of an excursion, over the last `LevelTest.window_calls` of them."""

    n: int = 0
    log: float = 0.0  # mean log value
    capped: float = 0.0  # mean value up to the cap


class LevelLane(Lane, array_like=True, kw_only=True):
    """Evidence by alternative of `LevelTest`. `effects`: the daily rhythm that a value is freed from."""

    test: LevelTest = LevelTest()
    reference: LevelTest | None = None  # the test that opened the alert: recovery is measured against it
    against: LevelTest | None = None  # the test that raised it last: shown beside the level
    effects: tuple[float, ...] = ()
    recent: Recent = field(default_factory=Recent)
    effect: float = 0.0  # of the hour of the last call
    risen: float = 0.0  # above the median when the alert opened, log
    giant: float = 0.0  # ratio to the largest earlier call, where one call alone opened the excursion
    unit: Unit = "usd_per_call"

    @property
    def alone_h(self) -> float:
        """As `Lane`."""
        return self.test.alone_h

    @property
    def joint_h(self) -> float:
        """As `Lane`."""
        return self.test.joint_h

    def effect_at(self, at_ms: int) -> float:
        """By how much the hour of a time usually differs, log."""
        return self.effects[at_ms // HOUR_MS % 24] if self.effects else 0.0

    def weigh(
        self,
        call: Call,
        x: float,
        at_ms: int,
        largest: float | None,
        cost: float | None,
    ) -> None:
        """Take one call: x = log value; `largest` = that of the largest earlier one, where giants count."""
        test = self.test
        if not test.in_force:
            return
        self.effect = self.effect_at(at_ms)
        x -= self.effect
        if self.open:
            self.settle(_calm_gain(self.reference or test, x, self.risen), at_ms)
        if x <= test.location and not self.open and self.excursion is None and not any(self.evidence):
            return  # nothing to add, nothing to take away
        gains = test.gains(x)
        giant = (
            largest is not None
            and test.ready
            and x + self.effect > largest + GIANT_RATIO
            and test.z(x) >= GIANT_Z
        )
        if giant:
            gains[-1] = max(gains[-1], test.alone_h - (self.evidence[-1] if self.evidence else 0.0))
        if not self.collect(gains, at_ms):
            return
        excursion = self.excursion
        if excursion is None:
            excursion = self.excursion = Excursion(at_ms)
            self.recent = Recent()
            self.giant = 0.0
        if giant and largest is not None:
            self.giant = exp(x + self.effect - largest)
        recent = self.recent
        recent.n += 1
        span = min(recent.n, test.window_calls)
        recent.log += (x - recent.log) / span
        recent.capped += (exp(min(x, test.cap)) - recent.capped) / span
        excursion.add(call, at_ms, x, cost)
        if x > test.median:
            excursion.show_dear(Exhibit(at_ms, call.trace_id, call.span_id, cost, None))

    @property
    def lift(self) -> float:
        """Recent level over the baseline's: of the usual call or of the mean, whichever rose more."""
        return self.lift_over(self.test)

    def lift_over(self, test: LevelTest) -> float:
        """`lift`, over the baseline of a given test."""
        if not self.recent.n:
            return 1.0
        usual = exp(self.recent.log - test.median)
        return max(usual, self.recent.capped / test.capped_mean if test.capped_mean > 0 else 1.0)

    @property
    def ratio(self) -> float:
        """As `Lane`."""
        return max(self.lift, 1.0)

    @property
    def chance_calls(self) -> int:
        """As `Lane`: the smaller the rise that matters, the longer it may take to show."""
        return CHANCE_WINDOWS * self.test.window_calls

    def rise(self, rules: Rules) -> float:
        """The least rise that alerts, in percent."""
        raise NotImplementedError

    def strength(self, h: float, rules: Rules) -> float:
        """Evidence over a threshold; 0 where the rise is smaller than the rule asks for."""
        if self.excursion is None or h <= 0:
            return 0.0
        strongest = max(self.evidence)
        if strongest < h or (self.giant and self.evidence[-1] >= strongest):
            return strongest / h
        least = (1 + self.rise(rules) / 100) * exp(self.test.margin)
        return strongest / h if self.lift >= least else 0.0

    def begin(self, at_ms: int) -> None:
        """An alert takes this signal."""
        if self.reference is None or not self.open:
            self.reference = self.test
        self.against = self.test
        self.risen = self.recent.log - self.reference.median
        super().begin(at_ms)

    def end(self) -> None:
        """The alert gave this signal back."""
        super().end()
        self.reference = self.against = None

    def shown(self, kind: SignalKind, dual: bool, rules: Rules, words: str) -> Signal | None:
        """The signal as an alert shows it."""
        if self.excursion is None:
            return None
        test = self.against if self.against is not None and self.open else self.test
        usual = test.p50 * exp(self.effect)
        ratio = self.lift_over(test)
        if self.giant:
            detail = f"one call {self.giant:.3g}x the largest earlier one"
        elif max(self.evidence[-2:]) >= max(self.evidence[:-2]):
            detail = "calls far beyond the series' spread"
        else:
            detail = words
        return Signal(
            kind=kind,
            value=usual * ratio,
            baseline=Baseline(usual, test.p95 * exp(self.effect), test.n, test.window),
            ratio=ratio,
            significance=round(max(self.evidence) / (test.joint_h if dual else test.alone_h or 1.0), 3),
            n=self.recent.n,
            since=rfc3339(self.since_ms),
            unit=self.unit,
            detail=detail,
        )


class CostLane(LevelLane, array_like=True, kw_only=True):
    """Cost of a call, or its weighted tokens where the series has no prices (`unit`)."""

    tokens_p50: float = 0.0  # weighted tokens of a priced call: what an unpriced one is judged by

    def rise(self, rules: Rules) -> float:
        """As `LevelLane`."""
        return rules.cost_spike_pct

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """As `Lane`."""
        return self.shown("cost_spike", dual, rules, "the level of cost per call rose")


class LatencyLane(LevelLane, array_like=True, kw_only=True):
    """Duration of a call that did not fail, in ms."""

    unit: Unit = "ms"

    def rise(self, rules: Rules) -> float:
        """As `LevelLane`."""
        return rules.latency_spike_pct

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """As `Lane`."""
        return self.shown("latency_spike", dual, rules, "the level of latency rose")


def _calm_gain(test: LevelTest, x: float, risen: float) -> float:
    """Nats that a call says for "half of the rise is still there" against "as before".

    Half: what opened an alert is what chance had made larger than it is.
    """
    scale = test.scale
    shift = min(max(risen / 2 / scale, LEAST_CALM_SHIFT), 3.0)
    raw = shift * ((x - test.location) / scale - shift / 2)
    return max(-CALM_GAIN, min(CALM_GAIN, raw))
