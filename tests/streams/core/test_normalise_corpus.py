"""The normaliser over every captured file: in one message, and one span a message in reversed order."""

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from corpus.normalised import LANDING, PRICES, normalised, with_logs
from corpus.single import one_span_each
from corpus.truth import CORPUS, LOST, check, names
from lumina_schemas.span import Span
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.core.span.tokens import Usage
from lumina_streams.core.span.traces import settled


def test_everything_lost_was_captured() -> None:
    assert set(LOST) <= set(names())


@pytest.mark.parametrize("name", names())
def test_capture_equals_the_truth(name: str) -> None:
    check(name, normalised(name))


@pytest.mark.parametrize("name", names())
def test_one_span_a_message_in_reversed_order_is_the_same(name: str) -> None:
    path = CORPUS / f"{name}.otlp.pb"
    spans: list[Span] = []
    for offset, body in enumerate(reversed(one_span_each(path.read_bytes()) if path.exists() else [])):
        request = ExportTraceServiceRequest.FromString(body)
        spans += normalise(request, Landing("epoch", "otlp", 0, offset), PRICES).spans
    check(name, settled(with_logs(name, spans), PRICES))


def test_a_generation_reported_by_hand_is_a_call() -> None:
    (span,) = [span for span in normalised("langfuse_sdk-observe_generation") if span.priced]
    assert (span.input_tokens, span.cache_read_tokens, span.cache_write_tokens) == (1339, 1031, 211)
    assert span.output_tokens == 47


def test_cost_of_cached_call_is_right_to_the_last_digit() -> None:
    """Anthropic: 1339 in, of which 1031 read and 211 written (11 for an hour); 47 out."""
    for name in ("anthropic_sdk_native-msg_cached", "openinference_anthropic-msg_cached"):
        (span,) = [span for span in normalised(name) if span.priced]
        assert span.cost_usd == pytest.approx(0.0021213, abs=1e-12)
    (span,) = [span for span in normalised("traceloop_anthropic-msg_cached") if span.priced]
    assert span.cost_usd == pytest.approx(0.00209655, abs=1e-12)
    assert "1-hour" in span.cost_reason


def test_one_call_seen_twice_is_priced_once() -> None:
    for name in ("traceloop_anthropic_sdk2-msg_cached", "stacked_oi_otel_openai-chat"):
        calls = [span for span in normalised(name) if span.kind == "llm"]
        assert len(calls) == 2
        priced, other = sorted(calls, key=lambda span: not span.priced)
        assert priced.priced
        assert not other.priced
        assert other.duplicate_of == priced.span_id
        assert priced.output_messages, "the call's span is told the content of the other one"


def test_order_of_spans_in_the_message_changes_nothing() -> None:
    for name in names():
        path = CORPUS / f"{name}.otlp.pb"
        if not path.exists():
            continue
        request = ExportTraceServiceRequest.FromString(path.read_bytes())
        turned = ExportTraceServiceRequest()
        for resource in reversed(request.resource_spans):
            copy = turned.resource_spans.add()
            copy.CopyFrom(resource)
            del copy.scope_spans[:]
            for scope in reversed(resource.scope_spans):
                spans = copy.scope_spans.add()
                spans.CopyFrom(scope)
                del spans.spans[:]
                spans.spans.extend(reversed(scope.spans))
        assert normalise(turned, LANDING, PRICES) == normalise(request, LANDING, PRICES)


def test_usage_is_what_is_priced() -> None:
    (span,) = [span for span in normalised("otel_genai_openai-chat_cached") if span.priced]
    usage = Usage(span.input_tokens, span.output_tokens, span.cache_read_tokens, span.cache_write_tokens)
    cost = PRICES.cost("openai", span.request_model, span.response_model, usage, span.start_ns)
    assert cost.usd == span.cost_usd
