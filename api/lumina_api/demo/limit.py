"""The demo's project has no limit of traces a day: it plays all day, and would be at it within hours."""

import asyncio

import msgspec
from msgspec.structs import replace

from lumina_api.demo import PROJECT
from lumina_api.door import put
from lumina_api.follower import Follower
from lumina_api.usage.limits import Limits
from lumina_schemas.project import KIND, PROJECT_VERSION, ProjectSettings
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS

DEADLINE_S = 5.0


async def lift(settings: Settings) -> None:
    """Settle it, unless a limit is settled for the demo's project already. Raises MissingTopic, KafkaError,
    OSError.
    """
    async with asyncio.timeout(DEADLINE_S):
        limits = Limits(settings, quiet=True)
        await Follower(settings, SETTINGS, limits).once()
        own = limits.own(PROJECT) or ProjectSettings(v=PROJECT_VERSION)
        if own.daily_trace_limit is None:
            await put(
                settings, SETTINGS, KIND + PROJECT, msgspec.json.encode(replace(own, daily_trace_limit=0))
            )
