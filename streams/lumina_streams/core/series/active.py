"""How many series of a project are active: they share its budget of false alerts.

Ticks tell it (`Tick.series`), each sender what it saw in 24 h. Of what they said today and yesterday, by the
days of the log's clock, the highest counts: a sender that has just started has seen little yet.
"""

from math import ceil

STEP = 1.25
"""Numbers are raised to the next power of it, so that thresholds and records change seldom."""

MOST_SERIES = 1_000_000_000

MOST_PROJECTS = 1000  # further ones count as one series each: the record is written every few seconds

DAY_MS = 86_400_000

Days = dict[str, tuple[int, int]]
"""Project -> highest number of today, and of yesterday."""


def quantum(series: int) -> int:
    """A number of series raised to a power of 1.25, as a whole number."""
    step = 1.0
    while ceil(step) < min(series, MOST_SERIES):
        step *= STEP
    return ceil(step)


class ActiveSeries:
    """The numbers of all projects, raised; they follow from the ticks in the order of the log alone."""

    __slots__ = ("day", "days")

    def __init__(self, day: int = 0, days: Days | None = None) -> None:
        self.day = day
        """Days since 1970 by the log's clock; 0 as long as that is unknown."""
        self.days: Days = {} if days is None else days

    def take(self, told: dict[str, int], clock_ms: int) -> bool:
        """Take what a tick tells, at the log's clock. False: it said nothing new."""
        changed = self._turn(clock_ms // DAY_MS)
        for project, series in told.items():
            today, yesterday = self.days.get(project, (0, 0))
            raised = quantum(series)
            if raised > today and (project in self.days or len(self.days) < MOST_PROJECTS):
                self.days[project] = (raised, yesterday)
                changed = True
        return changed

    def _turn(self, day: int) -> bool:
        """Begin a new day: what was told the day before yesterday counts no more."""
        if day <= self.day:
            return False
        gone, self.day = day - self.day if self.day else 0, day
        if gone:
            self.days = {p: (0, today) for p, (today, _) in self.days.items() if today and gone == 1}
        return True

    def of(self) -> dict[str, int]:
        """The number in force for each project."""
        return {project: max(both) for project, both in self.days.items()}
