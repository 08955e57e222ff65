"""How much of its limit each project has used today, as people see it: REST, `lumina usage`, answers."""

import asyncio
import time
from datetime import UTC, datetime

from msgspec import Struct

from lumina_api.follower import Follower
from lumina_api.usage.limits import Limits
from lumina_api.usage.shared import Shared
from lumina_api.usage.tally import Tally, Usage
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS, USAGE
from lumina_schemas.usage import ends_at

READ_DEADLINE_S = 60.0


class ProjectUsage(Struct, frozen=True, kw_only=True):
    """One project today."""

    project: str
    traces: int
    """Distinct traces that the gateways took since midnight, UTC."""
    estimated: bool
    """Whether that is an estimate: beyond a million traces of a project without a limit."""
    limit: int
    """0 = none."""
    percent: float | None
    """Share of the limit that is used, in percent, rounded down; null without a limit."""
    refused_spans: int
    """Spans refused today, as far as the gateways have told."""
    resets_at: str
    """Next midnight, UTC, RFC 3339."""


def usage_of(tally: Tally, project: str) -> ProjectUsage:
    """The usage of one project, which may have none."""
    usage = tally.today.get(project) or Usage()
    traces, limit = usage.traces.traces, tally.limit_of(project)
    return ProjectUsage(
        project=project,
        traces=traces,
        estimated=usage.traces.estimated,
        limit=limit,
        percent=1000 * traces // limit / 10 if limit else None,
        refused_spans=usage.refused_spans,
        resets_at=datetime.fromtimestamp(ends_at(tally.day), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def usages(tally: Tally) -> list[ProjectUsage]:
    """The usage of all projects with traces today, by name."""
    return [usage_of(tally, project) for project in sorted(tally.today)]


async def read_tally(settings: Settings) -> Tally:
    """What the gateways have told of today, read once. Raises MissingTopic, KafkaError, TimeoutError."""
    limits = Limits(settings, quiet=True)
    tally = Tally(limits.of, now_s=time.time())
    shared = Shared(tally, time.time, quiet=True)
    async with asyncio.timeout(READ_DEADLINE_S):
        await Follower(settings, SETTINGS, limits).once()
        await Follower(settings, USAGE, shared, shared.since).once()
    return tally
