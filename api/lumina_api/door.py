"""What commands put through the public doors, `lumina.commands`, `lumina.settings`; alerts by their ids."""

from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from lumina_api.backtest.replay import alerts_fired
from lumina_api.log import facts_of, partitions_of
from lumina_schemas.alert import Alert
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topics import ALERTS, Topic

LEAST_PREFIX = 6
"""Characters of an alert's id that stand for it where no other begins with them."""


class UnknownAlert(LookupError):
    """No alert, or several, are meant; in words for whoever named it."""


class Put(NamedTuple):
    """Where a record lies now."""

    partition: int
    offset: int


async def put(settings: Settings, topic: Topic, key: str, value: bytes | None) -> Put:
    """Write a record, on the partition that Kafka's own clients choose for its key, and see it there: what
    has one key keeps its order whoever writes it. Raises MissingTopic, KafkaError.
    """
    name = settings.topic(topic)
    partition = partition_of(key, (await facts_of(settings, name)).partitions)
    options = client_options(settings, "lumina-door")
    async with AIOKafkaProducer(**options, acks="all", enable_idempotence=True) as producer:
        done = await producer.send_and_wait(name, value, key=key.encode(), partition=partition)
    return Put(partition, done.offset)


async def alert_named(settings: Settings, name: str) -> Alert:
    """The newest record of the alert whose id is, or begins with, a name. Raises UnknownAlert, MissingTopic,
    KafkaError.
    """
    await partitions_of(settings, ALERTS)
    alerts = await alerts_fired(settings) or []
    found = [alert for alert in alerts if alert.id == name]
    if not found and len(name) >= LEAST_PREFIX:
        found = [alert for alert in alerts if alert.id.startswith(name)]
    if not found:
        raise UnknownAlert(f"There is no alert {name!r}. `lumina tail alerts --from-start` shows their ids.")
    if len(found) > 1:
        ids = ", ".join(sorted(alert.id for alert in found)[:5])
        raise UnknownAlert(f"{len(found)} alerts begin with {name!r}: {ids}. Give more of the id.")
    return found[0]
