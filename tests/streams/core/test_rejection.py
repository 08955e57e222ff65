"""Spans that cannot be kept leave together, each once, beside its resource, in requests that Kafka takes."""

from collections import Counter
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import INVALID_IDS, Landing, normalise
from lumina_streams.core.span.rejection import Rejected, Rejections

LANDING = Landing("epoch", "otlp", 0, 1)
LIMIT = 4_000


def request_of(groups: list[list[list[tuple[bool, int]]]]) -> ExportTraceServiceRequest:
    """Groups of scopes of spans: whether a span's ids are valid, and the size of its text."""
    request = ExportTraceServiceRequest()
    number = 0
    for g, scopes in enumerate(groups):
        group = request.resource_spans.add(schema_url=f"group {g}")
        group.resource.attributes.add(key="service.name").value.string_value = f"service {g}" * 20
        for s, spans in enumerate(scopes):
            scope = group.scope_spans.add(schema_url=f"scope {s}")
            scope.scope.name = f"{g}.{s}"
            for valid, size in spans:
                number += 1
                span = scope.spans.add(name=f"span {number}")
                span.trace_id = number.to_bytes(16, "big") if valid else bytes(16)
                span.span_id = number.to_bytes(8, "big")
                span.attributes.add(key="text").value.string_value = "x" * size
    return request


def places(request: ExportTraceServiceRequest) -> list[tuple[str, str, str, str, str, bytes, int]]:
    """Each span with all that stands around it."""
    return [
        (
            group.schema_url,
            group.resource.attributes[0].value.string_value,
            scope.schema_url,
            scope.scope.name,
            span.name,
            span.trace_id,
            len(span.attributes[0].value.string_value),
        )
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def read(rejected: list[Rejected]) -> list[Any]:
    return [place for each in rejected for place in places(ExportTraceServiceRequest.FromString(each.body))]


SPANS = st.lists(st.tuples(st.booleans(), st.integers(0, 1_500)), max_size=8)


@given(st.lists(st.lists(SPANS, max_size=3), max_size=3))
def test_every_rejected_span_is_in_one_request_with_its_surroundings(
    groups: list[list[list[tuple[bool, int]]]],
) -> None:
    request = request_of(groups)
    result = normalise(request, LANDING, PriceBook(), LIMIT)
    assert read(result.rejected) == [place for place in places(request) if place[5] == bytes(16)]
    assert all(len(each.body) <= LIMIT for each in result.rejected)
    for each in result.rejected:
        assert each.reason == INVALID_IDS
        assert each.spans == len(read([each]))
    # As full as can be: two neighbours would not fit into one.
    sizes = [len(each.body) for each in result.rejected]
    assert all(one + other > LIMIT - 300 for one, other in pairwise(sizes))


def test_very_many_spans_of_a_large_resource_are_one_request() -> None:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="text").value.string_value = "x" * 1_000_000
    spans = group.scope_spans.add().spans
    for _ in range(50_000):
        spans.add()
    (rejected,) = normalise(request, LANDING, PriceBook()).rejected
    assert rejected.spans == 50_000
    assert rejected.body == request.SerializeToString()


def test_reasons_are_kept_apart() -> None:
    request = request_of([[[(True, 1), (True, 2), (True, 3), (True, 4)]]])
    (group,) = request.resource_spans
    (scope,) = group.scope_spans
    rejections = Rejections(LIMIT)
    for number, span in enumerate(scope.spans):
        rejections.add(f"reason {number % 2}", group, scope, span)
    assert Counter((each.reason, each.spans) for each in rejections.all()) == {
        ("reason 0", 2): 1,
        ("reason 1", 2): 1,
    }


def test_a_span_larger_than_the_limit_is_shortened() -> None:
    request = request_of([[[(False, 10), (False, 3 * LIMIT), (False, 10)]]])
    rejected = normalise(request, LANDING, PriceBook(), LIMIT).rejected
    assert [each.spans for each in rejected] == [1, 1, 1]
    assert all(len(each.body) <= LIMIT for each in rejected)
    assert [place[4] for place in read(rejected)] == ["span 1", "span 2", "span 3"]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=12))
def test_a_span_keeps_its_ordinal_whichever_of_its_neighbours_are_refused(
    spans: list[tuple[bool, int]],
) -> None:
    """A version that understands one more span replays a message without taking one span for another."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add().scope_spans.add()
    for number, (valid, end) in enumerate(spans, 1):
        span = group.spans.add(name=f"span {number}", end_time_unix_nano=end)
        span.trace_id = b"t" * 16 if valid else b"short"
        span.span_id = number.to_bytes(8, "big")
    mended = ExportTraceServiceRequest.FromString(request.SerializeToString())
    for span in mended.resource_spans[0].scope_spans[0].spans if spans else ():
        span.trace_id = b"t" * 16
    some = {span.name: span.src for span in normalise(request, LANDING, PriceBook()).spans}
    every = {span.name: span.src for span in normalise(mended, LANDING, PriceBook()).spans}
    assert len(every) == len(spans)
    assert some.items() <= every.items()
