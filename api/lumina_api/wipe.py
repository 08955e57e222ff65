"""All of an installation on a cluster, to be deleted: topics of every generation, and who else reads them."""

import asyncio
from dataclasses import dataclass

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import for_code

from lumina_api.kafka import admin_client
from lumina_schemas.generation import members_of
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings

GONE_S = 30.0
POLL_S = 0.2


@dataclass(frozen=True)
class Wipe:
    """What a reset of the cluster comes to."""

    cluster_id: str
    topics: tuple[str, ...]
    """All that begin with the prefix, Faust's changelogs among them."""
    groups: tuple[str, ...]
    """Lumina's consumer groups: Kafka forgets them with the topics that they read."""
    members: tuple[str, ...]
    """Who is at work in them now."""
    others: tuple[str, ...]
    """Groups of others that have read these topics."""


async def wipe_of(settings: Settings) -> Wipe:
    """Look at what is there. Raises KafkaError."""
    async with admin_client(client_options(settings, "lumina-reset")) as admin:
        cluster = await admin.describe_cluster()
        topics = await _topics(admin, settings)
        groups = sorted(group for group, *_ in await admin.list_consumer_groups())
        ours = [group for group in groups if group.startswith(settings.topic_prefix)]
        members = [f"{group}: {member}" for group in ours for member in await members_of(admin, group)]
        others = [
            group
            for group in groups
            if group not in ours
            and any(
                place.topic in topics and committed.offset >= 0
                for place, committed in (await admin.list_consumer_group_offsets(group)).items()
            )
        ]
    return Wipe(
        str(cluster.get("cluster_id") or ""),
        tuple(sorted(topics)),
        tuple(ours),
        tuple(members),
        tuple(others),
    )


async def wipe(settings: Settings, plan: Wipe) -> None:
    """Delete the topics, and wait until no broker names them. Raises KafkaError, TimeoutError."""
    async with admin_client(client_options(settings, "lumina-reset")) as admin, asyncio.timeout(GONE_S):
        response = await admin.delete_topics(list(plan.topics))
        for _, code in response.topic_error_codes:
            if code:
                raise for_code(code)(
                    "Kafka refused to delete a topic. Check the rights of KAFKA_SASL_USERNAME."
                )
        while await _topics(admin, settings) & set(plan.topics):
            await asyncio.sleep(POLL_S)


async def _topics(admin: AIOKafkaAdminClient, settings: Settings) -> set[str]:
    return {name for name in await admin.list_topics() if name.startswith(settings.topic_prefix)}
