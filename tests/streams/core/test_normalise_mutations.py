"""Captures with something in them broken: values exchanged, replaced, repeated, bytes flipped."""

from typing import Any

import msgspec
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from corpus.truth import CORPUS
from lumina_schemas.mapping.kinds import LEAVES
from lumina_schemas.span import Content, Span
from lumina_streams.core.content.logs import normalise_logs
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.lines import encode_line
from lumina_streams.core.span.normalise import INVALID_IDS, Landing, normalise
from lumina_streams.core.span.traces import settled

PRICES = PriceBook()
LANDING = Landing("epoch", "otlp", 0, 1)
LIMIT = 100_000

SPANS = [path.read_bytes() for path in sorted(CORPUS.glob("*.otlp.pb"))]
LOGS = [path.read_bytes() for path in sorted(CORPUS.glob("*.logs.pb"))]

TEXTS = st.sampled_from(
    [
        "",
        "[]",
        "{}",
        "null",
        "[null]",
        '"',
        "{",
        "-1",
        "1e999",
        "NaN",
        "[[]]",
        '{"a":[{}]}',
        "[" * 3000,
        '[{"score": 1' + "0" * 400 + "}]",
        '{"usage": {"input_tokens": 1' + "0" * 400 + "}}",
    ]
)


@st.composite
def broken(draw: st.DrawFn, request: Any, lists: list[Any]) -> Any:
    """The request after some of its attributes were changed in place; `lists` hold them."""
    for _ in range(draw(st.integers(1, 8))):
        attributes = draw(st.sampled_from(lists))
        pair = attributes[draw(st.integers(0, len(attributes) - 1))]
        match draw(st.sampled_from(["swap", "text", "number", "cut", "list", "repeat", "bytes"])):
            case "swap":
                other = draw(st.sampled_from(lists))
                other = other[draw(st.integers(0, len(other) - 1))]
                pair.key, other.key = other.key, pair.key
            case "text":
                pair.value.string_value = draw(TEXTS | st.text(max_size=20))
            case "number":
                pair.value.double_value = draw(st.floats())
            case "cut":
                text = pair.value.string_value
                pair.value.string_value = text[: draw(st.integers(0, len(text)))]
            case "list":
                inner = pair.value.array_value.values.add()
                inner.string_value = draw(TEXTS)
            case "repeat":
                attributes.add().CopyFrom(pair)
            case "bytes":
                pair.value.bytes_value = draw(st.binary(max_size=9))
    return request


@st.composite
def broken_spans(draw: st.DrawFn) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest.FromString(draw(st.sampled_from(SPANS)))
    lists: list[Any] = []
    for group in request.resource_spans:
        lists.append(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                lists.append(span.attributes)
                lists.extend(event.attributes for event in span.events)
    made: ExportTraceServiceRequest = draw(
        broken(request, [attributes for attributes in lists if attributes])
    )
    return made


@st.composite
def broken_logs(draw: st.DrawFn) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest.FromString(draw(st.sampled_from(LOGS)))
    lists: list[Any] = []
    for group in request.resource_logs:
        for scope in group.scope_logs:
            for record in scope.log_records:
                lists.append(record.attributes)
                lists.append(record.body.kvlist_value.values)
    made: ExportLogsServiceRequest = draw(broken(request, [attributes for attributes in lists if attributes]))
    return made


def holds(request: ExportTraceServiceRequest) -> None:
    """What holds for every message, whatever is in it."""
    result = normalise(request, LANDING, PRICES)
    assert {rejected.reason for rejected in result.rejected} <= {INVALID_IDS}
    again = normalise(request, LANDING, PRICES)
    assert msgspec.json.encode(again.spans) == msgspec.json.encode(result.spans)
    priced = {span.span_id for span in result.spans if span.priced}
    for span in result.spans:
        assert len(encode_line(span, LIMIT)) <= LIMIT
        assert msgspec.json.decode(msgspec.json.encode(span), type=Span) is not None
        counts = (span.input_tokens, span.output_tokens, span.cache_read_tokens, span.cache_write_tokens)
        assert all(count is None or count >= 0 for count in counts)
        assert span.cost_usd is None or 0 <= span.cost_usd < float("inf")
        assert not span.duplicate_of or span.duplicate_of in priced
        assert not span.priced or span.kind in LEAVES
    calls = sum(span.kind in LEAVES or span.candidate for span in result.spans)
    assert sum(span.priced for span in settled(result.spans, PRICES)) <= calls


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(broken_spans())
def test_a_capture_with_broken_attributes_is_normalised(request: ExportTraceServiceRequest) -> None:
    holds(request)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(SPANS), st.data())
def test_a_capture_with_flipped_bytes_is_normalised_or_no_message(body: bytes, data: st.DataObject) -> None:
    flipped = bytearray(body)
    for _ in range(data.draw(st.integers(1, 4))):
        flipped[data.draw(st.integers(0, len(flipped) - 1))] = data.draw(st.integers(0, 255))
    try:
        request = ExportTraceServiceRequest.FromString(bytes(flipped))
    except DecodeError:
        return
    holds(request)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(broken_logs())
def test_logs_with_broken_attributes_are_read(request: ExportLogsServiceRequest) -> None:
    found = normalise_logs(request, LANDING)
    assert normalise_logs(request, LANDING) == found
    for content in found:
        line = content.line("s")
        assert msgspec.json.decode(msgspec.json.encode(line), type=Content) is not None
        assert len(encode_line(line, LIMIT)) <= LIMIT
