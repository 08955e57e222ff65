"""A signal of share: failed calls, calls without a price. Bernoulli tests against the baseline's share."""

from math import log, sqrt

from msgspec import Struct

from lumina_schemas.alert import Baseline, Signal, SignalKind
from lumina_streams.core.baseline.excursion import Excursion, Exhibit
from lumina_streams.core.baseline.lane import Lane
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.sequential import LEAST_CALLS, against, fourfold
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

PRIOR_CALLS = 50.0  # one in fifty
LEAST_SHARE = 0.003
COMMON = 0.5  # where more than so many are so, it is no news
SHARES = (0.1, 0.3, 0.9)  # alternatives
LEARNING_SHARES = (0.9, 0.9, 0.9)
RECENT_CALLS = 50
LEAST_HITS = 5  # that an alert rests on
LEAST_RISEN = 0.05
UNPRICED_POINTS = 5.0


class ShareTest(Struct, frozen=True, array_like=True):
    """What decides about a share until the next fit."""

    n: int = 0
    base: float = 0.0
    window: str = ""
    hits: tuple[float, ...] = ()  # nats of a call that is so, by alternative
    misses: tuple[float, ...] = ()
    alone_h: float = 0.0
    fit_ms: int = 0


def fit_share_test(
    hits: int, n: int, window: str, ready: bool, alone_h: float, floor: float, now_ms: int
) -> ShareTest:
    """Learn the test from `hits` of `n` calls; `floor`: a share that was adopted."""
    if n < LEAST_CALLS:
        return ShareTest(n=n, window=window)
    share = max((hits + 1) / (n + PRIOR_CALLS), hits / n)
    base = max(share + sqrt(share * (1 - share) / n), LEAST_SHARE, floor)
    if base >= COMMON:
        return ShareTest(n, base, window)
    shares = SHARES if ready else LEARNING_SHARES
    coins = [against(base, max(suspected, fourfold(base))) for suspected in shares]
    return ShareTest(
        n,
        base,
        window,
        tuple(coin.hit for coin in coins),
        tuple(coin.miss for coin in coins),
        alone_h,
        now_ms,
    )


class ShareLane(Lane, array_like=True, kw_only=True):
    """Evidence by alternative of `ShareTest`."""

    test: ShareTest = ShareTest()
    reference: ShareTest | None = None
    share: float = 0.0  # of the recent calls of the excursion
    hits: int = 0  # of the excursion
    floor: float = 0.0  # adopted share

    @property
    def alone_h(self) -> float:
        """As `Lane`."""
        return self.test.alone_h

    def weigh(self, call: Call, hit: bool, at_ms: int, cost: float | None) -> None:
        """Take one call that is so, or is not."""
        test = self.test
        if self.open:
            reference = self.reference or test
            # Half of the share at which the alert stands would be no calm either.
            risen = min(max(self.share / 2, 3 * reference.base, LEAST_RISEN), 0.5)
            base = min(reference.base, risen / 2)
            self.settle(log(risen / base) if hit else log((1 - risen) / (1 - base)), at_ms)
        if not test.hits or (not hit and self.excursion is None and not any(self.evidence)):
            return
        if not self.collect(test.hits if hit else test.misses, at_ms):
            return
        excursion = self.excursion
        if excursion is None:
            excursion = self.excursion = Excursion(at_ms)
            self.share, self.hits = 0.0, 0
        self.hits += hit
        excursion.add(call, at_ms, float(hit), cost)
        self.share += (hit - self.share) / min(excursion.n, RECENT_CALLS)
        if hit:
            excursion.show_dear(Exhibit(at_ms, call.trace_id, call.span_id, cost, None))

    def points(self, rules: Rules) -> float:
        """The least rise that alerts, in percentage points."""
        raise NotImplementedError

    def strength(self, h: float, rules: Rules) -> float:
        """Evidence over a threshold; 0 where the rise is smaller than the rule asks for."""
        if self.excursion is None or h <= 0 or self.hits < LEAST_HITS:
            return 0.0
        if self.share < self.test.base + self.points(rules) / 100:
            return 0.0
        return max(self.evidence) / h

    @property
    def ratio(self) -> float:
        """As `Lane`."""
        return max(self.share / self.test.base, 1.0) if self.test.base else 1.0

    def begin(self, at_ms: int) -> None:
        """An alert takes this signal."""
        if self.reference is None or not self.open:
            self.reference = self.test
        super().begin(at_ms)

    def take_level(self) -> None:
        """As `Lane`."""
        self.floor = self.share

    def end(self) -> None:
        """The alert gave this signal back."""
        super().end()
        self.reference = None
        self.floor = 0.0

    def shown(self, kind: SignalKind, words: str) -> Signal | None:
        """The signal as an alert shows it."""
        excursion = self.excursion
        if excursion is None:
            return None
        test = self.reference if self.reference is not None and self.open else self.test
        return Signal(
            kind=kind,
            value=round(self.share, 4),
            baseline=Baseline(round(test.base, 4), round(test.base, 4), test.n, test.window),
            ratio=self.share / test.base if test.base else 1.0,
            significance=round(max(self.evidence) / (test.alone_h or 1.0), 3),
            n=excursion.n,
            since=rfc3339(self.since_ms),
            unit="share",
            detail=words,
        )


class ErrorLane(ShareLane, array_like=True, kw_only=True):
    """Share of failed calls."""

    def points(self, rules: Rules) -> float:
        """As `ShareLane`."""
        return rules.error_spike_points

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """As `Lane`."""
        return self.shown("error_spike", "more calls fail")


class UnpricedLane(ShareLane, array_like=True, kw_only=True):
    """Share of calls that have tokens and no price."""

    def points(self, rules: Rules) -> float:
        """As `ShareLane`."""
        return UNPRICED_POINTS

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """As `Lane`."""
        return self.shown("unpriced", "calls of a model without a price")
