"""What becomes of a body before it goes to Kafka."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_api.gateway.intake import RECORD_OVERHEAD, Receiver
from lumina_schemas.settings import Settings
from lumina_streams.core.otlp import LOGS, TRACES, TooComplex, Undecodable, decode_traces
from lumina_streams.core.otlp.wire import length_delimited

LIMIT = 20_000
receiver = Receiver(Settings(max_message_bytes=LIMIT + RECORD_OVERHEAD, topic_prefix="x."))


def request_of(sizes: list[int]) -> bytes:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number, size in enumerate(sizes, 1):
        span = spans.add(trace_id=number.to_bytes(16, "big"), span_id=number.to_bytes(8, "big"))
        span.attributes.add(key="prompt").value.string_value = "x" * size
    body: bytes = request.SerializeToString()
    return body


def ids(messages: tuple[bytes, ...]) -> list[int]:
    return [
        int.from_bytes(span.span_id, "big")
        for message in messages
        for span in TRACES.each(decode_traces(message))
    ]


@given(st.lists(st.integers(0, 30_000), max_size=8))
def test_every_span_is_in_one_message_in_order(sizes: list[int]) -> None:
    body = request_of(sizes)
    intake = receiver.receive(TRACES, "protobuf", body)
    assert ids(intake.messages) == list(range(1, len(sizes) + 1))
    assert (intake.items, intake.rejected, intake.problem) == (len(sizes), 0, "")
    assert all(len(message) <= LIMIT for message in intake.messages)
    if sizes and len(body) <= LIMIT:
        assert intake.messages == (body,)


def test_repair_that_makes_a_body_too_large_splits_it() -> None:
    body = request_of([8_000, 8_000]).replace(b"x" * 8_000, b"\xff" * 8_000)
    assert len(body) < LIMIT
    intake = receiver.receive(TRACES, "protobuf", body)
    assert ids(intake.messages) == [1, 2]
    assert intake.items == 2
    assert all(len(message) <= LIMIT for message in intake.messages)


def test_ids_are_looked_at_in_every_part() -> None:
    good = request_of([15_000, 15_000])
    bad = ExportTraceServiceRequest()
    bad.resource_spans.add().scope_spans.add().spans.add(name="x" * 15_000)
    intake = receiver.receive(TRACES, "protobuf", good + bad.SerializeToString() + good)
    assert (len(intake.messages), intake.items, intake.rejected) == (5, 5, 1)
    assert "trace_id is missing (1)" in intake.problem
    assert "x.dlq" in intake.problem


def test_log_records_need_no_ids() -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add().body.string_value = "hello"
    intake = receiver.receive(LOGS, "protobuf", request.SerializeToString())
    assert (intake.items, intake.rejected) == (1, 0)


def test_more_spans_than_is_sane_are_refused_in_a_small_body() -> None:
    wide = Receiver(Settings())
    body = length_delimited(1, length_delimited(2, b"\x12\x00" * 300_000))
    with pytest.raises(TooComplex, match="250000"):
        wide.receive(TRACES, "protobuf", body)


@given(st.sampled_from([TRACES, LOGS]), st.sampled_from(["protobuf", "json"]), st.binary(max_size=300))
def test_any_bytes_are_taken_or_undecodable(signal: Any, encoding: Any, body: bytes) -> None:
    try:
        intake = receiver.receive(signal, encoding, body)
    except Undecodable:
        return
    assert bool(intake.messages) == bool(intake.items)
