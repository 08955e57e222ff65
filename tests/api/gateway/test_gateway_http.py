"""OTLP/HTTP: every rule of the receiver, each against a real Kafka."""

import asyncio
import gzip
import json
import socket
import struct
import zlib
from typing import Any

import httpx
import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from lumina_api.gateway.budget import Hold
from lumina_schemas.settings import Settings
from lumina_schemas.topics import OTLP_LOGS
from lumina_streams.core.otlp import TRACES, decode_traces

pytestmark = pytest.mark.kafka

PROTOBUF, JSON = "application/x-protobuf", "application/json"


def request_of(count: int = 1, size: int = 100, **fields: Any) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    spans = group.scope_spans.add().spans
    for number in range(1, count + 1):
        ids = {"trace_id": number.to_bytes(16, "big"), "span_id": number.to_bytes(8, "big")}
        span = spans.add(**(ids | {"name": "chat", "start_time_unix_nano": 1} | fields))
        span.attributes.add(key="prompt").value.string_value = "x" * size
    body: bytes = request.SerializeToString()
    return body


def json_of(*spans: dict[str, Any]) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}).encode()


GOOD = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "chat"}


def status_of(response: Any) -> Status:
    """The google.rpc.Status that an error's body must be, in the request's encoding."""
    if response.headers["content-type"] == JSON:
        document = response.json()
        return Status(code=document["code"], message=document["message"])
    assert response.headers["content-type"] == PROTOBUF
    return Status.FromString(response.content)


class TestSuccess:
    async def test_protobuf_is_on_kafka_byte_for_byte(self, gateway: Any) -> None:
        body = request_of(3) + b"\xc2\x3e\x03new"  # with a field of a later version
        response = await gateway.post("/v1/traces", body)
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["content-type"] == PROTOBUF
        (message,) = await gateway.landed()
        assert (message.value, message.key, message.headers) == (body, None, ())

    async def test_json_is_on_kafka_as_protobuf(self, gateway: Any) -> None:
        response = await gateway.post("/v1/traces", json_of(GOOD), "application/json; charset=utf-8")
        assert (response.status_code, response.content) == (200, b"{}")
        assert response.headers["content-type"] == JSON
        (message,) = await gateway.landed()
        (span,) = TRACES.each(decode_traces(message.value))
        assert span.trace_id.hex() == GOOD["traceId"]

    async def test_logs_have_their_own_topic(self, gateway: Any) -> None:
        request = ExportLogsServiceRequest()
        request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
        body = request.SerializeToString()
        assert (await gateway.post("/v1/logs", body)).status_code == 200
        assert [message.value for message in await gateway.landed(OTLP_LOGS)] == [body]
        assert await gateway.landed() == []

    @pytest.mark.parametrize(
        ("name", "pack"),
        [
            ("gzip", gzip.compress),
            ("GZIP", gzip.compress),
            ("gzip", lambda body: gzip.compress(body[:50]) + gzip.compress(body[50:])),
            ("deflate", zlib.compress),
            ("deflate", lambda body: zlib.compress(body)[2:-4]),
            ("identity", bytes),
        ],
    )
    async def test_compression(self, gateway: Any, name: str, pack: Any) -> None:
        body = request_of(20)
        response = await gateway.post("/v1/traces", pack(body), content_encoding=name)
        assert response.status_code == 200
        assert [message.value for message in await gateway.landed()] == [body]

    @pytest.mark.parametrize(
        ("body", "kind"),
        [(b"", PROTOBUF), (b"{}", JSON), (b'{"resourceSpans":[]}', JSON), (b"\n\x00", PROTOBUF)],
    )
    async def test_an_empty_request_succeeds_and_lands_nowhere(
        self, gateway: Any, body: bytes, kind: str
    ) -> None:
        response = await gateway.post("/v1/traces", body, kind)
        assert (response.status_code, response.content) == (200, b"{}" if kind == JSON else b"")
        assert await gateway.landed() == []

    async def test_metrics_are_answered_and_dropped(self, gateway: Any) -> None:
        for kind, answer in ((PROTOBUF, b""), (JSON, b"{}")):
            response = await gateway.post("/v1/metrics", b"\x0a\x00", kind)
            assert (response.status_code, response.content) == (200, answer)
            assert response.headers["content-type"] == kind
        assert await gateway.landed() == []

    async def test_the_project_header_goes_along(self, gateway: Any) -> None:
        response = await gateway.post("/v1/traces", request_of(), x_lumina_project="team-a.prod_1")
        assert response.status_code == 200
        (message,) = await gateway.landed()
        assert message.headers == (("lumina-project", b"team-a.prod_1"),)

    async def test_a_large_request_is_split_and_whole(self, gateway: Any) -> None:
        body = request_of(120, 100_000)  # 12 MB; a message takes 4
        assert (await gateway.post("/v1/traces", body)).status_code == 200
        messages = await gateway.landed()
        assert len(messages) >= 4
        assert max(len(message.value) for message in messages) <= gateway.settings.max_message_bytes
        found = [span for message in messages for span in TRACES.each(decode_traces(message.value))]
        sent = list(TRACES.each(decode_traces(body)))
        assert sorted(found, key=lambda span: bytes(span.span_id)) == sent

    async def test_the_largest_message_is_not_too_large_for_the_topic(self, gateway: Any) -> None:
        noise = zlib.compress(request_of(), 9).hex()  # what cannot be compressed shows the true size
        body = request_of(1, gateway.settings.max_message_bytes - 1_200 - len(noise), name=noise)
        assert (await gateway.post("/v1/traces", body)).status_code == 200
        assert [message.value for message in await gateway.landed()] == [body]

    async def test_a_span_larger_than_a_message_is_shortened(self, gateway: Any) -> None:
        body = request_of(1, 6_000_000)
        assert (await gateway.post("/v1/traces", body)).status_code == 200
        (message,) = await gateway.landed()
        (span,) = TRACES.each(decode_traces(message.value))
        assert "…[truncated 2" in span.attributes[0].value.string_value


