"""Generations of the topics that hold the series: may this one be used?

`lumina partitions --to` copies the log and the states of the series into a new generation. The last thing it
does is to give the new generation's stream group its place in the new log; this place is the mark of a whole
copy. It goes when that log is deleted, since Kafka removes the offsets of a deleted topic.
"""

import asyncio
from collections.abc import Collection

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    for_code,
)

from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SPANS, STREAM

AHEAD = 8
"""Later generations that are looked for: each deletes the one before it sooner or later."""

LOADING = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)
COORDINATOR_S = 30.0
RETRY_S = 0.2


def logs_of_others(settings: Settings) -> list[str]:
    """Full names of the series' log in the other generations there may be."""
    return list(_others(settings))


async def is_whole(admin: AIOKafkaAdminClient, settings: Settings) -> bool:
    """Whether the settings' generation was made, and to its end."""
    places = await offsets_of(admin, settings.app_id(STREAM))
    return any(tp.topic == settings.topic(SPANS) for tp in places)


async def offsets_of(admin: AIOKafkaAdminClient, group: str) -> dict[TopicPartition, int]:
    """The offsets at which a consumer group goes on; raises aiokafka's KafkaError."""
    await members_of(admin, group)  # aiokafka takes the answer of one that is still loading for "none"
    committed = await admin.list_consumer_group_offsets(group)
    return {tp: place.offset for tp, place in committed.items() if place.offset >= 0}


async def members_of(admin: AIOKafkaAdminClient, group: str) -> list[str]:
    """Client and address of each member of a group; raises aiokafka's KafkaError.

    Waits for a coordinator: a cluster that never had a group first makes a topic for them, and a broker that
    was only just started reads that topic before it knows its groups.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + COORDINATOR_S
    while True:
        try:
            # One group a request: aiokafka 0.14 reads the answer (version 3) as one of version 2, and
            # stumbles where a second group follows.
            (response,) = await admin.describe_consumer_groups([group])
            ((code, _, _, _, _, members, *_),) = response.groups
            if code:
                raise for_code(code)(f"Group {group} cannot be described.")
            return sorted(f"{client} at {host}" for _, client, host, *_ in members)
        except LOADING:
            if loop.time() > deadline:
                raise
            await asyncio.sleep(RETRY_S)


async def obstacle(settings: Settings, topics: Collection[str]) -> str:
    """Why nothing may work in the settings' generation, and what to do; "" = nothing hinders.

    `topics` are the full names of those that exist. Raises aiokafka's KafkaError.
    """
    others = [number for name, number in _others(settings).items() if name in topics]
    if not others:
        return ""
    own = settings.generation
    admin = AIOKafkaAdminClient(**client_options(settings))
    try:
        await admin.start()
        for number in others:
            if number > own and await is_whole(admin, settings.in_generation(number)):
                return (
                    f"Generation {number} of the topics has taken over from generation {own}: what is "
                    f"processed here would be missing there. Set LUMINA_GENERATION={number}. To go back, "
                    f"delete generation {number} first: `lumina partitions --delete {number}`."
                )
        before = [number for number in others if number < own]
        if before and not await is_whole(admin, settings):
            return (
                f"Generation {own} of the topics is not made, or only half. Run `lumina partitions --to` "
                f"with LUMINA_GENERATION={max(before)} (again), or set LUMINA_GENERATION={max(before)} for "
                f"every process. If generation {own} was in use and stood still for so long that Kafka has "
                f"forgotten its offsets: `lumina partitions --delete {max(before)}`."
            )
    finally:
        await admin.close()
    return ""


def _others(settings: Settings) -> dict[str, int]:
    own = settings.generation
    numbers = [number for number in range(1, own + AHEAD + 1) if number != own]
    return {settings.in_generation(number).topic(SPANS): number for number in numbers}
