"""The time at which the log took a message decides whether its spans' clocks are right, on a real Kafka."""

import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_api.kafka import admin_client
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.span import Span
from lumina_schemas.topics import OTLP, SPANS
from lumina_streams.agents.normalise import Normaliser
from lumina_streams.metrics import Metrics
from streams.agents.landed import event
from streams.agents.sender import Sender
from topic_log import everything

pytestmark = pytest.mark.kafka

MINUTE_NS = 60 * 10**9
CREATE_MS = 1_600_000_000_000  # a producer's clock of 2020


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        yield producer


def request() -> bytes:
    """A span of now, one of 9 and one of 11 minutes ahead."""
    body = ExportTraceServiceRequest()
    scope = body.resource_spans.add().scope_spans.add()
    for name, ahead in (("now", 0), ("nine", 9), ("eleven", 11)):
        span = scope.spans.add(trace_id=b"t" * 16, span_id=name.encode().ljust(8, b"."), name=name)
        span.start_time_unix_nano = span.end_time_unix_nano = time.time_ns() + ahead * MINUTE_NS
    return body.SerializeToString()


async def flags(
    settings: Settings, topic: str, turns: int, producer: AIOKafkaProducer
) -> list[dict[str, bool]]:
    """What becomes of the spans of a topic, each time that it is normalised."""
    records = await everything(settings, topic)
    found = []
    for _ in range(turns):
        before = len(await everything(settings, settings.topic(SPANS)))
        normaliser = Normaliser(cast(Any, SimpleNamespace(producer=Sender(producer))), settings, Metrics())
        await normaliser.process([event(record) for record in records])
        found.append(
            {
                span.name: span.clock_skew
                for message in (await everything(settings, settings.topic(SPANS)))[before:]
                for line in message.value.split(b"\n")
                for span in [msgspec.json.decode(line, type=Span)]
            }
        )
    return found


async def test_a_span_ahead_of_the_log_is_flagged_on_every_replay(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    topic = settings.topic(OTLP)
    # What a producer writes as the record's time is nothing to us: the broker's time stands there.
    await producer.send_and_wait(topic, request(), timestamp_ms=CREATE_MS)
    expected = {"now": False, "nine": False, "eleven": True}
    assert await flags(settings, topic, 2, producer) == [expected, expected]


async def test_a_topic_with_its_producers_times_flags_nothing(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    topic = settings.topic_prefix + "others"
    async with admin_client(client_options(settings)) as admin:
        await admin.create_topics([NewTopic(topic, settings.partitions, 1)])
    try:
        await producer.send_and_wait(topic, request(), timestamp_ms=CREATE_MS)
        asked = Settings(**settings.model_dump() | {"otlp_topics": topic})
        (found,) = await flags(asked, topic, 1, producer)
        assert found == {"now": False, "nine": False, "eleven": False}
    finally:
        async with admin_client(client_options(settings)) as admin:
            await admin.delete_topics([topic])
