"""The limit of traces a day at the door, over real Kafka: one replica and two, HTTP and gRPC, midnight."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from typing import Any

import grpc
import msgspec
import pytest
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc import aio
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from lumina_api.door import put
from lumina_api.gateway.limit import LONGEST_WAIT_S
from lumina_api.usage.report import read_tally, usage_of
from lumina_schemas.project import ProjectSettings, Traces
from lumina_schemas.settings import Settings
from lumina_schemas.topics import OTLP_LOGS, PROJECTS, SETTINGS, USAGE
from lumina_schemas.usage import DAY_S, UsedTraces, unpacked
from lumina_streams.core.otlp import TRACES, decode_traces
from topic_log import everything

pytestmark = pytest.mark.kafka

JSON = "application/json"


class Clock:
    """A day that does not end while a test runs, and ends when it says so."""

    def __init__(self) -> None:
        self.now_s = time.time() // DAY_S * DAY_S + 43_200.0

    def __call__(self) -> float:
        return self.now_s

    def next_day(self) -> None:
        self.now_s = (self.now_s // DAY_S + 1) * DAY_S


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limited(settings: Settings, limit: int) -> Settings:
    return settings.model_copy(update={"daily_trace_limit": limit})


def request_of(traces: Iterable[int], project: str = "", spans: int = 1) -> bytes:
    """So many spans of each of these traces."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    if project:
        group.resource.attributes.add(key="lumina.project").value.string_value = project
    scope = group.scope_spans.add()
    for trace in traces:
        for number in range(1, spans + 1):
            scope.spans.add(
                trace_id=(trace + 1).to_bytes(16, "big"), span_id=number.to_bytes(8, "big"), name="chat"
            )
    body: bytes = request.SerializeToString()
    return body


async def landed(gateway: Any) -> list[int]:
    """The trace of each span that lies on Kafka."""
    return [
        int.from_bytes(span.trace_id, "big") - 1
        for message in await gateway.landed()
        for span in TRACES.each(decode_traces(message.value))
    ]


async def ready(gateway: Any, eventually: Any) -> Any:
    await eventually(lambda: not gateway.doorway.reasons, 20, "the gateway is not ready")
    return gateway


