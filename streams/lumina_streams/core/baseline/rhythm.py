"""A measure's daily rhythm: by how much the hours of the day usually differ, learned day by day.

The hour that is running is compared with what earlier days showed at the same hour, never with itself. Hours
are shrunk towards no effect by how little is known of them (empirical Bayes: Efron, Morris 1975).
"""

from math import sqrt

from msgspec import Struct, field

from lumina_streams.core.baseline.windows import HOUR_MS

HOURS = 24
KEPT = 0.7  # of an hour's weight, each day
TWO_DAYS = 1 + KEPT  # weight of an hour that was seen twice
LEAST_NOISE = 0.002
LEAST_POINTS = 4.0  # of an hour that is looked at
UNREST_KEPT = 0.98  # of what is known of the unrest, each hour
MOST_OFF = 0.25  # log: an hour that is further off is an incident, or its end


class Hour(Struct, array_like=True):
    """One hour of the day: what earlier days showed, and today's so far."""

    weight: float = 0.0
    mean: float = 0.0  # log
    spread: float = 0.0  # sum of weights over points, for the variance of the mean
    n: int = 0
    total: float = 0.0


class Rhythm(Struct, array_like=True):
    """24 hours (UTC) of a measure's log level."""

    hours: list[Hour] = field(default_factory=list)
    open: int = -1  # hour since 1970 that is running
    off: float = 0.0  # weighted sum of how far hours lay above what was expected, squared, noise taken off
    weight: float = 0.0  # sum of weights: by how exactly an hour is known
    doubt: float = 0.0  # variance of `off`

    def learn(self, at_ms: int, x: float, scale: float) -> None:
        """Take a value (log) of a call that teaches."""
        number = at_ms // HOUR_MS
        if not self.hours:
            self.hours = [Hour() for _ in range(HOURS)]
        if number > self.open:
            self._close(scale)
            self.open = number
        if number < self.open:
            return  # a late one
        hour = self.hours[number % HOURS]
        hour.n += 1
        hour.total += x

    def _close(self, scale: float) -> None:
        """Give the hour that was running to what earlier days showed."""
        if self.open < 0:
            return
        hour = self.hours[self.open % HOURS]
        if hour.n < LEAST_POINTS:
            hour.n, hour.total = 0, 0.0
            return
        mean = hour.total / hour.n
        noise = scale * scale / hour.n
        centre, effects = self._effects(scale)
        if centre is not None:
            usual = centre + effects[self.open % HOURS]
            mean = min(max(mean, usual - MOST_OFF), usual + MOST_OFF)
            off = mean - usual
            exactness = 1 / (noise + hour.spread * scale * scale + LEAST_NOISE) ** 2
            expected = noise + hour.spread * scale * scale
            self.off = UNREST_KEPT * self.off + exactness * (2 * max(off, 0.0) ** 2 - expected)
            self.weight = UNREST_KEPT * self.weight + exactness
            self.doubt = UNREST_KEPT**2 * self.doubt + 5 * (exactness * expected) ** 2
        weight = hour.weight * KEPT
        hour.mean = (weight * hour.mean + mean) / (weight + 1)
        hour.spread = (weight * weight * hour.spread + 1 / hour.n) / (weight + 1) ** 2
        hour.weight = weight + 1
        hour.n, hour.total = 0, 0.0

    def _effects(self, scale: float) -> tuple[float | None, list[float]]:
        """(mean of the hours or None, effect of each hour on the log level)."""
        known = [hour for hour in self.hours if hour.weight]
        if not known:
            return None, []
        centre = sum(hour.mean for hour in known) / len(known)
        if len(known) < HOURS // 2:
            return centre, [0.0] * HOURS
        raw = sum((hour.mean - centre) ** 2 for hour in known) / (len(known) - 1)
        noise = scale * scale * sum(hour.spread for hour in known) / len(known)
        between = max(0.0, raw - noise)
        effects = []
        for hour in self.hours:
            share = between / (between + scale * scale * hour.spread) if hour.weight and between else 0.0
            effects.append(share * (hour.mean - centre))
        return centre, effects

    def effects(self, scale: float) -> tuple[float, ...]:
        """Effect of each hour of the day on the log level; () while nothing is known."""
        _, effects = self._effects(scale)
        return tuple(effects) if any(effects) else ()

    @property
    def unknown(self) -> float:
        """How little of a day's rhythm is known: 1 at first, 0 when each hour was seen on two days."""
        if not self.hours:
            return 1.0
        return sum(max(0.0, 1 - hour.weight / TWO_DAYS) for hour in self.hours) / HOURS

    def unrest(self, prior: float) -> float:
        """Standard deviation, log, of what an hour's level does beyond what is expected of it.

        `prior`: of hours of the day that were never seen.
        """
        measured = sqrt(max(self.off - sqrt(self.doubt), 0.0) / self.weight) if self.weight else 0.0
        return max(measured, prior * self.unknown)

    def shift(self, by: float) -> None:
        """Move every hour: a new level is adopted."""
        for hour in self.hours:
            hour.mean += by
            hour.n, hour.total = 0, 0.0
