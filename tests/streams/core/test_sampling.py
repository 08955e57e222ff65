"""Which share of the traffic a span stands for: from its trace's sampler, or as its sender says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.span import Span
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.core.span.sampling import share, share_of

PRICES = PriceBook()


def sampled(
    tracestate: str = "", span: dict[str, Any] | None = None, resource: dict[str, Any] | None = None
) -> Span:
    """A call that says so of its sampling."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    call = group.scope_spans.add().spans.add(
        trace_id=b"t" * 16, span_id=b"s" * 8, name="chat", trace_state=tracestate
    )
    call.attributes.add(key="gen_ai.operation.name").value.string_value = "chat"
    for attributes, values in ((call.attributes, span or {}), (group.resource.attributes, resource or {})):
        for key, value in values.items():
            put = attributes.add(key=key).value
            if isinstance(value, bool):
                put.bool_value = value
            elif isinstance(value, int):
                put.int_value = value
            elif isinstance(value, float):
                put.double_value = value
            else:
                put.string_value = value
    (found,) = normalise(request, Landing("e", "otlp", 0, 0), PRICES).spans
    return found


@pytest.mark.parametrize(
    ("tracestate", "expected"),
    [
        ("ot=th:c", 0.25),
        ("ot=th:8", 0.5),
        ("ot=th:e", 0.125),
        ("ot=th:fd70a", 0.01),
        ("ot=th:e6666666666668", 0.1),
        ("ot=th:0", None),  # all was kept
        ("ot=rv:123456789abcde;th:8", 0.5),
        ("ot=th:8;rv:123456789abcde", 0.5),
        ("ot=p:8;r:62;th:c", 0.25),
        ("vendor=x,ot=th:c", 0.25),
        ("vendor=x, ot=th:c ,other=y", 0.25),
        ("a=th:8,ot=th:c", 0.25),
        ("", None),
        ("ot=", None),
        ("ot=th:", None),
        ("ot=th:g", None),
        ("ot=th:8x", None),
        ("ot=th:-8", None),
        ("ot=th:0123456789abcde", None),  # longer than 56 bits
        ("ot=xth:8", None),
        ("rot=th:8", None),
        ("vendor=ot=th:8", None),
        ("vendor=th:8", None),
        ("ot=rv:8,th:8", None),
        ("\x00\ud7ff,,,;;=", None),
    ],
)
def test_the_threshold_of_a_tracestate(tracestate: str, expected: float | None) -> None:
    assert share_of(tracestate) == pytest.approx(expected, abs=1e-6)
    assert sampled(tracestate.replace("\x00", "")).sample_rate == pytest.approx(expected, abs=1e-6)


@given(st.text(st.sampled_from("ot=th:;,08cf x"), max_size=30) | st.text(max_size=40))
def test_any_tracestate_is_a_share_or_nothing(tracestate: str) -> None:
    found = share_of(tracestate)
    assert found is None or 0 < found < 1


@given(st.integers(1, 2**56 - 1))
def test_a_threshold_keeps_the_random_values_that_are_not_below_it(threshold: int) -> None:
    """With trailing zeros left out, as the specification writes it."""
    written = f"{threshold:014x}".rstrip("0")
    assert (share_of(f"ot=th:{written}") or 1) == pytest.approx(1 - threshold / 2**56, abs=1e-15)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, 0.1),
        ("0.1", 0.1),
        ("1e-3", 0.001),
        (0.999, 0.999),
        (0, None),
        (0.0, None),
        (1, None),
        (1.0, None),
        ("1", None),
        (10, None),
        (1.5, None),
        (-0.5, None),
        (True, None),
        ("NaN", None),
        ("inf", None),
        ("-inf", None),
        ("ten percent", None),
        ("10%", None),
        ("", None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_a_senders_own_sample_rate(value: Any, expected: float | None) -> None:
    """On the span as on the resource; what is no share says nothing."""
    assert share(value) == expected
    assert sampled(span={"lumina.sample_rate": value}).sample_rate == expected
    found = sampled(resource={"lumina.sample_rate": value})
    assert found.sample_rate == expected
    assert "lumina.sample_rate" not in found.resource


@given(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.floats(), max_size=2)
)
def test_any_value_is_a_share_or_nothing(value: Any) -> None:
    found = share(value)
    assert found is None or 0 < found < 1


def test_the_span_goes_before_its_trace_and_the_trace_before_the_resource() -> None:
    rate = {"lumina.sample_rate": 0.2}
    assert sampled("ot=th:8", rate, {"lumina.sample_rate": 0.4}).sample_rate == 0.2
    assert sampled("ot=th:8", None, rate).sample_rate == 0.5
    assert sampled("vendor=x", None, rate).sample_rate == 0.2
    assert sampled("ot=th:8", {"lumina.sample_rate": 1}).sample_rate is None, "the span says: all"
