"""What somebody missed between their last event and now, read from Kafka: whichever replica told that
event.
"""

from collections.abc import AsyncIterator

from aiokafka import AIOKafkaConsumer, TopicPartition

from lumina_api.live.events import Wanted, alert_of, told, traces_of
from lumina_api.live.hub import Event, Watcher
from lumina_api.live.positions import Vector, written
from lumina_api.log import consumer, partitions_of
from lumina_api.views.batch import LogRecord
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DECLARED

MOST_SPAN_RECORDS = 2_000
"""Batches of spans that are read for traces; of more it is only said that there were."""


async def missed(settings: Settings, watcher: Watcher) -> AsyncIterator[Event]:
    """Alerts exactly, each revision that the log still holds; traces where they are few. Raises
    KafkaError.
    """
    vector = {place: watcher.past.get(place, 0) for place in watcher.base}
    if "alerts" in watcher.topics:
        async for record in _between(settings, "alerts", vector, watcher.base):
            vector["alerts", record.partition] = record.offset + 1
            alert = alert_of(record)
            if alert is not None and watcher.wanted.takes(alert[0]):
                yield Event("alert", written(vector), alert[1])
    if "traces" in watcher.topics:
        async for event in _traces(settings, vector, watcher.base, watcher.wanted):
            yield event


async def _traces(settings: Settings, vector: Vector, until: Vector, wanted: Wanted) -> AsyncIterator[Event]:
    behind = sum(max(0, offset - vector[place]) for place, offset in until.items() if place[0] == "spans")
    if not behind:
        return
    data: bytes | None = b'{"items":[],"left_out":null}'
    if behind <= MOST_SPAN_RECORDS:
        news = traces_of([record async for record in _between(settings, "spans", vector, until)])
        data = told(news.values(), wanted)
    vector |= {place: offset for place, offset in until.items() if place[0] == "spans"}
    if data is not None:
        yield Event("traces", written(vector), data)


async def _between(settings: Settings, topic: str, since: Vector, until: Vector) -> AsyncIterator[LogRecord]:
    places = [
        place
        for place in await partitions_of(settings, DECLARED[topic])
        if since.get((topic, place.partition), 0) < until.get((topic, place.partition), 0)
    ]
    if not places:
        return
    async with consumer(settings) as reader:
        for place in places:
            key = topic, place.partition
            async for record in _records(reader, place, since.get(key, 0), until[key]):
                yield record._replace(topic=topic)


async def _records(
    reader: AIOKafkaConsumer, place: TopicPartition, since: int, until: int
) -> AsyncIterator[LogRecord]:
    reader.assign([place])
    begin = (await reader.beginning_offsets([place]))[place]
    end = min(until, (await reader.end_offsets([place]))[place])
    reader.seek(place, max(since, begin))
    while await reader.position(place) < end:
        for found in (await reader.getmany(place, timeout_ms=500)).get(place, ()):
            if found.offset >= end:
                return
            yield LogRecord(
                place.topic,
                place.partition,
                found.offset,
                found.timestamp,
                found.key,
                found.value,
                found.headers,
            )
