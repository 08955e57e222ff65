"""Places of series on a real Kafka: noted before the spans leave, known to whoever comes after."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from lumina_schemas.kafka import client_options
from lumina_schemas.series import OTHER, KnownSeries
from lumina_schemas.settings import Settings
from lumina_schemas.span import Span
from lumina_schemas.topics import OTLP, SERIES, SPANS
from lumina_streams.agents.normalise import Normaliser
from lumina_streams.agents.places import Places
from lumina_streams.metrics import Metrics
from streams.agents.landed import event
from streams.agents.sender import Sender
from topic_log import everything

pytestmark = pytest.mark.kafka


class Order(Sender):
    """A sender that also writes down which topics it was given, in order."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        super().__init__(producer)
        self.topics: list[str] = []

    async def send(self, topic: str, *rest: Any) -> Any:
        self.topics.append(topic)
        return await super().send(topic, *rest)


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        yield producer


def request(*endpoints: str) -> bytes:
    body = ExportTraceServiceRequest()
    scope = body.resource_spans.add().scope_spans.add()
    for number, endpoint in enumerate(endpoints):
        span = scope.spans.add(trace_id=b"t" * 16, span_id=(number + 1).to_bytes(8), name="x")
        span.attributes.append(KeyValue(key="lumina.endpoint", value=AnyValue(string_value=endpoint)))
    return body.SerializeToString()


async def test_a_place_is_noted_before_its_spans_leave(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    asked = settings.model_copy(update={"max_series": 2})
    await producer.send_and_wait(settings.topic(OTLP), request("a", "b", "c", "a"), partition=0)
    (record,) = await everything(settings, settings.topic(OTLP))
    order = Order(producer)
    first = Normaliser(cast(Any, SimpleNamespace(producer=order)), asked, Metrics())
    await first.process([event(record)])
    spans, series = settings.topic(SPANS), settings.topic(SERIES)
    assert order.topics[:3] == [series] * 3
    assert set(order.topics[3:]) == {spans}
    assert first.metrics["overflow_spans"] == 1
    lines = sorted(line for one in await everything(settings, spans) for line in one.value.split(b"\n"))
    endpoints = [msgspec.json.decode(line, type=Span).endpoint for line in lines]
    assert sorted(endpoints) == ["a", "a", "b", OTHER]

    # Whoever comes after knows the places, although it meets the endpoints in another order.
    notes = {one.key.decode(): one.value for one in await everything(settings, series)}
    assert {(note.endpoint, note.since_ms) for note in map(decoded, notes.values())} == {
        (endpoint, record.timestamp) for endpoint in ("a", "b", OTHER)
    }
    second = Normaliser(cast(Any, SimpleNamespace(producer=Order(producer))), asked, Metrics())
    second.places.take(notes)
    await producer.send_and_wait(settings.topic(OTLP), request("c", "d", "b", "a"), partition=1)
    both = await everything(settings, settings.topic(OTLP))
    await second.process([event(one) for one in reversed(both)])
    again = [line for one in await everything(settings, spans) for line in one.value.split(b"\n")]
    assert {line for line in again if lines.count(line)} == set(lines)
    assert len(set(again)) == 8
    assert second.metrics["series_noted"] == 0


def decoded(value: bytes) -> KnownSeries:
    return msgspec.json.decode(value, type=KnownSeries)


async def test_a_note_that_cannot_be_read_is_ignored_and_counted(settings: Settings) -> None:
    places = Places(settings, Metrics())
    good = KnownSeries(v=1, project="p", service="s", endpoint="e", since_ms=1, seen_ms=2, calls=True)
    places.take({"0" * 16: msgspec.json.encode(good), "1" * 16: b"{", "2" * 16: None})
    assert places.metrics["bad_series"] == 1
    places.registry.begin(3)
    assert places.registry.active(10) == {"p": 1}
