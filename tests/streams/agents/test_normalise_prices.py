"""Own prices and the calls' topic at work in normalise, on a real Kafka; then in a worker as it is run."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from lumina_api.kafka import admin_client, partition_counts
from lumina_api.provision import provision
from lumina_api.stack.environment import environment
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Span
from lumina_schemas.topics import CALLS, OTLP, SPANS
from lumina_streams.agents.normalise import Normaliser
from lumina_streams.agents.prices import PriceWatch
from lumina_streams.core.price.book import LIST_VERSION
from lumina_streams.core.span.tokens import Usage
from lumina_streams.metrics import Metrics
from streams.agents.sender import Sender
from topic_log import everything

pytestmark = pytest.mark.kafka

SECRET = "the secret word"


async def normaliser_of(settings: Settings, producer: AIOKafkaProducer) -> Normaliser:
    return Normaliser(cast(Any, SimpleNamespace(producer=Sender(producer))), settings, Metrics())


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        yield producer


def request(*numbers: int) -> bytes:
    """Calls with content, and one span around them that is none."""
    body = ExportTraceServiceRequest()
    scope = body.resource_spans.add().scope_spans.add()
    around = scope.spans.add(trace_id=b"t" * 16, span_id=b"around!!", name="GET /")
    around.start_time_unix_nano = time.time_ns()
    for number in numbers:
        span = scope.spans.add(trace_id=b"t" * 16, span_id=number.to_bytes(8), name="chat")
        span.start_time_unix_nano = time.time_ns()
        span.end_time_unix_nano = span.start_time_unix_nano + 1_000_000
        for key, value in {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.input.messages": f'[{{"role":"user","parts":[{{"type":"text","content":"{SECRET}"}}]}}]',
        }.items():
            span.attributes.append(KeyValue(key=key, value=AnyValue(string_value=value)))
        for key in ("input_tokens", "output_tokens"):
            tokens = AnyValue(int_value=1_000_000)
            span.attributes.append(KeyValue(key=f"gen_ai.usage.{key}", value=tokens))
    return body.SerializeToString()


def event(settings: Settings, body: bytes, offset: int = 7) -> Any:
    name = settings.topic(OTLP)
    message = SimpleNamespace(
        topic=name,
        partition=1,
        tp=TP(name, 1),
        offset=offset,
        value=body,
        headers=[],
        timestamp=1.0,
        timestamp_type=0,
    )
    return SimpleNamespace(message=message)


async def test_calls_are_not_written_unless_asked_for(settings: Settings, producer: AIOKafkaProducer) -> None:
    normaliser = await normaliser_of(settings, producer)
    await normaliser.process([event(settings, request(1))])
    async with admin_client(client_options(settings)) as admin:
        assert settings.topic(CALLS) not in await partition_counts(admin)
    assert normaliser.metrics["calls"] == 0


async def test_calls_are_keyed_flat_and_without_content(
    settings: Settings, producer: AIOKafkaProducer
) -> None:
    asked = settings.model_copy(update={"calls_topic": True})
    made = await provision(asked)
    assert settings.topic(CALLS) in made.created
    normaliser = await normaliser_of(asked, producer)
    await normaliser.process([event(asked, request(1, 2), 7), event(asked, request(3), 8)])
    messages = await everything(asked, asked.topic(CALLS))
    spans = {
        span.span_id: span
        for message in await everything(asked, asked.topic(SPANS))
        for line in message.value.split(b"\n")
        if (span := msgspec.json.decode(line, type=Span)).priced
    }
    assert len(messages) == len(spans) == 3
    for message in messages:
        assert SECRET.encode() not in message.value
        call = msgspec.json.decode(message.value)
        span = spans[call["span_id"]]
        assert message.key == span.series_id.encode()
        assert message.partition == partition_of(span.series_id, asked.partitions)
        assert Source(*call["src"]) == span.src
        assert (call["cost_usd"], call["price_version"]) == (span.cost_usd, LIST_VERSION)
    # At least once: what is read again is written again, and `src` tells it.
    await normaliser.process([event(asked, request(3), 8)])
    again = await everything(asked, asked.topic(CALLS))
    sources = [tuple(msgspec.json.decode(message.value)["src"]) for message in again]
    assert (len(sources), len(set(sources))) == (4, 3)


async def test_a_setting_beats_the_file_and_its_removal_brings_it_back(
    settings: Settings, tmp_path: Path
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('[prices.mini]\nmodel = "gpt-4o-mini"\ninput = 2.0\n')
    metrics = Metrics()
    watch = PriceWatch(settings.model_copy(update={"prices_file": path}), metrics)

    def usd() -> float | None:
        return watch.book.cost("openai", "gpt-4o-mini", "", Usage(1_000_000, 0), time.time_ns()).usd

    assert usd() == 2.0
    watch.take({"prices/a": b'{"model":"gpt-4o*","input":3}'})
    assert usd() == 3.0
    watch.take({"prices/a": b"three"})
    assert usd() == 2.0
    assert metrics["bad_prices"] == 1
    watch.take({"prices/a": b"three", "prices/b": b'{"model":"gpt-4o*","input":4}'})
    assert usd() == 4.0
    assert metrics["bad_prices"] == 1  # told once
    watch.take({})
    assert usd() == 2.0


async def test_a_worker_does_not_start_on_a_bad_price_file(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('[prices.mini]\nmodel = "gpt-4o-mini"\nimput = 2.0\n')
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lumina_streams.worker"),
        env=environment(settings.model_copy(update={"prices_file": path}), os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(worker.communicate(), 60)
    assert worker.returncode == 1
    for words in (b"the worker cannot start", b"prices.mini (line 1)", b"`imput` is no field"):
        assert words in said
