"""What normalise cannot keep of a message: few dead letters on a real Kafka, its neighbours on their way."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from faust.types import TP
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DLQ, OTLP, SPANS
from lumina_streams.agents.normalise import Normaliser
from lumina_streams.core.span.normalise import INVALID_IDS
from lumina_streams.metrics import Metrics

pytestmark = pytest.mark.kafka


class Sender:
    """A plain producer in the place of the app's."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(
        self, topic: str, key: bytes | None, value: bytes, partition: int | None, at: None, headers: Any
    ) -> Any:
        return await self._producer.send(topic, value, key, partition, at, headers or ())


@pytest.fixture
async def normaliser(settings: Settings) -> AsyncIterator[Normaliser]:
    limit = settings.max_message_bytes + 100_000
    async with AIOKafkaProducer(**client_options(settings), max_request_size=limit, acks="all") as producer:
        app = cast(Any, SimpleNamespace(producer=Sender(producer)))
        yield Normaliser(app, settings, Metrics())


def landed(settings: Settings, body: bytes) -> Any:
    """The event of a landed message."""
    tp = TP(settings.topic(OTLP), 1)
    message = SimpleNamespace(
        topic=tp.topic, partition=1, tp=tp, offset=7, value=body, headers=[], timestamp=1.0
    )
    return SimpleNamespace(message=message)


async def read(settings: Settings, topic: str) -> list[Any]:
    """All messages of a topic."""
    async with AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest") as consumer:
        partitions = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        messages: list[Any] = []
        while len(messages) < sum(ends.values()):
            for some in (await consumer.getmany(timeout_ms=200)).values():
                messages += some
    return messages


def spans_of(body: bytes) -> list[Any]:
    request = ExportTraceServiceRequest.FromString(body)
    return [s for group in request.resource_spans for scope in group.scope_spans for s in scope.spans]


def request_of(bad: int, size: int) -> ExportTraceServiceRequest:
    """One good span among bad ones, each with a text of a size."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    spans = group.scope_spans.add().spans
    for _ in range(bad):
        span = spans.add()
        if size:
            span.attributes.add(key="text").value.string_value = "x" * size
    spans.add(name="good", trace_id=b"t" * 16, span_id=b"s" * 8)
    return request


async def test_a_flood_of_spans_without_ids_is_one_dead_letter(
    normaliser: Normaliser, settings: Settings
) -> None:
    await normaliser.process([landed(settings, request_of(20_000, 0).SerializeToString())])
    (letter,) = await read(settings, settings.topic(DLQ))
    headers = dict(letter.headers)
    assert headers["lumina-dlq-spans"] == b"20000"
    assert headers["lumina-dlq-error"] == INVALID_IDS.encode()
    assert headers["lumina-dlq-topic"] == settings.topic(OTLP).encode()
    assert (headers["lumina-dlq-partition"], headers["lumina-dlq-offset"]) == (b"1", b"7")
    assert len(spans_of(letter.value)) == 20_000
    (good,) = await read(settings, settings.topic(SPANS))
    assert b'"name":"good"' in good.value
    assert (normaliser.metrics["rejected_spans"], normaliser.metrics["dlq_messages"]) == (20_000, 1)


async def test_dead_letters_are_no_larger_than_a_message_may_be(settings: Settings) -> None:
    small = settings.model_copy(update={"max_message_bytes": 20_000})
    async with AIOKafkaProducer(**client_options(small), acks="all") as producer:
        normaliser = Normaliser(cast(Any, SimpleNamespace(producer=Sender(producer))), small, Metrics())
        await normaliser.process([landed(small, request_of(30, 1_500).SerializeToString())])
    letters = await read(settings, settings.topic(DLQ))
    assert len(letters) == 3
    assert all(len(letter.value) <= normaliser.limit for letter in letters)
    assert sum(len(spans_of(letter.value)) for letter in letters) == 30
    assert sum(int(dict(letter.headers)["lumina-dlq-spans"]) for letter in letters) == 30


async def test_what_is_no_otlp_stays_as_it_is_and_is_not_counted(
    normaliser: Normaliser, settings: Settings
) -> None:
    await normaliser.process([landed(settings, b"\xff no request")])
    (letter,) = await read(settings, settings.topic(DLQ))
    assert letter.value == b"\xff no request"
    assert "lumina-dlq-spans" not in dict(letter.headers)


async def test_a_message_larger_than_ours_may_be_is_cut_and_stops_nothing(
    settings: Settings, normaliser: Normaliser
) -> None:
    body = b"\xff" * (settings.max_message_bytes + 50_000)
    await normaliser.process([landed(settings, body)])
    (letter,) = await read(settings, settings.topic(DLQ))
    assert 0 < len(letter.value) < settings.max_message_bytes
    assert body.startswith(letter.value)
    assert dict(letter.headers)["lumina-dlq-cut-from"] == str(len(body)).encode()