class TestAnswers:
    async def test_over_http_in_both_encodings(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        clock.now_s += 43_000.0  # 200 s are left
        async with running_gateway(limited(settings, 3), clock) as gateway:
            await ready(gateway, eventually)
            assert (await gateway.post("/v1/traces", request_of(range(3), spans=2))).status_code == 200
            refused = await gateway.post("/v1/traces", request_of([3, 4]))
            status = Status.FromString(refused.content)
            spans = [{"traceId": "ff" * 16, "spanId": "ff" * 8, "name": "chat"}]
            body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()
            refused_json = await gateway.post("/v1/traces", body, JSON)
            assert await landed(gateway) == [0, 0, 1, 1, 2, 2]
        assert refused.status_code == refused_json.status_code == 429
        assert refused_json.headers["content-type"] == JSON
        assert refused_json.json() == {"code": 8, "message": status.message}
        assert status.code == 8
        midnight = int(clock.now_s // DAY_S + 1) * DAY_S
        for said in (
            "default",
            "has had 3",
            "limit is 3",
            time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(midnight)),
        ):
            assert said in status.message
        for answer in (refused, refused_json):
            assert answer.headers["retry-after"] == "200"
            assert answer.headers["x-ratelimit-limit"] == answer.headers["x-ratelimit-used"] == "3"
            assert answer.headers["x-ratelimit-remaining"] == "0"
            assert answer.headers["x-ratelimit-reset"] == str(midnight)

    async def test_over_grpc(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        async with running_gateway(limited(settings, 1), clock) as gateway:
            await ready(gateway, eventually)
            assert await gateway.call("traces", request_of([0])) == b""
            with pytest.raises(aio.AioRpcError) as refused:
                await gateway.call("traces", request_of([1]))
            assert await landed(gateway) == [0]
        error = refused.value
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "limit is 1" in str(error.details())
        told = dict(error.trailing_metadata() or ())
        assert (told["x-ratelimit-limit"], told["x-ratelimit-used"]) == ("1", "1")
        (detail,) = Status.FromString(told["grpc-status-details-bin"]).details
        info = RetryInfo()
        assert detail.Unpack(info)
        assert info.retry_delay.seconds == LONGEST_WAIT_S, "it is noon: later, a raised limit goes unheard"
        assert RetryInfo.FromString(told["google.rpc.retryinfo-bin"]) == info

    async def test_a_mixed_request_is_taken_as_far_as_it_goes(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        async with running_gateway(limited(settings, 2), clock) as gateway:
            await ready(gateway, eventually)
            await gateway.post("/v1/traces", request_of([0]))
            mixed = await gateway.post("/v1/traces", request_of([0, 5, 6, 7], spans=3))
            partial = ExportTraceServiceResponse.FromString(mixed.content).partial_success
            later = await gateway.post("/v1/traces", request_of([0]))
            taken = await landed(gateway)
        assert (mixed.status_code, partial.rejected_spans) == (200, 6)
        assert "6 spans were not taken" in partial.error_message
        assert "limit is 2" in partial.error_message
        assert (later.status_code, later.content) == (200, b""), "a trace that was admitted passes"
        assert taken.count(0) == 5
        assert sum(taken.count(trace) for trace in (5, 6, 7)) == 3

    async def test_each_project_of_a_request_has_its_own_limit(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        own = msgspec.json.encode(ProjectSettings(v=1, daily_trace_limit=1))
        await put(settings, SETTINGS, "projects/small", own)
        async with running_gateway(limited(settings, 4), clock) as gateway:
            await ready(gateway, eventually)
            body = request_of(range(3), "small") + request_of(range(3, 6))
            answer = await gateway.post("/v1/traces", body)
            assert ExportTraceServiceResponse.FromString(answer.content).partial_success.rejected_spans == 2
            assert len(await landed(gateway)) == 4
            # The door's word counts before the resource's.
            assert (await gateway.post("/v1/traces", body, x_lumina_project="large")).status_code == 200
            await put(settings, SETTINGS, "projects/small", None)
            await eventually(lambda: gateway.doorway.limiter.limits.of("small") == 4, 10, "the limit stays")
            assert (await gateway.post("/v1/traces", request_of(range(3), "small"))).content == b""

    async def test_invalid_spans_and_logs_are_not_what_the_limit_is_about(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        logs = ExportLogsServiceRequest()
        logs.resource_logs.add().scope_logs.add().log_records.add(
            trace_id=b"x" * 16
        ).body.string_value = "hello"
        async with running_gateway(limited(settings, 1), clock) as gateway:
            await ready(gateway, eventually)
            nameless = ExportTraceServiceRequest()
            nameless.resource_spans.add().scope_spans.add().spans.add(name="no ids")
            for _ in range(3):
                assert (await gateway.post("/v1/traces", nameless.SerializeToString())).status_code == 200
            assert (await gateway.post("/v1/traces", request_of([0]))).content == b""
            assert (await gateway.post("/v1/traces", request_of([1]))).status_code == 429
            assert (await gateway.post("/v1/logs", logs.SerializeToString())).status_code == 200
            assert len(await gateway.landed(OTLP_LOGS)) == 1

    async def test_without_a_limit_traces_are_counted_all_the_same(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        async with running_gateway(limited(settings, 0), clock) as gateway:
            await ready(gateway, eventually)
            assert (await gateway.post("/v1/traces", request_of(range(500)))).status_code == 200
            usage = gateway.doorway.limiter.usage("default")
        assert (usage.traces, usage.limit, usage.percent) == (500, 0, None)


class TestReplicas:
    async def test_two_of_them_admit_what_one_would(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        limit, batch = 1_000, 10
        of_both = limited(settings, limit)

        async def send(gateway: Any, first: int) -> int:
            refused = 0
            for start in range(first, first + 900, batch):
                answer = await gateway.post("/v1/traces", request_of(range(start, start + batch)))
                assert answer.status_code in (200, 429)
                refused += answer.status_code == 429
            return refused

        async with running_gateway(of_both, clock) as one, running_gateway(of_both, clock) as other:
            await ready(one, eventually)
            await ready(other, eventually)
            refused = await asyncio.gather(send(one, 0), send(other, 10_000))
            admitted = len(set(await landed(one)))
            for gateway in (one, other):
                await eventually(
                    lambda gateway=gateway: gateway.doorway.limiter.usage("default").traces == admitted,
                    10,
                    "they do not agree",
                )
            known = next(iter(await landed(other)))
            assert (await one.post("/v1/traces", request_of([known]))).status_code == 200
        assert all(refused)
        assert limit <= admitted <= limit * 1.005 + 2 * batch

    async def test_a_restart_keeps_the_count_and_a_crash_loses_a_batch_at_most(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        batch = 20
        async with running_gateway(limited(settings, 1_000), clock) as gateway:
            await ready(gateway, eventually)
            for start in range(0, 400, batch):
                await gateway.post("/v1/traces", request_of(range(start, start + batch)))
            # A gateway that begins now finds what this one had told when it died here.
            async with running_gateway(limited(settings, 1_000), clock) as successor:
                await ready(successor, eventually)
                assert 400 - batch - 1 <= successor.doorway.limiter.usage("default").traces <= 400
        async with running_gateway(limited(settings, 400), clock) as gateway:
            await ready(gateway, eventually)
            assert gateway.doorway.limiter.usage("default").traces == 400
            assert (await gateway.post("/v1/traces", request_of([400]))).status_code == 429
            assert (await gateway.post("/v1/traces", request_of(range(400)))).content == b""

    async def test_it_begins_anew_at_midnight(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        of_both = limited(settings, 10)
        async with running_gateway(of_both, clock) as one, running_gateway(of_both, clock) as other:
            await ready(one, eventually)
            await ready(other, eventually)
            assert (await one.post("/v1/traces", request_of(range(10)))).status_code == 200
            usage = other.doorway.limiter.usage
            await eventually(lambda: usage("default").traces == 10, 10, "the other one does not hear")
            assert (await other.post("/v1/traces", request_of([10]))).status_code == 429
            clock.next_day()
            assert (await other.post("/v1/traces", request_of(range(10, 20)))).content == b""
            await eventually(
                lambda: one.doorway.limiter.usage("default").traces == 10, 10, "the other one does not hear"
            )
            assert (await one.post("/v1/traces", request_of([0]))).status_code == 429

    async def test_nothing_is_taken_before_the_count_is_known(
        self, settings: Settings, running_gateway: Any, monkeypatch: pytest.MonkeyPatch, eventually: Any
    ) -> None:
        elsewhere = settings.topic
        monkeypatch.setattr(
            Settings, "topic", lambda self, topic: "t.gone" if topic is USAGE else elsewhere(topic)
        )
        async with running_gateway(settings) as gateway:
            await eventually(lambda: "t.gone" in gateway.doorway.limiter.why, 20, "no reason")
            await eventually(lambda: gateway.sink.ready, 20, "not ready")
            answer = await gateway.post("/v1/traces", request_of([0]))
            told = (await gateway.client.get("/ready")).json()
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert "`lumina topics --create`" in Status.FromString(answer.content).message
        assert told["status"] == "starting"
        assert "t.gone" in told["reasons"][0]


class TestTelling:
    async def test_topics_and_the_command_line_know_it(
        self, settings: Settings, running_gateway: Any, eventually: Any
    ) -> None:
        of_it = limited(settings, 10)
        async with running_gateway(of_it) as gateway:
            await ready(gateway, eventually)
            for traces in (range(9), [9], [10, 11], [12]):
                await gateway.post("/v1/traces", request_of(traces, "shop"))

            async def heard() -> bool:
                return {100} <= {one.percent for one in await reached(of_it)}

            await eventually(heard, 10, "nobody is told")
        told = await reached(of_it)
        assert {one.project for one in told} == {"shop"}
        assert {(one.percent, one.limit) for one in told} <= {(90, 10), (100, 10)}
        assert len(told) == len({one.percent for one in told}), "once each"
        records = await everything(settings, settings.topic(USAGE))
        assert {record.key for record in records} == {b"shop"}
        assert {record.headers for record in records} == {(("lumina-type", b"traces"),)}
        values = [msgspec.json.decode(record.value, type=UsedTraces) for record in records]
        found = [number for value in values for number in unpacked(value.fingerprints)]
        assert len(found) == len(set(found)) == 10
        usage = usage_of(await read_tally(of_it), "shop")
        assert (usage.traces, usage.limit, usage.percent, usage.refused_spans) == (10, 10, 100.0, 3)

    async def test_the_log_says_it_once_a_minute(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        async with running_gateway(limited(settings, 1), clock) as gateway:
            await ready(gateway, eventually)
            await gateway.post("/v1/traces", request_of([0]))
            with capture_logs() as logs:
                for number in range(1, 6):
                    await gateway.post("/v1/traces", request_of([number], spans=2))
                clock.now_s += 61
                await gateway.post("/v1/traces", request_of([9]))
        first, second = [entry for entry in logs if "rate limit" in entry["event"]]
        assert first["log_level"] == "warning"
        assert (first["project"], first["limit"], first["traces"]) == ("default", 1, 1)
        assert (first["requests"], first["spans"]) == (1, 2)
        assert (second["requests"], second["spans"], second["spans_today"]) == (5, 9, 11)

    async def test_metrics_have_it(
        self, settings: Settings, running_gateway: Any, eventually: Any, clock: Clock
    ) -> None:
        async with running_gateway(limited(settings, 1), clock) as gateway:
            await ready(gateway, eventually)
            await gateway.post("/v1/traces", request_of([0], "shop"))
            await gateway.post("/v1/traces", request_of([1], "shop", spans=4))
            lines = (await gateway.client.get("/metrics")).text.splitlines()
        for line in (
            'lumina_gateway_traces_today{project="shop"} 1.0',
            'lumina_gateway_trace_limit{project="shop"} 1.0',
            'lumina_gateway_refused_spans_today{project="shop"} 4.0',
            'lumina_gateway_rejected_total{reason="trace_limit",signal="traces"} 4.0',
            'lumina_gateway_requests_total{encoding="protobuf",signal="traces",status="429"} 1.0',
        ):
            assert line in lines


async def reached(settings: Settings) -> list[Traces]:
    """What the log of the projects has heard."""
    return [
        msgspec.json.decode(record.value, type=Traces)
        for record in await everything(settings, settings.topic(PROJECTS))
        if record.headers == (("lumina-type", b"traces"),)
    ]


@pytest.fixture
def spans() -> tuple[ReadableSpan, ...]:
    """A span out of the real SDK."""
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("test").start_span("chat").end()
    provider.shutdown()
    return memory.get_finished_spans()


EXPORTERS: dict[str, Callable[[Any], Any]] = {
    "http": lambda gateway: HttpExporter(endpoint=f"http://127.0.0.1:{gateway.http_port}/v1/traces"),
    "grpc": lambda gateway: GrpcExporter(endpoint=f"127.0.0.1:{gateway.grpc_port}", insecure=True),
}


@pytest.mark.parametrize("name", EXPORTERS)
async def test_an_exporter_gives_up_at_once(
    settings: Settings,
    running_gateway: Any,
    eventually: Any,
    clock: Clock,
    spans: tuple[ReadableSpan, ...],
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    async with running_gateway(limited(settings, 1), clock) as gateway:
        await ready(gateway, eventually)
        await gateway.post("/v1/traces", request_of([0]))
        exporter = EXPORTERS[name](gateway)
        began = time.monotonic()
        try:
            assert await asyncio.to_thread(exporter.export, spans) is SpanExportResult.FAILURE
            took_s = time.monotonic() - began
            assert len(gateway.doorway.recent.all()) == 2, "it asks once"
            clock.next_day()
            assert await asyncio.to_thread(exporter.export, spans) is SpanExportResult.SUCCESS
        finally:
            await asyncio.to_thread(exporter.shutdown)
    assert took_s < 5, "its default deadline is 10 s: whoever waits holds up what comes next"
    assert ("Failed to export" if name == "http" else "limit is 1") in caplog.text
