"""Reads `lumina.alerts` as any consumer would: without a group, first what is there, then what comes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from lumina_api.kafka import admin_client, partition_counts
from lumina_schemas.alert import Alert
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import ALERTS

FETCH_WAIT_MS = 100

_decode = msgspec.json.Decoder(Alert).decode


@dataclass
class AlertReader:
    """A consumer of the alerts topic that stands at the end of what was there when it was opened."""

    earlier: list[Alert]
    _consumer: AIOKafkaConsumer

    async def new(self) -> AsyncIterator[Alert]:
        """Alert records as they are written, endlessly."""
        async for record in self._consumer:
            if (alert := _alert(record.value)) is not None:
                yield alert


@asynccontextmanager
async def alert_reader(settings: Settings) -> AsyncIterator[AlertReader]:
    """A reader that has read all earlier alerts.

    Raises aiokafka's KafkaError where Kafka cannot be reached, LookupError where there is no such topic.
    """
    topic = settings.topic(ALERTS)
    options = client_options(settings, "lumina-demo")
    async with admin_client(options) as admin:
        count = (await partition_counts(admin)).get(topic, 0)
    if not count:
        raise LookupError(f"Topic {topic} does not exist.")
    consumer = AIOKafkaConsumer(enable_auto_commit=False, fetch_max_wait_ms=FETCH_WAIT_MS, **options)
    try:
        await consumer.start()
        partitions = [TopicPartition(topic, number) for number in range(count)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        earlier: list[Alert] = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for records in (await consumer.getmany(timeout_ms=FETCH_WAIT_MS)).values():
                earlier += [alert for record in records if (alert := _alert(record.value)) is not None]
        yield AlertReader(earlier, consumer)
    finally:
        await consumer.stop()


def _alert(value: bytes | None) -> Alert | None:
    """The record's alert; None for a tombstone, or what another version wrote."""
    try:
        return _decode(value) if value else None
    except msgspec.DecodeError:
        return None
