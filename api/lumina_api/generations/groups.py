"""Consumer groups: who is at work, and where a group is to go on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from lumina_schemas.generation import members_of
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings

LEAVE_MARGIN_S = 5.0


async def members(admin: AIOKafkaAdminClient, groups: Sequence[str]) -> list[str]:
    """All members of these groups: group, client and address of each."""
    return [f"{group}: {member}" for group in groups for member in await members_of(admin, group)]


async def until_empty(
    admin: AIOKafkaAdminClient, groups: Sequence[str], settings: Settings, say: Callable[[str], None]
) -> list[str]:
    """Wait until nobody is a member of these groups; returns who still is in the end.

    A worker that has ended stays a member for a session timeout: that is how it gets its partitions back
    when it returns.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.session_timeout_s + LEAVE_MARGIN_S
    said = False
    while found := await members(admin, groups):
        if loop.time() > deadline:
            return found
        if not said:
            say(f"Waiting for workers to leave: {', '.join(found)}")
            said = True
        await asyncio.sleep(0.2)
    return []


async def commit(settings: Settings, group: str, places: Mapping[TopicPartition, int]) -> None:
    """Set the offsets at which a group without members goes on: all of them or none."""
    consumer = AIOKafkaConsumer(
        **client_options(settings, "lumina-partitions"), group_id=group, enable_auto_commit=False
    )
    try:
        await consumer.start()
        consumer.assign(list(places))
        await consumer.commit(dict(places))
    finally:
        await consumer.stop()
