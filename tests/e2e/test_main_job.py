"""The main job: real OTLP in, priced calls and a dual-signal alert out, over every door."""

import random
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import NewTopic
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind

from e2e.otlp_calls import Call, dear, normal_calls, refused, request
from e2e.stack import Stack, eventually
from lumina_api.kafka import admin_client
from lumina_schemas.alert import Alert
from lumina_schemas.kafka import client_options

SEEN_S = 30.0
CORPUS = Path(__file__).parents[1] / "corpus"
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture
async def running(stack: Stack) -> Stack:
    """The whole stack, ready."""
    await stack.start("gateway", "stream", "api")
    return stack


def one_call_by_sdk(exporter: SpanExporter, service: str) -> str:
    """Report one LLM call through the real OpenTelemetry SDK; returns its trace id."""
    resource = Resource.create({"service.name": service, "lumina.project": "e2e"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("POST /answer", kind=SpanKind.SERVER) as root:
        root.set_attribute("http.route", "/answer")
        with tracer.start_as_current_span("chat gpt-4o-mini") as span:
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "openai",
                    "gen_ai.request.model": "gpt-4o-mini",
                    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
                    "gen_ai.usage.input_tokens": 1000,
                    "gen_ai.usage.output_tokens": 100,
                }
            )
    assert provider.force_flush()
    provider.shutdown()
    return f"{root.get_span_context().trace_id:032x}"


async def call_of(stack: Stack, trace_id: str, project: str = "e2e") -> dict[str, Any]:
    """The one call of a trace, as soon as REST shows it."""
    found: list[dict[str, Any]] = []

    async def shown() -> bool:
        found[:] = (await stack.get("/api/v1/calls", project=project, trace_id=trace_id))["items"]
        return bool(found)

    await eventually(shown, SEEN_S, lambda: f"trace {trace_id} does not appear")
    assert len(found) == 1
    return found[0]


async def test_every_door_leads_to_a_priced_call(running: Stack) -> None:
    """OTLP/HTTP and gRPC by the real exporters, OTLP/JSON, port 8080, and the collector's Kafka exporter."""
    traces = {
        "http": one_call_by_sdk(HttpExporter(endpoint=f"{running.otlp}/v1/traces"), "http"),
        "grpc": one_call_by_sdk(
            GrpcExporter(endpoint=f"http://127.0.0.1:{running.grpc_port}", insecure=True), "grpc"
        ),
        "api": one_call_by_sdk(HttpExporter(endpoint=f"{running.api_url}/v1/traces"), "api"),
    }
    rng = random.Random(1)
    json_call, kafka_call = normal_calls(rng, 2, time.time_ns())
    traces["json"] = json_call.trace_id.hex()
    async with httpx.AsyncClient() as client:
        response = await client.post(f"{running.otlp}/v1/traces", json=as_json(json_call))
        assert (response.status_code, response.json()) == (200, {})
    traces["kafka"] = kafka_call.trace_id.hex()
    await produce(running, [request([kafka_call]).SerializeToString()])

    for door, trace_id in traces.items():
        call = await call_of(running, trace_id)
        assert call["cost_status"] == "exact", door
        assert call["cost_usd"] > 0, door
    # gpt-4o-mini: 0.15 USD a million tokens in, 0.60 out.
    http = await call_of(running, traces["http"])
    assert http["cost_usd"] == pytest.approx(1000 * 0.15e-6 + 100 * 0.60e-6)
    assert http["endpoint"] == "/answer"
    assert http["provider"] == "openai"
    trace = await running.get(f"/api/v1/traces/{traces['grpc']}")
    assert trace["span_count"] == 2


