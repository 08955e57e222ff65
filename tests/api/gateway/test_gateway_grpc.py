"""OTLP/gRPC: the same rules as over HTTP, in gRPC's words."""

from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc import aio
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from lumina_api.gateway.budget import Hold
from lumina_api.gateway.grpc import create_server
from lumina_schemas.settings import Settings
from lumina_schemas.topics import OTLP_LOGS

pytestmark = pytest.mark.kafka


def request_of(**fields: Any) -> bytes:
    request = ExportTraceServiceRequest()
    ids = {"trace_id": bytes(range(16)), "span_id": bytes(range(8))}
    request.resource_spans.add().scope_spans.add().spans.add(**(ids | {"name": "chat"} | fields))
    body: bytes = request.SerializeToString()
    return body


def details_of(error: Any) -> Status:
    """The google.rpc.Status in the trailing metadata."""
    (raw,) = (value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin")
    return Status.FromString(raw)


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
async def test_spans_are_on_kafka_byte_for_byte(gateway: Any, compression: Any) -> None:
    body = request_of(name="chat" * 100) + b"\xc2\x3e\x03new"
    assert await gateway.call("traces", body, compression=compression) == b""
    (message,) = await gateway.landed()
    assert (message.value, message.headers) == (body, ())


async def test_logs_and_metrics(gateway: Any) -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
    assert await gateway.call("logs", request.SerializeToString()) == b""
    assert await gateway.call("metrics", b"\x0a\x00") == b""
    (message,) = await gateway.landed(OTLP_LOGS)
    assert message.value == request.SerializeToString()
    assert await gateway.landed() == []


async def test_an_empty_request_succeeds(gateway: Any) -> None:
    assert await gateway.call("traces", b"") == b""
    assert await gateway.landed() == []


async def test_invalid_ids_are_a_partial_success(gateway: Any) -> None:
    body = request_of() + request_of(span_id=bytes(8))
    partial = ExportTraceServiceResponse.FromString(await gateway.call("traces", body)).partial_success
    assert partial.rejected_spans == 1
    assert "span_id is all zero" in partial.error_message
    assert [message.value for message in await gateway.landed()] == [body]


async def test_the_project_goes_along(gateway: Any) -> None:
    await gateway.call("traces", request_of(), metadata=(("x-lumina-project", "team-a"),))
    (message,) = await gateway.landed()
    assert message.headers == (("lumina-project", b"team-a"),)


@pytest.mark.parametrize(
    ("body", "metadata", "says"),
    [
        (b"hello, world", (), "no ExportTraceServiceRequest"),
        (request_of(), (("x-lumina-project", "a b"),), "X-Lumina-Project"),
    ],
)
async def test_what_cannot_be_understood_is_not_to_be_sent_again(
    gateway: Any, body: bytes, metadata: Any, says: str
) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await gateway.call("traces", body, metadata=metadata)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert says in caught.value.details()
    assert details_of(caught.value).code == 3
    assert not details_of(caught.value).details


async def test_a_full_budget_is_unavailable_with_retry_info(gateway: Any) -> None:
    with Hold(gateway.sink.budget) as hold:
        hold.take(gateway.sink.budget.limit)
        with pytest.raises(aio.AioRpcError) as caught:
            await gateway.call("traces", request_of())
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    (detail,) = details_of(caught.value).details
    info = RetryInfo()
    assert detail.Unpack(info)
    assert info.retry_delay == Duration(seconds=1)
    assert await gateway.call("traces", request_of()) == b""


class TestLimit:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"max_body_bytes": 1_000_000})

    @pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
    async def test_a_message_over_the_limit(self, gateway: Any, compression: Any) -> None:
        with pytest.raises(aio.AioRpcError) as caught:
            await gateway.call("traces", bytes(3_000_000), compression=compression)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await gateway.call("traces", request_of()) == b""


async def test_a_taken_port_is_an_error_that_says_what_to_do(gateway: Any) -> None:
    class Doorway:
        settings = gateway.settings

    with pytest.raises(OSError, match="LUMINA_OTLP_GRPC_PORT"):
        create_server(Doorway(), f"127.0.0.1:{gateway.grpc_port}")  # type: ignore[arg-type]
