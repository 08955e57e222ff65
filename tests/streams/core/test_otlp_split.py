"""Requests cut to fit Kafka's messages: everything arrives, in order, and nothing is larger than asked."""

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue

from lumina_streams.core.otlp import (
    TRACES,
    TooComplex,
    Undecodable,
    decode_traces,
    split,
    split_logs,
    split_traces,
)

LIMIT = 5_000


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def request_of(groups: list[list[list[int]]]) -> ExportTraceServiceRequest:
    """A request whose spans have texts of the given sizes."""
    request = ExportTraceServiceRequest()
    number = 0
    for g, scopes in enumerate(groups):
        group = request.resource_spans.add(schema_url=f"schema {g}")
        group.resource.attributes.append(text("service.name", f"service {g}"))
        for s, sizes in enumerate(scopes):
            scope = group.scope_spans.add()
            scope.scope.name = f"scope {g}.{s}"
            for size in sizes:
                number += 1
                scope.spans.add(
                    trace_id=number.to_bytes(16, "big"),
                    span_id=number.to_bytes(8, "big"),
                    name=f"span {number}",
                    attributes=[text("content", "é" * (size // 2)), text("kept", "small")],
                )
    return request


def flat(request: Any) -> Iterator[tuple[Any, str, Any, Any]]:
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans:
                yield group.resource, group.schema_url, scope.scope, span


@given(
    st.lists(st.lists(st.lists(st.integers(0, 3_000), max_size=6), max_size=3), max_size=3).map(request_of),
    st.integers(5_000, 20_000),
)
@settings(max_examples=60)
def test_parts_together_are_the_request(request: Any, limit: int) -> None:
    parts = split_traces(request, limit)
    assert all(len(part) <= limit for part in parts)
    assert [item for part in parts for item in flat(decode_traces(part))] == list(flat(request))


@given(
    st.lists(st.lists(st.lists(st.integers(0, 30_000), max_size=4), max_size=2), max_size=2).map(request_of),
    st.integers(4_000, 9_000),
)
@settings(max_examples=60)
def test_a_span_too_large_is_shortened_never_lost(request: Any, limit: int) -> None:
    parts = split_traces(request, limit)
    assert all(len(part) <= limit for part in parts)
    found = [span for part in parts for *_, span in flat(decode_traces(part))]
    sent = [span for *_, span in flat(request)]
    assert [span.span_id for span in found] == [span.span_id for span in sent]
    for now, before in zip(found, sent, strict=True):
        assert (now.name, now.attributes[1]) == (before.name, before.attributes[1])
        shown, whole = now.attributes[0].value.string_value, before.attributes[0].value.string_value
        head, marker, count = shown.partition("…[truncated ")
        assert whole.startswith(head)
        if marker:
            assert len(whole.encode()) == len(head.encode()) + int(count.removesuffix(" bytes]"))
        else:
            assert shown == whole


@given(st.binary(max_size=300), st.integers(1, 40))
def test_any_bytes_are_split_or_undecodable(junk: bytes, times: int) -> None:
    body = (request_of([[[100]]]).SerializeToString() + junk) * times
    try:
        parts = split(TRACES, body, 4_000)
    except Undecodable:
        with pytest.raises(DecodeError):
            ExportTraceServiceRequest.FromString(body)
    else:
        assert all(len(part) <= 4_000 for part in parts)


def test_what_fits_is_not_touched() -> None:
    body = request_of([[[100, 200]]]).SerializeToString()
    assert split(TRACES, body, len(body)) == [body]


def test_a_text_of_megabytes_uses_the_room_that_there_is() -> None:
    (part,) = split_traces(request_of([[[3_000_000]]]), 1_000_000)
    assert 999_000 < len(part) <= 1_000_000


def test_too_many_attributes_are_counted_as_dropped() -> None:
    request = request_of([[[10]]])
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.extend(text(f"key {number}", "value") for number in range(2_000))
    span.dropped_attributes_count = 5
    (part,) = split_traces(request, LIMIT)
    (*_, found) = next(flat(decode_traces(part)))
    assert found.span_id == span.span_id
    assert found.attributes[:50] == span.attributes[:50]
    assert len(found.attributes) + found.dropped_attributes_count == 2_002 + 5
    assert found.dropped_attributes_count > 1_000


def test_one_attribute_of_very_many_values_is_dropped_alone() -> None:
    request = request_of([[[10]]])
    span = request.resource_spans[0].scope_spans[0].spans[0]
    values = ArrayValue(values=[AnyValue(int_value=1)] * 20_000)
    span.attributes.insert(0, KeyValue(key="vector", value=AnyValue(array_value=values)))
    (part,) = split_traces(request, LIMIT)
    (*_, found) = next(flat(decode_traces(part)))
    assert [attribute.key for attribute in found.attributes] == ["content", "kept"]
    assert found.dropped_attributes_count == 1


def test_a_resource_too_large_keeps_its_service() -> None:
    request = request_of([[[10, 10]]])
    resource = request.resource_spans[0].resource
    resource.attributes.extend(text(f"label {number}", "value") for number in range(2_000))
    parts = split_traces(request, LIMIT)
    found = [item for part in parts for item in flat(decode_traces(part))]
    assert len(found) == 2
    assert all(resource.attributes[0] == text("service.name", "service 0") for resource, *_ in found)
    assert found[0][0].dropped_attributes_count > 1_000


def test_logs() -> None:
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for number in range(30):
        records.add(span_id=number.to_bytes(8, "big")).body.string_value = "x" * 1_000
    records.add(span_id=b"huge").body.string_value = "y" * 100_000
    records.add(span_id=b"many").body.array_value.values.extend([AnyValue(bool_value=True)] * 50_000)
    parts = split_logs(request, LIMIT)
    assert all(len(part) <= LIMIT for part in parts)
    found = [
        record
        for part in parts
        for group in ExportLogsServiceRequest.FromString(part).resource_logs
        for scope in group.scope_logs
        for record in scope.log_records
    ]
    assert [record.span_id for record in found] == [record.span_id for record in records]
    assert found[:30] == records[:30]
    assert "[truncated" in found[30].body.string_value


def test_a_request_of_empty_elements_is_refused_in_bounded_time() -> None:
    with pytest.raises(TooComplex):
        split(TRACES, b"\x0a\x00" * 3_000_000, 4_000_000)


def test_text_that_is_no_utf8_survives_shortening() -> None:
    body = request_of([[[20_000]]]).SerializeToString().replace("é".encode() * 10_000, b"\xff" * 20_000)
    (part,) = split(TRACES, body, LIMIT)
    (*_, span) = next(flat(decode_traces(part)))
    assert span.attributes[0].value.string_value.startswith("\ufffd" * 100)
