"""A value over time (spend a period, a rate, a level): when is it unlike all that was seen?

A point deviates when it lies outside of everything that was seen at the same time of other days and just
now, by more than a tenth, and is also several of the series' own spreads away from what is usual then. Daily
jobs are no news by the first condition, noise is none by the second.

Values are compared as asinh(value / unit), `unit` their usual size: like logarithms where values are large,
like the values themselves near zero and below. So only relations count, and zero needs no special case.
"""

from bisect import bisect_left, insort
from collections import deque
from math import asinh, isfinite
from typing import NamedTuple

from lumina_streams.core.baseline.season import DAY_S, SLOT_S, Season

BEYOND = 0.1  # outside of the range seen by less is no news: 10 %
SPREADS = 3.0  # from the median, at least
LEAST_DAYS = 2  # that know the time of day; before, the last hours are the measure
JUST_NOW = 3  # slots
RECENT = 36  # slots: what is seen where no day is known
LEAST_RECENT = 8
RESIDUALS = 1000  # distances from the median that the spread is taken from
LEAST_RESIDUALS = 50
GAPS = 25  # between points, that the period is taken from
ADOPT_S = DAY_S / 4  # a level that deviates for so long is learned
LEAST_ADOPTED = 3  # points, where they are rare
CALM = 3  # a usual point takes back so many deviating ones
SEASONAL_S = DAY_S / 4  # points that are further apart know no time of day
UNIT_EVERY = 50  # points between two looks at the unit
LARGEST = 1e300  # units


class Verdict(NamedTuple):
    """What is thought of a point. Bounds are of what was seen, in the point's unit."""

    deviates: bool
    low: float
    high: float
    usual: float


class Recorded:
    """Judges and learns points one by one; what it says of one follows from those before it alone."""

    def __init__(self) -> None:
        self._season = Season()
        self._recent: deque[list[float]] = deque(maxlen=RECENT)  # [slot, lowest, highest]
        self._gaps: deque[float] = deque(maxlen=GAPS)
        self._residuals: deque[float] = deque()
        self._sorted: list[float] = []
        self._unit = 0.0
        self._newest_s: float | None = None
        self._points = 0
        self._deviating = 0

    def take(self, at_s: float, value: float) -> Verdict | None:
        """Judge a point, then learn it; None where too little is known, or it is older than the last one."""
        newest = self._newest_s
        if not (isfinite(at_s) and isfinite(value)) or (newest is not None and at_s < newest):
            return None
        if newest is not None and at_s > newest:
            self._gaps.append(at_s - newest)
        self._newest_s = at_s
        if self._points < UNIT_EVERY or self._points % UNIT_EVERY == 0:
            self._unit = self._season.unit() or abs(value) or 1.0
        self._points += 1
        period_s = self._period_s()
        verdict, residual = self._judge(at_s, value, period_s)
        if verdict is None or not verdict.deviates:
            self._deviating = max(0, self._deviating - CALM)
            self._learn(at_s, value, residual)
        else:
            self._deviating += 1
            if self._deviating >= max(ADOPT_S / period_s, LEAST_ADOPTED):
                self._learn(at_s, value, residual)
        self._see(at_s, value)
        return verdict

    def _judge(self, at_s: float, value: float, period_s: float) -> tuple[Verdict | None, float | None]:
        """(verdict, distance from what is usual)."""
        seasonal = False
        seen: list[float] = []
        if period_s < SEASONAL_S:
            days, seen = self._season.around(at_s, max(period_s, SLOT_S))
            seasonal = days >= LEAST_DAYS
        recent = list(self._recent)
        if seasonal:
            recent = recent[-JUST_NOW:]
        elif len(recent) < LEAST_RECENT:
            return None, None
        else:
            seen = []
        for _, lowest, highest in recent:
            seen += (lowest, highest)
        seen.sort()
        low, usual, high = seen[0], seen[len(seen) // 2], seen[-1]
        at = self._scaled(value)
        residual = abs(at - self._scaled(usual))
        if len(self._sorted) < LEAST_RESIDUALS:
            return None, residual
        spread = 1.4826 * self._sorted[len(self._sorted) // 2]
        beyond = max(at - self._scaled(high), self._scaled(low) - at)
        return Verdict(beyond > BEYOND and residual > SPREADS * spread, low, high, usual), residual

    def _learn(self, at_s: float, value: float, residual: float | None) -> None:
        self._season.teach(at_s, value)
        if residual is None:
            return
        if len(self._residuals) >= RESIDUALS:
            del self._sorted[bisect_left(self._sorted, self._residuals.popleft())]
        self._residuals.append(residual)
        insort(self._sorted, residual)

    def _see(self, at_s: float, value: float) -> None:
        """Remember what is going on, deviating or not: the second point of a new level is no surprise."""
        slot = at_s // SLOT_S
        if self._recent and self._recent[-1][0] == slot:
            last = self._recent[-1]
            last[1], last[2] = min(last[1], value), max(last[2], value)
        else:
            self._recent.append([slot, value, value])

    def _scaled(self, value: float) -> float:
        return asinh(min(max(value / self._unit, -LARGEST), LARGEST))

    def _period_s(self) -> float:
        """The usual time between two points."""
        if not self._gaps:
            return SLOT_S
        return sorted(self._gaps)[len(self._gaps) // 2]
