"""Topics at start-up: the missing ones of `lumina_schemas.topics` are created, the present ones are checked.

A cluster's own defaults change nothing: every setting is explicit. Nothing that exists is ever altered, but
for the retention of topics where LUMINA_MANAGE_TOPICS says so.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from lumina_api.kafka import admin_client, partition_counts, topic_settings
from lumina_api.topic_drift import Difference, alter, differences
from lumina_schemas.generation import obstacle
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import TOPICS, Topic

log = structlog.get_logger(__name__)

# A new topic is known to one broker before it is known to all: whoever asks in between sees nothing.
DEADLINE_S = 30.0

_BROKER_DEFAULT = -1


class ProvisionError(RuntimeError):
    """The cluster's topics are not, and could not be made, what Lumina needs."""


@dataclass(frozen=True)
class Provisioned:
    """Outcome: the full names of the topics created now, and the partition count of every topic."""

    created: tuple[str, ...]
    partitions: dict[str, int]
    changed: tuple[Difference, ...] = ()
    """Settings that were made as LUMINA_RETENTION_DAYS wants them."""


def wanted(settings: Settings, topics: Iterable[Topic] = TOPICS) -> list[Topic]:
    """The declared topics that an installation with these settings has."""
    return [topic for topic in topics if settings.uses(topic)]


def series_partitions(counts: dict[str, int], settings: Settings) -> int:
    """Partitions that a new by-series topic must have: those of its siblings, else the setting's.

    `counts` are the partitions of existing topics by full name. Raises ProvisionError where existing
    by-series topics differ: a series' log and its state would not meet on one worker.
    """
    found = {
        settings.topic(topic): counts[settings.topic(topic)]
        for topic in wanted(settings)
        if topic.partitioned_by == "series" and settings.topic(topic) in counts
    }
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name} has {count}" for name, count in sorted(found.items()))
        raise ProvisionError(
            f"Topics that hold the series must have equally many partitions, but {listed}. A series would be "
            "processed where its state is not. Delete and recreate the wrong one, or use another "
            "LUMINA_TOPIC_PREFIX."
        )
    return next(iter(found.values()), settings.partitions)


async def provision(settings: Settings, deadline_s: float = DEADLINE_S) -> Provisioned:
    """Create what is missing, check what is there, wait until every broker's metadata has it.

    Raises ProvisionError, saying what is wrong and what to do.
    """
    options = client_options(settings)
    try:
        async with asyncio.timeout(deadline_s), admin_client(options) as admin:
            counts = await partition_counts(admin)
            missing_landing = (settings.landing_topics | settings.landing_logs_topics).keys() - counts.keys()
            ours = {settings.topic(topic) for topic in wanted(settings)}
            if absent := sorted(missing_landing - ours):
                raise ProvisionError(
                    f"Landing topics {', '.join(absent)} do not exist. Create them, or take them out of "
                    "LUMINA_OTLP_TOPICS and LUMINA_OTLP_LOGS_TOPICS."
                )
            if why := await obstacle(settings, counts):
                raise ProvisionError(why)
            by_series = series_partitions(counts, settings)
            new = [topic for topic in wanted(settings) if settings.topic(topic) not in counts]
            await create(admin, new, settings, by_series)
            while ours - (counts := await partition_counts(admin)).keys():
                await asyncio.sleep(0.05)
            series_partitions(counts, settings)  # somebody else may have created them meanwhile
            changed = await _manage(admin, settings) if settings.manage_topics else ()
            return Provisioned(
                tuple(settings.topic(topic) for topic in new),
                {name: counts[name] for name in sorted(ours)},
                changed,
            )
    except TimeoutError as error:
        raise ProvisionError(
            f"Kafka at {options['bootstrap_servers']} did not provide the topics in {deadline_s:.0f} s. "
            "Check that its brokers are up and reachable at their advertised addresses."
        ) from error
    except (KafkaError, OSError) as error:
        raise ProvisionError(
            f"Kafka at {options['bootstrap_servers']} cannot be used: {error!r}. Check "
            "KAFKA_BOOTSTRAP_SERVERS and the KAFKA_ security settings."
        ) from error


async def _manage(admin: AIOKafkaAdminClient, settings: Settings) -> tuple[Difference, ...]:
    """Have Kafka keep records as long as LUMINA_RETENTION_DAYS wants; returns what was changed."""
    topics = wanted(settings)
    found = await topic_settings(admin, [settings.topic(topic) for topic in topics])
    changes = differences(settings, found, topics)
    await alter(client_options(settings), changes)
    for change in changes:
        log.info("topic changed", **change._asdict())
    return tuple(changes)


async def remove(settings: Settings) -> None:
    """Delete every topic that starts with the prefix, records and all."""
    async with admin_client(client_options(settings)) as admin:
        names = [name for name in await partition_counts(admin) if name.startswith(settings.topic_prefix)]
        if names:
            await admin.delete_topics(names)


async def create(
    admin: AIOKafkaAdminClient,
    topics: list[Topic],
    settings: Settings,
    by_series: int,
    config: dict[str, str] | None = None,
) -> None:
    """Have topics created, those of the series with `by_series` partitions; `config` on top of what is
    declared. Raises ProvisionError where Kafka refuses; one that is there already is no error.
    """
    if not topics:
        return
    response = await admin.create_topics(
        [
            NewTopic(
                settings.topic(topic),
                by_series if topic.partitioned_by == "series" else settings.partitions,
                settings.replication,
                # aiokafka wants an assignment, if only an empty one, beside the broker's default replication.
                replica_assignments={} if settings.replication == _BROKER_DEFAULT else None,
                topic_configs=topic.settings(settings.max_message_bytes) | (config or {}),
            )
            for topic in topics
        ]
    )
    for name, code, message in response.topic_errors:
        if code and for_code(code) is not TopicAlreadyExistsError:
            raise ProvisionError(
                f"Kafka refused to create topic {name}: {for_code(code).__name__}: "
                f"{message or 'no reason given'}. Check the rights of KAFKA_SASL_USERNAME and "
                "LUMINA_REPLICATION, or create the topic yourself."
            )
