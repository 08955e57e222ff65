"""What real applications use: OpenTelemetry's own exporters, pointed at the gateway."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from lumina_streams.core.otlp import TRACES, decode_traces

pytestmark = pytest.mark.kafka


@pytest.fixture
def spans() -> Iterator[tuple[ReadableSpan, ...]]:
    """A trace of two spans out of the real SDK."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("answer"), tracer.start_as_current_span("chat") as call:
        call.set_attribute("gen_ai.request.model", "gpt-4o-mini")
        call.set_attribute("gen_ai.usage.input_tokens", 12)
    yield memory.get_finished_spans()
    provider.shutdown()


def exporters(gateway: Any) -> dict[str, Any]:
    http = f"http://127.0.0.1:{gateway.http_port}/v1/traces"
    headers = {"x-lumina-project": "real"}
    return {
        "http": HttpExporter(endpoint=http, headers=headers),
        "http-gzip": HttpExporter(endpoint=http, headers=headers, compression=Compression.Gzip),
        "grpc": GrpcExporter(
            endpoint=f"127.0.0.1:{gateway.grpc_port}", insecure=True, headers=tuple(headers.items())
        ),
    }


@pytest.mark.parametrize("name", ["http", "http-gzip", "grpc"])
async def test_an_exporter_s_spans_land_as_they_were_encoded(
    gateway: Any, spans: tuple[ReadableSpan, ...], name: str
) -> None:
    exporter = exporters(gateway)[name]
    try:
        assert await asyncio.to_thread(exporter.export, spans) is SpanExportResult.SUCCESS
    finally:
        await asyncio.to_thread(exporter.shutdown)
    (message,) = await gateway.landed()
    assert message.value == encode_spans(spans).SerializeToString()
    assert message.headers == (("lumina-project", b"real"),)


async def test_an_exporter_keeps_trying_until_kafka_is_ready(
    gateway: Any, spans: tuple[ReadableSpan, ...], caplog: pytest.LogCaptureFixture, eventually: Any
) -> None:
    caplog.set_level(logging.WARNING)
    exporter = exporters(gateway)["http"]
    gateway.sink.budget.keep(gateway.sink.budget.limit)  # full
    sending = asyncio.create_task(asyncio.to_thread(exporter.export, spans))
    try:
        await eventually(lambda: "503" in caplog.text or "Unavailable" in caplog.text, 10, caplog.text)
        gateway.sink.budget.give_back(gateway.sink.budget.limit)
        assert await sending is SpanExportResult.SUCCESS
    finally:
        await asyncio.to_thread(exporter.shutdown)
    (message,) = await gateway.landed()
    assert len(list(TRACES.each(decode_traces(message.value)))) == 2