class TestOddButAccepted:
    async def test_text_that_is_no_utf8_is_mended(self, gateway: Any) -> None:
        body = request_of(2).replace(b"chat", b"ch\xfft", 1)
        assert (await gateway.post("/v1/traces", body)).status_code == 200
        (message,) = await gateway.landed()
        read = ExportTraceServiceRequest.FromString(message.value)
        assert [span.name for span in TRACES.each(read)] == ["ch�t", "chat"]

    @pytest.mark.parametrize(
        "fields",
        [
            {"start_time_unix_nano": 9, "end_time_unix_nano": 5},
            {"start_time_unix_nano": 2**64 - 1, "end_time_unix_nano": 2**64 - 1},
            {"start_time_unix_nano": 0},
            {"kind": 77},
        ],
    )
    async def test_strange_times_and_kinds(self, gateway: Any, fields: dict[str, int]) -> None:
        body = request_of(1, **fields)
        response = await gateway.post("/v1/traces", body)
        assert (response.status_code, response.content) == (200, b"")
        assert [message.value for message in await gateway.landed()] == [body]

    async def test_invalid_ids_are_a_partial_success(self, gateway: Any) -> None:
        body = request_of(2) + request_of(1, trace_id=bytes(16)) + request_of(1, span_id=b"short")
        response = await gateway.post("/v1/traces", body)
        assert response.status_code == 200
        partial = ExportTraceServiceResponse.FromString(response.content).partial_success
        assert partial.rejected_spans == 2
        assert "trace_id is all zero (1)" in partial.error_message
        assert "span_id must have 8 bytes (1)" in partial.error_message
        assert gateway.settings.topic("dlq") in partial.error_message
        assert [message.value for message in await gateway.landed()] == [body]

    async def test_invalid_ids_in_json(self, gateway: Any) -> None:
        response = await gateway.post(
            "/v1/traces", json_of(GOOD, GOOD | {"traceId": "not hex"}, GOOD | {"spanId": ""}), JSON
        )
        assert response.status_code == 200
        partial = response.json()["partialSuccess"]
        assert partial["rejectedSpans"] == "2"
        assert "trace_id must have 16 bytes (1)" in partial["errorMessage"]
        (message,) = await gateway.landed()
        assert len(list(TRACES.each(decode_traces(message.value)))) == 3


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "kind", "more", "status", "says"),
        [
            (b"hello, world", PROTOBUF, {}, 400, "no ExportTraceServiceRequest in protobuf"),
            (request_of()[:-3], PROTOBUF, {}, 400, "no ExportTraceServiceRequest"),
            (b"{", JSON, {}, 400, "no ExportTraceServiceRequest in JSON"),
            (b"[" * 50_000, JSON, {}, 400, "nested too deep"),
            (b'{"resourceSpans":NaN}', JSON, {}, 400, "number"),
            (request_of(), JSON, {}, 400, "no ExportTraceServiceRequest in JSON"),
            (request_of(), "text/plain", {}, 415, "application/x-protobuf or application/json"),
            (request_of(), "", {}, 415, "application/x-protobuf"),
            (request_of(), PROTOBUF, {"content_encoding": "br"}, 415, "Use gzip"),
            (request_of(), PROTOBUF, {"content_encoding": "gzip"}, 400, "decompressing it failed"),
            (gzip.compress(request_of())[:-9], PROTOBUF, {"content_encoding": "gzip"}, 400, "incomplete"),
            (gzip.compress(request_of())[:5], PROTOBUF, {"content_encoding": "gzip"}, 400, "incomplete"),
            (zlib.compress(request_of())[:-9], JSON, {"content_encoding": "deflate"}, 400, "incomplete"),
            (zlib.compress(b"{}") + b"x", JSON, {"content_encoding": "deflate"}, 400, "follow the end"),
            (request_of(), PROTOBUF, {"x_lumina_project": "a b"}, 400, "X-Lumina-Project"),
            (request_of(), PROTOBUF, {"x_lumina_project": "a" * 101}, 400, "1 to 100"),
            (request_of(), PROTOBUF, {"x_lumina_project": ""}, 400, "1 to 100"),
        ],
    )
    async def test_with_a_status_in_the_request_s_encoding(
        self, gateway: Any, body: bytes, kind: str, more: dict[str, str], status: int, says: str
    ) -> None:
        response = await gateway.post("/v1/traces", body, kind, **more)
        assert response.status_code == status
        assert response.headers["content-type"] == (JSON if kind == JSON else PROTOBUF)
        given = status_of(response)
        assert given.code == 3
        assert says in given.message
        assert "retry-after" not in response.headers
        assert await gateway.landed() == []
        assert gateway.sink.budget.used == 0

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
    async def test_other_methods(self, gateway: Any, method: str) -> None:
        response = await gateway.client.request(method, "/v1/traces")
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"

    @pytest.mark.parametrize("path", ["/", "/v1/trace", "/v1/traces/"])
    async def test_other_paths_say_where_otlp_is(self, gateway: Any, path: str) -> None:
        response = await gateway.post(path, request_of())
        assert response.status_code == 404
        assert "/v1/traces" in status_of(response).message


