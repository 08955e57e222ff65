"""What a series spends per hour, and how much would be too much: volume times cost, with its daily rhythm.

Costs are capped at what a dear call of the baseline costs, so that one giant is no change of volume. A limit
must be passed by the running five minutes or the running hour; both stand above twice what is expected by six
standard deviations of a compound Poisson sum, so that traffic that doubles is no alert.
"""

from array import array
from math import sqrt
from typing import Self

import msgspec
from msgspec import Struct

from lumina_streams.core.baseline.windows import HOUR_MS, WINDOW_MS

SLOT_MS = WINDOW_MS
SLOTS = HOUR_MS // SLOT_MS
HOURS = 168
DAY = 24  # hours
DAYS = 7
MOST_USD = 1e30
LEAST_HOURS = 26  # of history before anything is said: a day, and the hours before this one
LATELY = 3  # hours: what has come gradually is no spike
DOUBLED = 2.0
SIGMAS = 6.0
PEAK = 1.5  # a slot must pass the largest slot of the history by so much
LEAST_CALLS = 12.0  # usual calls that a limit is worth at least

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[int, int, bytes, bytes]).decode


class Limits(Struct, frozen=True, array_like=True):
    """What may be spent in one hour of the day."""

    hour: int = -1  # since 1970
    expected: float = 0.0  # USD an hour
    slot: float = 0.0  # USD that five minutes may reach
    whole: float = 0.0  # USD that the hour may reach


class SpendHistory:
    """USD of each of the last 168 hours, capped costs, and the largest five minutes of each day.

    Amounts are 32-bit floats in memory too: what is stored is what decides, before and after a restart.
    """

    __slots__ = ("_hours", "_peaks", "first", "last")

    def __init__(self) -> None:
        self.first = -1
        """First hour since 1970 that is known."""
        self.last = -1
        self._hours = array("f", bytes(4 * HOURS))  # by hour modulo their number; so are days
        self._peaks = array("f", bytes(4 * DAYS))

    @property
    def known_hours(self) -> int:
        """Hours in which anything was spent."""
        return sum(1 for usd in self._hours if usd)

    def add(self, at_ms: int, usd: float) -> None:
        """Take a call's capped cost."""
        hour = at_ms // HOUR_MS
        if hour > self.last:
            self._go_on(hour)
        if hour > self.last - HOURS:
            self._hours[hour % HOURS] = min(self._hours[hour % HOURS] + usd, MOST_USD)

    def peak(self, at_ms: int, usd: float) -> None:
        """Note what a five-minute slot came to."""
        day = at_ms // HOUR_MS // DAY
        if self.last // DAY - DAYS < day <= self.last // DAY:
            self._peaks[day % DAYS] = max(self._peaks[day % DAYS], min(usd, MOST_USD))

    def _go_on(self, hour: int) -> None:
        """Let time go on to an hour: what is older than a week is forgotten."""
        if self.first < 0:
            self.first, self.last = hour, hour - 1
        for passed in range(max(self.last + 1, hour - HOURS + 1), hour + 1):
            self._hours[passed % HOURS] = 0.0
        for day in range(max(self.last // DAY + 1, hour // DAY - DAYS + 1), hour // DAY + 1):
            self._peaks[day % DAYS] = 0.0
        self.last = hour

    def scale(self, by: float) -> None:
        """Multiply what is known: a call costs so much more, or less, from now on."""
        self._hours = array("f", (min(usd * by, MOST_USD) for usd in self._hours))
        self._peaks = array("f", (min(usd * by, MOST_USD) for usd in self._peaks))

    def at(self, hour: int) -> float:
        """USD of an hour; 0 where it is not known."""
        return self._hours[hour % HOURS] if self.last - HOURS < hour <= self.last else 0.0

    def limits(
        self, hour: int, call_usd: float, dispersion: float, times: float, floor: float
    ) -> Limits | None:
        """Limits of an hour; None while less than a day is known.

        `call_usd`: mean capped cost of a call, `dispersion`: 1 + squared coefficient of variation, `times`:
        what spend may grow by (3 = two hundred percent more), `floor`: USD an hour expected at least.
        """
        if self.first < 0 or hour - self.first < LEAST_HOURS or call_usd <= 0:
            return None
        known = [
            self.at(hour - DAY * day + near)
            for day in range(1, DAYS)
            for near in (-1, 0, 1)
            if hour - DAY * day + near >= self.first
        ]
        lately = [self.at(hour - back) for back in range(1, LATELY + 1)]
        running = self.at(hour)
        mean = (sum(self._hours) - running) / max(min(hour - self.first, HOURS), 1)
        expected = max(mean, floor, *known, *lately)
        if not expected:
            return None
        unit = call_usd * dispersion
        slot = _limit(expected / SLOTS, unit, times)
        return Limits(
            hour,
            expected,
            max(slot, PEAK * max(self._peaks), LEAST_CALLS * call_usd),
            max(_limit(expected, unit, times), LEAST_CALLS * call_usd),
        )

    def pack(self) -> bytes:
        """The history as bytes; equal histories give equal bytes."""
        return _encode((self.first, self.last, self._hours.tobytes(), self._peaks.tobytes()))

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Inverse of `pack`."""
        history = cls()
        history.first, history.last, hours, peaks = _decode(data)
        history._hours, history._peaks = array("f", hours), array("f", peaks)
        return history


def _limit(expected: float, unit: float, times: float) -> float:
    doubled = DOUBLED * expected
    return max(times * expected, doubled + SIGMAS * sqrt(doubled * unit))
