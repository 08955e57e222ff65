"""What a value was at the same time of other days."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

SLOT_S = 300.0
DAY_S = 86_400.0
DAYS = 14


class Range(NamedTuple):
    """Values that count as seen: the lowest and the highest of each slot."""

    days: int  # that know this time of day
    values: list[float]


class Season:
    """The lowest and highest value of each slot of 5 min, for 14 days.

    Slots are a bound on memory, not a grid of time: values that come more rarely keep a slot each.
    """

    __slots__ = ("_highs", "_lows", "_slots")

    def __init__(self) -> None:
        self._slots: list[int] = []
        self._lows: list[float] = []
        self._highs: list[float] = []

    def teach(self, at_s: float, value: float) -> None:
        """Take a value; its time is no earlier than that of the one before."""
        slot = int(at_s // SLOT_S)
        if self._slots and self._slots[-1] >= slot:
            self._lows[-1] = min(self._lows[-1], value)
            self._highs[-1] = max(self._highs[-1], value)
            return
        self._slots.append(slot)
        self._lows.append(value)
        self._highs.append(value)
        oldest = slot - int((DAYS + 1) * DAY_S / SLOT_S)
        if self._slots[0] < oldest - DAY_S / SLOT_S:  # a day at a time: lists are cut at their end
            gone = bisect_left(self._slots, oldest)
            for kept in (self._slots, self._lows, self._highs):
                del kept[:gone]

    def around(self, at_s: float, width_s: float) -> Range:
        """What was seen on earlier days at this time of day, up to `width_s` before and after."""
        slots, days = self._slots, 0
        values: list[float] = []
        for back in range(1, DAYS + 1):
            then = at_s - back * DAY_S
            begin = bisect_left(slots, (then - width_s) // SLOT_S)
            end = bisect_right(slots, (then + width_s) // SLOT_S)
            if begin < end:
                days += 1
                values += self._lows[begin:end]
                values += self._highs[begin:end]
            elif begin == 0:
                break  # nothing is older
        return Range(days, values)

    def unit(self) -> float:
        """The usual size of a value that is not zero; 0 where none is known."""
        sizes = sorted(abs(value) for value in self._highs if value)
        return sizes[len(sizes) // 2] if sizes else 0.0
