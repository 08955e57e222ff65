"""Messages of a project's log for tests, and a project that reads them."""

from collections.abc import Iterable
from itertools import count

from msgspec.structs import replace

from lumina_schemas.alert import Alert
from lumina_schemas.budget import Budget, BudgetChange, Period
from lumina_schemas.control import SeriesCommand
from lumina_schemas.project import Spend, SpendItem, Traces
from lumina_schemas.source import Source
from lumina_streams.core.project.period import DAY_MS
from lumina_streams.core.project.state import ProjectState
from lumina_streams.core.project.step import Message, step

DAY = 20_454  # 2026-01-01
BEGIN_MS = DAY * DAY_MS
HOUR_MS = 3_600_000
WALL = "2030-01-01T00:00:00.000Z"
EPOCH = "e" * 32


class Log:
    """A project, and its log as it grows. Times are hours since the beginning of `DAY`."""

    def __init__(self, project: str = "acme") -> None:
        self.state = ProjectState(project)
        self.alerts: list[Alert] = []
        self._offsets = count()
        self._doors = count()
        self._spans = count()

    def tell(self, message: Message, hour: float) -> list[Alert]:
        """Apply the next message; returns what it publishes."""
        # Whatever is decided must survive being stored.
        self.state = ProjectState.unpack(self.state.pack())
        assert self.state.arrive("projects", next(self._offsets), BEGIN_MS + round(hour * HOUR_MS))
        news = step(self.state, message, WALL)
        self.alerts += news
        return news

    def spend(
        self, usd: float, hour: float, *, service: str = "checkout", day: int = DAY, unpriced: int = 0
    ) -> list[Alert]:
        """Calls of a service cost so much."""
        item = SpendItem(
            offset=next(self._spans), service=service, day=day, calls=10, usd=usd, unpriced=unpriced
        )
        return self.tell(
            Spend(v=1, project=self.state.project, epoch=EPOCH, partition=0, items=(item,)), hour
        )

    def budget(
        self,
        usd: float | None,
        hour: float,
        *,
        name: str = "b1",
        project: str = "",
        service: str = "",
        period: Period = "day",
    ) -> list[Alert]:
        """A budget is set, or removed."""
        budget = None
        if usd is not None:
            budget = Budget(
                v=1, project=project or self.state.project, service=service, period=period, usd=usd
            )
        src = Source("settings", "control", 0, next(self._doors), 0)
        return self.tell(BudgetChange(v=1, id=name, src=src, budget=budget), hour)

    def traces(self, percent: int, traces: int, limit: int, hour: float, day: int = DAY) -> list[Alert]:
        """A gateway says how near the limit is."""
        told = Traces(
            v=1, project=self.state.project, day=day, percent=percent, traces=traces, limit=limit, at_ms=0
        )
        return self.tell(told, hour)

    def ask(self, command: SeriesCommand, hour: float) -> list[Alert]:
        """Somebody asks for something."""
        src = Source("commands", "control", 0, next(self._doors), 0)
        return self.tell(replace(command, src=src), hour)

    def tick(self, hour: float) -> list[Alert]:
        """Nothing but the time."""
        return self.tell(None, hour)


def shown(alerts: Iterable[Alert]) -> list[tuple[int, str, str]]:
    """Revision, state and severity of each record."""
    return [(alert.rev, alert.state, alert.severity) for alert in alerts]