async def test_a_dual_signal_alert_reaches_kafka_and_rest(running: Stack) -> None:
    """A model switch and refusals at once: one critical alert, on the topic and over REST, same id."""
    rng = random.Random(7)
    now = time.time_ns()
    before = normal_calls(rng, 300, now - 60_000_000_000)
    bad = [refused_and_dear(call) for call in normal_calls(rng, 40, now)]
    async with httpx.AsyncClient() as client:
        for start in range(0, len(before), 50):
            await post(client, running, before[start : start + 50])
        for call in bad:
            await post(client, running, [call])
    alert = await alert_of_kind(running, "cost_and_quality")
    assert alert.severity == "critical"
    assert {signal.kind for signal in alert.signals} == {"cost_spike", "quality_drop"}
    assert alert.cause is not None
    assert (alert.cause.what, alert.cause.from_, alert.cause.to) == ("request_model", "gpt-4o-mini", "gpt-4o")
    assert (alert.project, alert.service, alert.endpoint) == ("e2e", "shop", "answer")
    shown: list[dict[str, Any]] = []

    async def over_rest() -> bool:
        shown[:] = (await running.get("/api/v1/alerts", project="e2e", kind="cost_and_quality"))["items"]
        return bool(shown)

    await eventually(over_rest, SEEN_S, lambda: "the alert does not appear over REST")
    assert [item["id"] for item in shown] == [alert.id]


def refused_and_dear(call: Call) -> Call:
    """A call to the dearer model that answers with as many tokens, but refuses."""
    return replace(refused(dear(call)), output_tokens=call.output_tokens)


async def post(client: httpx.AsyncClient, stack: Stack, calls: list[Call]) -> None:
    """Send calls as an OTLP/HTTP exporter does."""
    response = await client.post(
        f"{stack.otlp}/v1/traces",
        content=request(calls).SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )
    assert response.status_code == 200, response.text


async def produce(stack: Stack, bodies: list[bytes], topic: str = "") -> None:
    """What the collector's kafka exporter does: raw OTLP protobuf onto a landing topic."""
    producer = AIOKafkaProducer(bootstrap_servers=stack.settings.kafka_bootstrap_servers, acks="all")
    await producer.start()
    try:
        for body in bodies:
            await producer.send_and_wait(topic or stack.settings.topic("otlp"), body)
    finally:
        await producer.stop()


async def messages(stack: Stack, topic: str, count: int) -> list[tuple[bytes, list[tuple[str, bytes]]]]:
    """(value, headers) of the first `count` messages of a topic."""
    consumer = AIOKafkaConsumer(
        stack.settings.topic(topic),
        bootstrap_servers=stack.settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    found: list[tuple[bytes, list[tuple[str, bytes]]]] = []
    try:

        async def arrived() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found.extend((record.value, list(record.headers)) for record in records)
            return len(found) >= count

        await eventually(arrived, SEEN_S, lambda: f"{len(found)} messages on {topic}, not {count}")
    finally:
        await consumer.stop()
    return found


async def alert_of_kind(stack: Stack, kind: str) -> Alert:
    """The first alert of a kind that a plain Kafka consumer reads."""
    consumer = AIOKafkaConsumer(
        stack.settings.topic("alerts"),
        bootstrap_servers=stack.settings.kafka_bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    seen: list[Alert] = []
    try:

        async def arrived() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                seen.extend(msgspec.json.decode(record.value, type=Alert) for record in records)
            return any(alert.kind == kind for alert in seen)

        await eventually(
            arrived, SEEN_S, lambda: f"no {kind} alert; seen: {[alert.summary for alert in seen]}"
        )
    finally:
        await consumer.stop()
    return next(alert for alert in seen if alert.kind == kind)


def as_json(call: Call) -> dict[str, Any]:
    """The call as OTLP/JSON, as the specification writes it: hex ids, numbers as strings."""
    body = request([call])
    span = body.resource_spans[0].scope_spans[0].spans[0]
    return {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [
                        {"key": attribute.key, "value": {"stringValue": attribute.value.string_value}}
                        for attribute in body.resource_spans[0].resource.attributes
                    ]
                },
                "scopeSpans": [
                    {
                        "scope": {"name": "json"},
                        "spans": [
                            {
                                "traceId": span.trace_id.hex(),
                                "spanId": span.span_id.hex(),
                                "name": span.name,
                                "kind": 3,
                                "startTimeUnixNano": str(span.start_time_unix_nano),
                                "endTimeUnixNano": str(span.end_time_unix_nano),
                                "attributes": [json_attribute(attribute) for attribute in span.attributes],
                                "somethingUnknown": {"is": "ignored"},
                            }
                        ],
                    }
                ],
            }
        ]
    }


def json_attribute(attribute: Any) -> dict[str, Any]:
    """One attribute in OTLP/JSON."""
    value = attribute.value
    if value.WhichOneof("value") == "int_value":
        return {"key": attribute.key, "value": {"intValue": str(value.int_value)}}
    return {"key": attribute.key, "value": {"stringValue": value.string_value}}


