"""The limit of traces a day, as one running thing in a gateway: counts, follows the others, tells them."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import structlog

from lumina_api.follower import Follower
from lumina_api.usage.limits import Limits
from lumina_api.usage.report import ProjectUsage, usage_of, usages
from lumina_api.usage.shared import Shared
from lumina_api.usage.sharing import Sharing
from lumina_api.usage.tally import Tally
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS, USAGE

log = structlog.get_logger(__name__)

SAY_EVERY_S = 60.0
"""A project that is refused is said to be so often, not once a request."""

NOW = time.time


@dataclass
class _Refusing:
    """What was refused of a project since the log said so."""

    next_s: float
    requests: int = 0
    spans: int = 0


class Limiter:
    """Admits traces up to each project's limit of the day, over all gateways.

    Until all that they took today is known (`why`), nothing may be admitted.
    """

    def __init__(self, settings: Settings, replica: str, now: Callable[[], float] = NOW) -> None:
        self._now = now
        self.limits = Limits(settings)
        self.tally = Tally(self.limits.of, replica, now())
        self._followers = (
            Follower(settings, SETTINGS, self.limits),
            Follower(settings, USAGE, shared := Shared(self.tally, now), shared.since),
        )
        self._sharing = Sharing(settings, self.tally, now)
        self._refusing: dict[str, _Refusing] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to read and to tell, in the background."""
        runs = [follower.run() for follower in self._followers]
        runs.append(self._sharing.run(self.caught_up()))
        self._tasks = [asyncio.create_task(run, name="limiter") for run in runs]

    async def stop(self) -> None:
        """Tell the others the rest, then stop."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sharing.stop()

    async def caught_up(self) -> None:
        """Wait until the limits, and what was taken today, are known."""
        for follower in self._followers:
            await follower.caught_up()

    @property
    def why(self) -> str:
        """Why nothing can be admitted yet; "" from then on, for good."""
        return next((follower.why for follower in self._followers if follower.why), "")

    def admit(self, traces: Mapping[str, Collection[int]]) -> dict[str, set[int]]:
        """Admit traces, as fingerprints by project. Returns those beyond the limit, of projects with any."""
        now_s = self._now()
        refused = {}
        for project, found in traces.items():
            if beyond := self.tally.admit(project, found, now_s):
                refused[project] = beyond
            if self.tally.urgent(project):
                self._sharing.hurry()
        return refused

    def refused(self, project: str, spans: int) -> None:
        """Count spans that were refused, and have the log say so once a minute."""
        now_s = self._now()
        self.tally.refuse(project, spans, now_s)
        project = self.tally.counted_as(project)
        refusing = self._refusing.setdefault(project, _Refusing(now_s))
        refusing.requests += 1
        refusing.spans += spans
        if now_s >= refusing.next_s or now_s < refusing.next_s - SAY_EVERY_S:
            usage = self.usage(project)
            log.warning(
                "rate limit: a project has had its traces of the day, new ones are refused",
                project=project,
                limit=usage.limit,
                traces=usage.traces,
                requests=refusing.requests,
                spans=refusing.spans,
                spans_today=usage.refused_spans,
                resets_at=usage.resets_at,
            )
            self._refusing[project] = _Refusing(now_s + SAY_EVERY_S)

    def usage(self, project: str) -> ProjectUsage:
        """How much of its limit a project has used today."""
        self.tally.turn(self._now())
        return usage_of(self.tally, project)

    def projects(self) -> list[str]:
        """Projects with traces today, by name."""
        self.tally.turn(self._now())
        return sorted(self.tally.today)

    def usages(self) -> list[ProjectUsage]:
        """The same of all projects with traces today, by name."""
        self.tally.turn(self._now())
        return usages(self.tally)
