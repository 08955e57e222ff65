"""Bodies of answers: success, partial success and google.rpc.Status, in the request's own encoding."""

import json
from typing import Any, Literal

from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from lumina_api.gateway.refusal import Refusal

Encoding = Literal["protobuf", "json"]

CONTENT_TYPES: dict[Encoding, bytes] = {"protobuf": b"application/x-protobuf", "json": b"application/json"}


def success(encoding: Encoding, rejected_spans: int = 0, message: str = "") -> bytes:
    """Body of a 200, for any signal. Full success leaves `partial_success` unset (OTLP, "Full Success")."""
    if not rejected_spans:
        return b"{}" if encoding == "json" else b""
    if encoding == "json":
        partial = {"rejectedSpans": str(rejected_spans), "errorMessage": message}
        return json.dumps({"partialSuccess": partial}).encode()
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected_spans
    response.partial_success.error_message = message
    body: bytes = response.SerializeToString()
    return body


def failure(encoding: Encoding, refusal: Refusal) -> bytes:
    """Body of a refusal: google.rpc.Status, with RetryInfo where the sender is to come again."""
    if encoding == "json":
        return json.dumps({"code": int(refusal.code), "message": refusal.message}).encode()
    status = Status(code=int(refusal.code), message=refusal.message)
    if refusal.retry_after_s is not None:
        status.details.add().Pack(retry_info(refusal.retry_after_s))
    body: bytes = status.SerializeToString()
    return body


def retry_info(seconds: int) -> Any:
    """google.rpc.RetryInfo: when to come again."""
    return RetryInfo(retry_delay=Duration(seconds=seconds))
