"""OTLP requests in both encodings: what is read, what is mended, what is refused."""

import json
from base64 import b64decode
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from lumina_streams.core.otlp import (
    LOGS,
    TRACES,
    TooComplex,
    Undecodable,
    decode,
    decode_logs,
    decode_logs_json,
    decode_traces,
    decode_traces_json,
    id_problem,
    valid_ids,
)
from lumina_streams.core.otlp.wire import length_delimited

TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))

KEYS = (
    *("resourceSpans", "resource", "scopeSpans", "scope", "spans", "traceId", "spanId", "kind", "attributes"),
    *(
        "key",
        "value",
        "stringValue",
        "intValue",
        "arrayValue",
        "kvlistValue",
        "values",
        "bytesValue",
        "events",
    ),
    *("startTimeUnixNano", "status", "code", "doubleValue", "boolValue", "flags", "other"),
)

any_values = st.recursive(
    st.one_of(
        st.text(max_size=30).map(lambda v: AnyValue(string_value=v)),
        st.integers(-(1 << 63), (1 << 63) - 1).map(lambda v: AnyValue(int_value=v)),
        st.floats(allow_nan=False).map(lambda v: AnyValue(double_value=v)),
        st.booleans().map(lambda v: AnyValue(bool_value=v)),
        st.binary(max_size=20).map(lambda v: AnyValue(bytes_value=v)),
    ),
    lambda values: st.one_of(
        st.lists(values, max_size=3).map(lambda v: AnyValue(array_value=ArrayValue(values=v))),
        st.lists(st.builds(KeyValue, key=st.text(max_size=5), value=values), max_size=3).map(
            lambda v: AnyValue(kvlist_value=KeyValueList(values=v))
        ),
    ),
    max_leaves=6,
)
attributes = st.lists(st.builds(KeyValue, key=st.text(max_size=12), value=any_values), max_size=4)
spans = st.builds(
    Span,
    trace_id=st.one_of(st.just(TRACE), st.binary(max_size=17)),
    span_id=st.one_of(st.just(SPAN), st.binary(max_size=9)),
    parent_span_id=st.binary(max_size=8),
    name=st.text(max_size=20),
    kind=st.integers(0, 5),
    start_time_unix_nano=st.integers(0, (1 << 64) - 1),
    end_time_unix_nano=st.integers(0, (1 << 64) - 1),
    attributes=attributes,
    events=st.lists(st.builds(Span.Event, name=st.text(max_size=5), attributes=attributes), max_size=2),
    links=st.lists(st.builds(Span.Link, trace_id=st.binary(min_size=16, max_size=16)), max_size=2),
)
requests = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(
            ResourceSpans,
            scope_spans=st.lists(st.builds(ScopeSpans, spans=st.lists(spans, max_size=3)), max_size=2),
            schema_url=st.text(max_size=5),
        ),
        max_size=2,
    ),
)


def one_span(**fields: Any) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.add(
        **{"trace_id": TRACE, "span_id": SPAN, "name": "chat", **fields}
    )
    return request


def only_span(request: Any) -> Any:
    (span,) = TRACES.each(request)
    return span


def otlp_json(request: Any) -> Any:
    """A request's JSON document by protobuf's own library, with ids in hexadecimal as OTLP wants them."""

    def hexadecimal(node: Any) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key in ("traceId", "spanId", "parentSpanId"):
                    node[key] = b64decode(value).hex()
                else:
                    hexadecimal(value)
        elif isinstance(node, list):
            for item in node:
                hexadecimal(item)

    document = json_format.MessageToDict(request)
    hexadecimal(document)
    return document


def json_span(**fields: Any) -> bytes:
    span = {"traceId": TRACE.hex(), "spanId": SPAN.hex(), **fields}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