class TestLimits:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"max_body_bytes": 20_000_000})

    async def test_a_body_over_the_limit(self, gateway: Any) -> None:
        response = await gateway.post("/v1/traces", bytes(20_000_001))
        assert response.status_code == 413
        assert status_of(response).code == 8
        assert "LUMINA_MAX_BODY_BYTES" in status_of(response).message

    async def test_a_body_of_unknown_length_over_the_limit(self, gateway: Any) -> None:
        async def pieces() -> Any:
            for _ in range(25):
                yield bytes(1_000_000)

        response = await gateway.client.post(
            "/v1/traces", content=pieces(), headers={"content-type": PROTOBUF}
        )
        assert response.status_code == 413

    async def test_a_full_budget_is_503_for_everyone_else(self, gateway: Any) -> None:
        with Hold(gateway.sink.budget) as hold:
            hold.take(20_000_000 - 50)
            response = await gateway.post("/v1/traces", request_of(5))
            assert response.status_code == 503
            assert int(response.headers["retry-after"]) >= 1
            assert status_of(response).code == 14
            packed = gzip.compress(request_of(5))
            assert (await gateway.post("/v1/traces", packed, content_encoding="gzip")).status_code == 503
            # What would find no room at any time hears so: told to come again, it would.
            bomb = gzip.compress(bytes(20_000_001))
            assert (await gateway.post("/v1/traces", bomb, content_encoding="gzip")).status_code == 413
        assert (await gateway.post("/v1/traces", request_of(5))).status_code == 200

    async def test_a_client_that_goes_away_leaves_nothing_behind(
        self, gateway: Any, eventually: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        for cut in (b"", b"\x0a" * 5_000):
            with socket.create_connection(("127.0.0.1", gateway.http_port)) as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.sendall(
                    b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
                    b"content-length: 10000\r\n\r\n" + cut
                )
                await eventually(lambda cut=cut: gateway.sink.budget.used == len(cut), 5, "no bytes came")
            await eventually(lambda: gateway.sink.budget.used == 0, 5, "the bytes are still counted")
        assert (await gateway.post("/v1/traces", request_of())).status_code == 200
        assert len(await gateway.landed()) == 1
        assert "Traceback" not in caplog.text


class TestPages:
    async def test_health_ready_and_metrics(self, gateway: Any) -> None:
        assert (await gateway.client.get("/health")).json() == {"status": "ok"}
        ready = await gateway.client.get("/ready")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "reasons": []})
        await gateway.post("/v1/traces", request_of(3))
        await gateway.post("/v1/traces", b"junk")
        await gateway.post("/v1/logs", b"{}", JSON)
        text = (await gateway.client.get("/metrics")).text
        for line in (
            'lumina_gateway_requests_total{encoding="protobuf",signal="traces",status="200"} 1.0',
            'lumina_gateway_requests_total{encoding="protobuf",signal="traces",status="400"} 1.0',
            'lumina_gateway_requests_total{encoding="json",signal="logs",status="200"} 1.0',
            'lumina_gateway_items_total{signal="traces"} 3.0',
            f'lumina_gateway_bytes_total{{signal="traces"}} {len(request_of(3)):.1f}',
            "lumina_gateway_in_flight_bytes 0.0",
            "lumina_gateway_ready 1.0",
        ):
            assert line in text.splitlines()

    async def test_many_clients_at_once_all_land(self, gateway: Any) -> None:
        bodies = [request_of(2, size=number) for number in range(200)]
        limits = httpx.Limits(max_connections=40)
        async with httpx.AsyncClient(base_url=gateway.client.base_url, limits=limits, timeout=20) as client:
            answers = await asyncio.gather(
                *(
                    client.post("/v1/traces", content=body, headers={"content-type": PROTOBUF})
                    for body in bodies
                )
            )
        assert {answer.status_code for answer in answers} == {200}
        messages = await gateway.landed()
        assert sorted(message.value for message in messages) == sorted(bodies)
        assert len({message.partition for message in messages}) == 4
