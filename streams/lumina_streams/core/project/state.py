"""What is kept of a project: how far its log was applied, what it has spent, its budgets, their alerts."""

from typing import Self

import msgspec
from msgspec import Struct, field

from lumina_schemas.budget import Budget, Period
from lumina_schemas.project import Spend, SpendItem
from lumina_streams.core.alert.book import NEVER, Track
from lumina_streams.core.project.period import day_of, end_ms, number_of
from lumina_streams.core.series.positions import Heads, Positions

ALL = ""
"""The service under which the whole project is summed."""

SERVICES = 1_000
"""Services that have sums of their own; what further ones spend is in the project's alone."""

EPOCHS = 16
"""Topics `lumina.spans`, former generations included, whose offsets are remembered; the oldest goes."""

KEPT = 1
"""Periods before and behind the present one whose sums are kept: calls arrive late, and clocks differ."""

NANO = 1_000_000_000
MOST = 2**62  # nano-USD: what msgpack can hold


class Sum(Struct, array_like=True):
    """What the calls of one period cost. In whole nano-USD: a sum is the same in any order."""

    nano_usd: int = 0
    calls: int = 0
    unpriced: int = 0

    @property
    def usd(self) -> float:
        """In USD."""
        return self.nano_usd / NANO


Sums = dict[int, Sum]
"""By the number of a day, or of a month."""


class Spent(Struct, array_like=True):
    """What a service, or all of the project, has spent."""

    days: Sums = field(default_factory=dict)
    months: Sums = field(default_factory=dict)

    def sums(self, period: Period) -> Sums:
        """Those of days, or of months."""
        return self.days if period == "day" else self.months


class Raised(Struct, array_like=True):
    """An alert of this project, from its first threshold until its period is forgotten."""

    track: Track
    subject: str
    """The id of the budget; "" for the limit of traces."""
    service: str
    period: Period
    number: int
    level: int
    """Percent that were reached: a threshold, or 0 since the budget was raised or removed."""
    limit: float
    """The budget in USD, or the limit in traces, that it was written with."""
    value: float = 0.0
    """Traces of the day, as they were told."""
    muted: bool = False
    """Somebody called it a false alarm: it is not raised again in this period."""

    @property
    def end_ms(self) -> int:
        """When its period is over."""
        return end_ms(self.period, self.number)


class ProjectState(Struct, array_like=True):
    """All of it. Times are of the log, in ms."""

    project: str
    epoch: str = ""
    offset: int = -1
    """Of the last record of `lumina.projects` that was applied."""
    now_ms: int = 0
    heads: dict[str, dict[int, int]] = field(default_factory=dict)
    """Offset of the last message of `lumina.spans` that was counted, by epoch and partition."""
    doors: Heads = field(default_factory=dict)
    """Positions of settings and commands."""
    spent: dict[str, Spent] = field(default_factory=dict)
    budgets: dict[str, Budget] = field(default_factory=dict)
    raised: list[Raised] = field(default_factory=list)
    tidied: int = 0
    """The day on which `forget` was called last."""

    def pack(self) -> bytes:
        """As it is stored."""
        return _encode(self)

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """From what `pack` made."""
        return _decode(packed)  # type: ignore[return-value]

    @property
    def today(self) -> int:
        """The present day of the log."""
        return day_of(self.now_ms)

    @property
    def positions(self) -> Positions:
        """Positions of settings and commands, as what advances them."""
        return Positions(self.doors)

    @property
    def due_ms(self) -> int | None:
        """When there is something to do if nothing comes: a period ends, or a snooze."""
        due: list[int] = []
        for raised in self.raised:
            if raised.track.open:
                due.append(raised.end_ms)
            if raised.track.snoozed:
                due.append(raised.track.snoozed_ms)
        return min(due, default=None)

    def arrive(self, epoch: str, offset: int, at_ms: int) -> bool:
        """Take the next record of the log; False: it was applied already."""
        if epoch == self.epoch and offset <= self.offset:
            return False
        self.epoch, self.offset = epoch, offset
        self.now_ms = max(self.now_ms, at_ms)
        return True

    def count(self, spend: Spend) -> set[int]:
        """Add what was spent; returns the days that grew."""
        counted = self.heads.get(spend.epoch, {}).get(spend.partition, -1)
        days: set[int] = set()
        for item in spend.items:
            if item.offset <= counted or self._knows(item):
                continue
            if self._add(item):
                days.add(item.day)
        if spend.items and spend.items[-1].offset > counted:
            if spend.epoch not in self.heads and len(self.heads) >= EPOCHS:
                del self.heads[next(iter(self.heads))]
            self.heads.setdefault(spend.epoch, {})[spend.partition] = spend.items[-1].offset
        return days

    def sum_of(self, service: str, period: Period, number: int) -> Sum:
        """What was spent in a period so far."""
        spent = self.spent.get(service)
        return Sum() if spent is None else spent.sums(period).get(number, Sum())

    def is_kept(self, period: Period, number: int) -> bool:
        """Whether a period is near enough to the present one for its sums to be kept."""
        return abs(number - number_of(period, self.today)) <= KEPT

    def forget(self) -> None:
        """Once a day, let go what is of periods that are over for long."""
        if self.tidied == self.today:
            return
        self.tidied = self.today
        for service, spent in list(self.spent.items()):
            for period in ("day", "month"):
                sums = spent.sums(period)
                for number in [one for one in sums if not self.is_kept(period, one)]:
                    del sums[number]
            if not (spent.days or spent.months):
                del self.spent[service]
        self.raised = [one for one in self.raised if one.track.open or self.is_kept(one.period, one.number)]

    def _knows(self, item: SpendItem) -> bool:
        return any(
            place.offset <= self.heads.get(place.epoch, {}).get(place.partition, NEVER)
            for place in item.copied
        )

    def _add(self, item: SpendItem) -> bool:
        nano = round(item.usd * NANO)
        kept = False
        for period in ("day", "month"):
            number = number_of(period, item.day)
            if not self.is_kept(period, number):
                continue
            kept = True
            for service in dict.fromkeys((ALL, item.service)):
                if service not in self.spent and len(self.spent) > SERVICES:
                    continue
                spent = self.spent.setdefault(service, Spent())
                one = spent.sums(period).setdefault(number, Sum())
                one.nano_usd = min(one.nano_usd + nano, MOST)
                one.calls += item.calls
                one.unpriced += item.unpriced
        return kept


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ProjectState).decode
