"""Signals that one event decides: a series that fell silent, endpoints beyond the limit of series."""

from msgspec import field

from lumina_schemas.alert import Baseline, Signal
from lumina_streams.core.baseline.excursion import Excursion
from lumina_streams.core.baseline.lane import NEVER, Lane
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

CERTAIN = 1.0


class EventLane(Lane, array_like=True, kw_only=True):
    """No test: evidence is 1 once it happened."""

    @property
    def alone_h(self) -> float:
        """As `Lane`."""
        return CERTAIN

    @property
    def stirs(self) -> bool:
        """As `Lane`."""
        return self.excursion is not None

    @property
    def since_ms(self) -> int:
        """As `Lane`."""
        return NEVER if self.excursion is None else self.excursion.since_ms

    def strength(self, h: float, rules: Rules) -> float:
        """1 once it happened."""
        return CERTAIN if self.excursion is not None else 0.0

    def accept(self) -> None:
        """There is no level to learn."""
        self.end()


class SilenceLane(EventLane, array_like=True, kw_only=True):
    """A series that always speaks is silent. `gaps`: largest gap between calls, ms, of two half days."""

    gaps: list[int] = field(default_factory=lambda: [0, 0])
    half: int = 0  # half day since 1970 of the second gap
    first_ms: int = NEVER
    usual_s: float = 0.0
    calls: int = 0
    silent_s: float = 0.0
    told: bool = False  # of this silence

    def hear(self, gap_ms: int, at_ms: int) -> None:
        """A call came after so long."""
        half = at_ms // 43_200_000
        if self.first_ms == NEVER:
            self.first_ms = at_ms
        if half > self.half:
            self.gaps = [self.gaps[1] if half == self.half + 1 else 0, 0]
            self.half = half
        if not self.open:
            self.gaps[1] = max(self.gaps[1], gap_ms)
            self.calls += 1
        else:
            self.recovered = True
            self.calm = CERTAIN
        self.told = False

    def always_speaks(self, newest_ms: int, after_ms: int) -> bool:
        """Whether for a day no gap was longer than half of what counts as silence."""
        known = self.first_ms != NEVER and newest_ms - self.first_ms >= 43_200_000
        return known and 0 < max(self.gaps) * 2 <= after_ms

    def fall_silent(self, newest_ms: int, after_ms: int, rate_per_min: float) -> None:
        """No call for so long."""
        self.excursion = Excursion(newest_ms, newest_ms)
        self.told = True
        self.usual_s = 60.0 / rate_per_min if rate_per_min > 0 else 0.0
        self.silent_s = after_ms / 1000

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """As `Lane`."""
        if self.excursion is None:
            return None
        usual = round(self.usual_s, 3)
        return Signal(
            kind="no_data",
            value=self.silent_s,
            baseline=Baseline(usual, max(self.gaps) / 1000, self.calls, "24h"),
            ratio=self.silent_s / usual if usual else 1.0,
            significance=1.0,
            n=0,
            since=rfc3339(self.excursion.since_ms),
            unit="s",
            detail="a series that always speaks is silent",
        )


class LimitLane(EventLane, array_like=True, kw_only=True):
    """More series than a project may have: an attribute of its endpoints has too many values."""

    attribute: str = ""

    def meet(self, call: Call, at_ms: int, cost: float | None) -> None:
        """Take a call whose endpoint became `other`."""
        if self.excursion is None:
            self.excursion = Excursion(at_ms)
        self.attribute = call.endpoint_overflow
        self.excursion.add(call, at_ms, 1.0, cost)

    def signal(self, dual: bool, rules: Rules) -> Signal | None:
        """As `Lane`."""
        if self.excursion is None:
            return None
        limit = float(rules.max_series)
        return Signal(
            kind="series_limit",
            value=limit,
            baseline=Baseline(limit, limit, rules.max_series, "7d"),
            ratio=1.0,
            significance=1.0,
            n=self.excursion.n,
            since=rfc3339(self.excursion.since_ms),
            unit="series",
            detail=self.attribute,
        )