class TestProtobuf:
    @given(requests)
    def test_what_is_well_formed_is_taken_byte_for_byte(self, request: Any) -> None:
        body = request.SerializeToString()
        assert decode(TRACES, body) == (request, body)

    @given(st.binary(max_size=400))
    def test_any_bytes_are_read_or_undecodable(self, body: bytes) -> None:
        for read in (decode_traces, decode_logs):
            try:
                read(body)
            except Undecodable:
                continue

    @given(requests, st.data())
    def test_damaged_requests_are_read_or_undecodable(self, request: Any, data: st.DataObject) -> None:
        body = bytearray(request.SerializeToString())
        for _ in range(data.draw(st.integers(0, 4)) if body else 0):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
        try:
            mended = decode(TRACES, bytes(body)).body
        except Undecodable:
            with pytest.raises(DecodeError):
                ExportTraceServiceRequest.FromString(bytes(body))
        else:
            ExportTraceServiceRequest.FromString(mended)

    def test_text_that_is_no_utf8_is_replaced_and_nothing_else_changes(self) -> None:
        request = one_span(
            name="NAME",
            attributes=[
                KeyValue(key="KEY", value=AnyValue(string_value="prompt " + "x" * 300 + "CUT")),
                KeyValue(key="ok", value=AnyValue(string_value="déjà vu")),
                KeyValue(key="raw", value=AnyValue(bytes_value=b"\xff\xfe")),
                KeyValue(
                    key="deep",
                    value=AnyValue(array_value=ArrayValue(values=[AnyValue(string_value="DEEP")])),
                ),
            ],
        )
        neighbour = one_span(span_id=b"87654321", name="näighbour").SerializeToString()
        body = request.SerializeToString()
        for good, bad in ((b"NAME", b"N\xffME"), (b"CUT", b"\xe2\x82x"), (b"DEEP", b"\xf0\x9f\x98x")):
            body = body.replace(good, bad)
        with pytest.raises(DecodeError):
            ExportTraceServiceRequest.FromString(body + neighbour)

        read, mended = decode(TRACES, body + neighbour)

        first, second = TRACES.each(read)
        assert first.name == "N�ME"
        assert [a.value.string_value[-4:] for a in first.attributes[:2]] == ["xx�x", "à vu"]
        assert first.attributes[2].value.bytes_value == b"\xff\xfe"
        assert first.attributes[3].value.array_value.values[0].string_value == "�x"
        assert second.name == "näighbour"
        assert mended.endswith(neighbour)

    @given(st.binary(min_size=1, max_size=40))
    def test_every_name_is_readable_after_repair(self, name: bytes) -> None:
        body = one_span(name="N" * len(name)).SerializeToString().replace(b"N" * len(name), name)
        assert only_span(decode_traces(body)).name == name.decode("utf-8", "replace")

    def test_logs_are_repaired_too(self) -> None:
        request = ExportLogsServiceRequest()
        record = request.resource_logs.add().scope_logs.add().log_records.add()
        record.body.string_value = "BODY"
        body = request.SerializeToString().replace(b"BODY", b"B\xffDY")
        (read,) = LOGS.each(decode_logs(body))
        assert read.body.string_value == "B�DY"

    def test_unknown_fields_pass(self) -> None:
        body = one_span().SerializeToString() + b"\xc2\x3e\x03abc" + b"\xc8\x3e\x05"
        assert decode(TRACES, body).body == body
        assert only_span(decode_traces(body)).name == "chat"

    def test_nesting_beyond_the_parser_s_depth_is_undecodable(self) -> None:
        value = b"\xff"
        for _ in range(150):
            value = length_delimited(5, length_delimited(1, value))  # AnyValue.array_value.values
        attribute = length_delimited(9, length_delimited(2, value))
        body = length_delimited(1, length_delimited(2, length_delimited(2, attribute)))
        with pytest.raises(Undecodable, match="nested deeper than 100"):
            decode_traces(body)

    def test_more_fields_than_can_be_mended_are_refused(self) -> None:
        with pytest.raises(TooComplex):
            decode_traces(b"\x0a\x00" * 1_100_000 + b"\x0a\x03\x1a\x01\xff")

    def test_the_message_says_what_it_is_not(self) -> None:
        with pytest.raises(Undecodable, match="no ExportTraceServiceRequest in protobuf"):
            decode_traces(b"hello, world")