async def test_a_landing_topic_has_its_project_and_the_gateways_header_wins(stack: Stack) -> None:
    """LUMINA_OTLP_TOPICS adds a topic of the Collector's with its project; a header outranks the resource."""
    existing = stack.settings.topic_prefix + "collector_spans"
    async with admin_client(client_options(stack.settings)) as admin:
        await admin.create_topics([NewTopic(existing, 5, 1)])
    stack.env["LUMINA_OTLP_TOPICS"] = f"{existing}=shop"
    await stack.start("gateway", "stream", "api")
    by_topic, by_header = normal_calls(random.Random(3), 2, time.time_ns())
    await produce(stack, [request([by_topic]).SerializeToString()], existing)
    async with httpx.AsyncClient() as client:
        response = await client.post(
            f"{stack.otlp}/v1/traces",
            content=request([by_header]).SerializeToString(),
            headers={"content-type": "application/x-protobuf", "x-lumina-project": "header"},
        )
    assert response.status_code == 200
    assert (await call_of(stack, by_topic.trace_id.hex(), "shop"))["project"] == "shop"
    assert (await call_of(stack, by_header.trace_id.hex(), "header"))["project"] == "header"


async def test_poison_stops_nothing_and_is_kept(running: Stack) -> None:
    """No OTLP at all, and a span without ids, between good ones: dlq with headers, neighbours through."""
    good = normal_calls(random.Random(5), 3, time.time_ns())
    with_poison = request(good[:2])
    with_poison.resource_spans[0].scope_spans[0].spans[0].trace_id = b"\0" * 16
    garbage = b"\xff\xfe this is no protobuf"
    await produce(running, [garbage, with_poison.SerializeToString(), request(good[2:]).SerializeToString()])
    for call in good[1:]:
        assert (await call_of(running, call.trace_id.hex()))["cost_status"] == "exact"
    letters = [
        (value, {name: raw.decode() for name, raw in headers})
        for value, headers in await messages(running, "dlq", 2)
    ]
    assert {headers["lumina-dlq-topic"] for _, headers in letters} == {running.settings.topic("otlp")}
    assert {headers["lumina-dlq-stage"] for _, headers in letters} == {"normalise"}
    assert all(headers["lumina-dlq-error"] for _, headers in letters)
    assert garbage in [value for value, _ in letters]
    (alone,) = [value for value, _ in letters if value != garbage]
    assert good[0].span_id in alone
    assert good[1].span_id not in alone


@pytest.mark.parametrize("order", [("logs", "traces"), ("traces", "logs")])
async def test_content_that_comes_in_logs_joins_its_span(running: Stack, order: tuple[str, str]) -> None:
    """A captured call whose prompt and answer are OTLP logs: REST shows them, whichever came first."""
    captured = CORPUS / "otel_openai_v2-chat_async"
    bodies = {
        "traces": captured.with_suffix(".otlp.pb").read_bytes(),
        "logs": captured.with_suffix(".logs.pb").read_bytes(),
    }
    spans = ExportTraceServiceRequest.FromString(bodies["traces"])
    trace_id = spans.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
    shown: dict[str, Any] = {}

    async def visible() -> bool:
        items = (await running.get("/api/v1/calls", trace_id=trace_id, since=LONG_AGO))["items"]
        shown.update(items[0] if items else {})
        return bool(items)

    async def with_content() -> bool:
        return await visible() and bool(shown.get("output_messages"))

    async with httpx.AsyncClient() as client:
        for signal in order:
            response = await client.post(
                f"{running.otlp}/v1/{signal}",
                content=bodies[signal],
                headers={"content-type": "application/x-protobuf"},
            )
            assert response.status_code == 200, response.text
            if signal == "traces" and order[0] == "traces":
                await eventually(visible, SEEN_S, lambda: "the span does not appear")
                assert not shown.get("output_messages")
    await eventually(with_content, SEEN_S, lambda: f"no content on {shown}")
    texts = [part["content"] for message in shown["output_messages"] for part in message["parts"]]
    assert texts == ["Paris is the capital of France."]
    assert shown["input_messages"][-1]["parts"][0]["content"] == "What is the capital of France?"