class TestJson:
    @given(requests)
    def test_json_and_protobuf_say_the_same(self, request: Any) -> None:
        assert decode_traces_json(json.dumps(otlp_json(request)).encode()) == request

    @given(st.binary(max_size=200))
    def test_any_bytes_are_read_or_undecodable(self, body: bytes) -> None:
        try:
            decode_traces_json(body)
        except Undecodable:
            return

    @given(
        st.recursive(
            st.one_of(
                st.none(),
                st.booleans(),
                st.integers(),
                st.floats(),
                st.text(max_size=8),
                st.sampled_from([TRACE.hex(), SPAN.hex(), "NaN", "12"]),
            ),
            lambda values: st.one_of(
                st.lists(values, max_size=3),
                st.dictionaries(
                    st.sampled_from(KEYS),
                    values,
                    max_size=4,
                ),
            ),
            max_leaves=12,
        )
    )
    def test_any_document_is_read_or_undecodable(self, document: Any) -> None:
        spans = {"resourceSpans": [{"scopeSpans": [{"spans": [document]}]}]}
        for tried in (document, spans):
            try:
                request = decode_traces_json(json.dumps(tried).encode())
            except Undecodable:
                continue
            assert decode_traces(request.SerializeToString()) == request

    @pytest.mark.parametrize("given", [TRACE.hex().upper(), TRACE.hex()])
    def test_hexadecimal_ids_in_any_case(self, given: str) -> None:
        assert only_span(decode_traces_json(json_span(traceId=given))).trace_id == TRACE

    @pytest.mark.parametrize(
        "bad", ["zz" * 16, "0g" * 16, "é" * 32, "A" * 16, " " * 32, "ab" * 8 + "  ", "abc"]
    )
    def test_an_id_that_is_no_hexadecimal_text_spoils_its_span_alone(self, bad: str) -> None:
        good = {"traceId": TRACE.hex(), "spanId": SPAN.hex()}
        document = {"resourceSpans": [{"scopeSpans": [{"spans": [good, good | {"traceId": bad}]}]}]}
        first, second = TRACES.each(decode_traces_json(json.dumps(document).encode()))
        assert valid_ids(first)
        assert not valid_ids(second)

    @pytest.mark.parametrize("kind", [3, "3", 3.0, "SPAN_KIND_CLIENT"])
    def test_enums_as_numbers_and_names(self, kind: Any) -> None:
        assert only_span(decode_traces_json(json_span(kind=kind))).kind == 3

    @pytest.mark.parametrize("time", [1_700_000_000_123_456_789, "1700000000123456789"])
    def test_64_bit_integers_as_numbers_and_text(self, time: Any) -> None:
        span = only_span(decode_traces_json(json_span(startTimeUnixNano=time)))
        assert span.start_time_unix_nano == 1_700_000_000_123_456_789

    def test_unknown_keys_nulls_and_snake_case_keys(self) -> None:
        body = json_span(name=None, novelty={"a": [1]}, start_time_unix_nano="5", attributes=[None])
        span = only_span(decode_traces_json(body))
        assert (span.name, span.start_time_unix_nano, len(span.attributes)) == ("", 5, 1)

    def test_text_that_cannot_be_encoded_is_replaced(self) -> None:
        assert only_span(decode_traces_json(json_span(name="a\ud83dz"))).name == "a�z"
        raw = json_span(name="NAME").replace(b"NAME", b"N\xffME")
        assert only_span(decode_traces_json(raw)).name == "N�ME"
        assert only_span(decode_traces_json(b"\xef\xbb\xbf" + json_span(name="bom"))).name == "bom"

    def test_logs(self) -> None:
        request = decode_logs_json(
            b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"severityNumber":9,"spanId":"0102030405060708",'
            b'"body":{"kvlistValue":{"values":[{"key":"n","value":{"intValue":"-7"}}]}}}]}]}]}'
        )
        (record,) = LOGS.each(request)
        assert record.span_id == SPAN
        assert record.body.kvlist_value.values[0].value.int_value == -7

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"", "no JSON"),
            (b"{", "no JSON"),
            (b"[]", "must be an object, not an array"),
            (b"null", "must be an object, not null"),
            (b'{"resourceSpans":{}}', "resourceSpans must be an array"),
            (b'{"resourceSpans":[7]}', "ResourceSpans must be an object, not a number"),
            (json_span(startTimeUnixNano=-1), "startTimeUnixNano is out of range"),
            (json_span(startTimeUnixNano="soon"), "startTimeUnixNano must be an integer, not a text"),
            (json_span(kind=[1]), "does not describe"),
            (json_span(kind="LOUD"), "kind must be an integer"),
            (json_span(name=5), "name must be a text, not a number"),
            (json_span(traceId=5), "traceId must be a hexadecimal text"),
            (
                json_span(attributes=[{"key": "k", "value": {"bytesValue": "*"}}]),
                "bytesValue must be bytes in base64",
            ),
            (b'{"resourceSpans":NaN}', "a number in it cannot be read"),
            (b'{"resourceSpans":' + b"9" * 5000 + b"}", "a number in it cannot be read"),
            (b"[" * 100_000, "nested too deep"),
            (b'{"a":' * 100_000, "nested too deep"),
        ],
    )
    def test_what_is_wrong_is_named(self, body: bytes, reason: str) -> None:
        with pytest.raises(Undecodable, match=reason):
            decode_traces_json(body)

    @pytest.mark.parametrize(("depth", "fits"), [(40, True), (60, False), (200, False)])
    def test_nesting_that_protobuf_would_refuse_is_refused_here(self, depth: int, fits: bool) -> None:
        value: Any = {"stringValue": "x"}
        for _ in range(depth):
            value = {"arrayValue": {"values": [value]}}
        body = json_span(attributes=[{"key": "k", "value": value}])
        if fits:
            decode_traces(decode_traces_json(body).SerializeToString())
        else:
            with pytest.raises(Undecodable, match="nested deeper than 100"):
                decode_traces_json(body)

    def test_what_is_accepted_in_json_can_be_read_in_protobuf_at_every_depth(self) -> None:
        value: Any = {"stringValue": "x"}
        for depth in range(60):
            try:
                request = decode_traces_json(json_span(attributes=[{"key": "k", "value": value}]))
            except Undecodable:
                assert depth > 40
                return
            assert decode_traces(request.SerializeToString()) == request
            value = {"arrayValue": {"values": [value]}}
        pytest.fail("no depth was too deep")

    def test_a_document_of_too_many_values_is_refused(self) -> None:
        with pytest.raises(TooComplex):
            decode_traces_json(b"[" + b"[]," * 600_000 + b"[]]")

    @given(st.text(min_size=20, max_size=60, alphabet="prompt"))
    def test_errors_never_quote_content(self, text: str) -> None:
        for fields in ({"startTimeUnixNano": text}, {"attributes": text}, {"kind": text}):
            with pytest.raises(Undecodable) as caught:
                decode_traces_json(json_span(**fields))
            assert text not in str(caught.value)


class TestIds:
    @pytest.mark.parametrize(
        ("trace", "span", "problem"),
        [
            (TRACE, SPAN, None),
            (b"", SPAN, "trace_id is missing"),
            (TRACE[:15], SPAN, "trace_id must have 16 bytes"),
            (TRACE + b"x", SPAN, "trace_id must have 16 bytes"),
            (bytes(16), SPAN, "trace_id is all zero"),
            (TRACE, b"", "span_id is missing"),
            (TRACE, SPAN + b"x", "span_id must have 8 bytes"),
            (TRACE, bytes(8), "span_id is all zero"),
        ],
    )
    def test_problem(self, trace: bytes, span: bytes, problem: str | None) -> None:
        given = Span(trace_id=trace, span_id=span)
        assert id_problem(given) == problem
        assert valid_ids(given) == (problem is None)

    @given(st.binary(max_size=18), st.binary(max_size=10))
    def test_valid_is_without_problem(self, trace: bytes, span: bytes) -> None:
        given = Span(trace_id=trace, span_id=span)
        assert valid_ids(given) == (id_problem(given) is None)
