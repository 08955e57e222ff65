"""The cost of whole spans: what the sender reports, tokens by the text, tiers, and pricing a span again."""

from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from lumina_schemas.price import Price
from lumina_schemas.span import Span
from lumina_streams.core.price.book import AS_REPORTED, LIST_VERSION, NO_USAGE, PriceBook
from lumina_streams.core.price.overrides import of_file
from lumina_streams.core.span.cost import priced_again
from lumina_streams.core.span.estimate import ESTIMATED_TOKENS
from lumina_streams.core.span.normalise import Landing, normalise

CALL = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o-mini",
    "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
}
TOKENS = {"gen_ai.usage.input_tokens": 1_000, "gen_ai.usage.output_tokens": 100}
LISTED = 1_000 * 0.15e-6 + 100 * 0.60e-6
START_NS = 1_793_491_200 * 10**9  # 2026-11-01
PROMPT = '[{"role":"user","parts":[{"type":"text","content":"12345678"}]}]'
ANSWER = '[{"role":"assistant","parts":[{"type":"text","content":"123456789"}]}]'


def value_of(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(string_value=value)


def spans(book: PriceBook, *calls: dict[str, Any], scope: str = "test", failed: bool = False) -> list[Span]:
    request = ExportTraceServiceRequest()
    scope_spans = request.resource_spans.add().scope_spans.add()
    scope_spans.scope.name = scope
    for number, call in enumerate(calls, 1):
        span = scope_spans.spans.add(
            trace_id=number.to_bytes(16),
            span_id=number.to_bytes(8),
            name="chat",
            start_time_unix_nano=START_NS,
        )
        span.end_time_unix_nano = START_NS + number
        span.status.code = 2 if failed else 0
        span.attributes.extend(KeyValue(key=key, value=value_of(value)) for key, value in call.items())
    return normalise(request, Landing("e", "otlp", 0, 0), book).spans


def span_of(call: dict[str, Any], book: PriceBook | None = None, **more: Any) -> Span:
    (span,) = spans(book or PriceBook(), call, **more)
    return span


@pytest.mark.parametrize(
    ("scope", "attributes", "usd"),
    [
        ("openlit.instrumentation.openai", {"gen_ai.usage.cost": 0.25}, 0.25),
        ("openlit.instrumentation.openai", {"gen_ai.usage.cost": 0}, None),
        ("openlit.instrumentation.openai", {"gen_ai.usage.cost": 0.0}, 0.0),
        ("pydantic-ai", {"operation.cost": 0.25}, 0.25),
        ("litellm", {"gen_ai.cost.total_cost": 0.25}, 0.25),
        ("openinference.instrumentation.openai", {"llm.cost.total": "0.25"}, 0.25),
        ("langfuse-sdk", {"langfuse.observation.cost_details": '{"input":0.1,"total":0.25}'}, 0.25),
        ("langfuse-sdk", {"langfuse.observation.cost_details": '{"input":0.1,"output":0.15}'}, 0.25),
        ("langfuse-sdk", {"langfuse.observation.cost_details": '{"input":"?"}'}, None),
        ("com.anthropic.claude_code.tracing", {"cost_usd": "0.25"}, 0.25),
        ("com.anthropic.claude_code", {"cost_usd": 0.25}, 0.25),
        ("else", {"cost_usd": 0.25}, None),
        ("else", {"operation.cost": 1.0, "gen_ai.usage.cost": 0.25}, 0.25),
        ("else", {"operation.cost": -1.0}, None),
        ("else", {"operation.cost": True}, None),
        ("else", {"operation.cost": "much"}, None),
        ("else", {"operation.cost": float("inf")}, None),
        ("else", {}, None),
    ],
)
def test_a_sender_s_own_cost_stands_beside_ours(
    scope: str, attributes: dict[str, Any], usd: float | None
) -> None:
    span = span_of(CALL | TOKENS | attributes, scope=scope)
    assert span.reported_cost_usd == usd
    assert span.cost_usd == pytest.approx(LISTED)
    assert span.cost_status == "exact"
    # It is still shown as it came.
    assert attributes.keys() - {"operation.cost"} <= span.attributes.keys() or usd is None


def test_where_ours_is_unknown_theirs_is_only_beside_it() -> None:
    call = CALL | TOKENS | {"gen_ai.response.model": "house-1", "gen_ai.request.model": "house-1"}
    span = span_of(call | {"operation.cost": 0.25})
    assert (span.cost_usd, span.cost_status, span.reported_cost_usd) == (None, "unknown", 0.25)
    assert span.price_version == LIST_VERSION


def test_theirs_is_taken_where_a_setting_says_so() -> None:
    book = PriceBook(prefer_reported=True)
    for call in (CALL | TOKENS, CALL, CALL | {"gen_ai.response.model": "house-1"}):
        span = span_of(call | {"operation.cost": 0.25}, book)
        assert (span.cost_usd, span.cost_status, span.cost_reason) == (0.25, "estimated", AS_REPORTED)
    span = span_of(CALL | TOKENS, book)
    assert span.cost_usd == pytest.approx(LISTED)
    assert span.cost_status == "exact"


def test_the_second_report_of_a_call_tells_the_first_its_cost() -> None:
    one, other = spans(
        PriceBook(),
        CALL | TOKENS | {"gen_ai.response.id": "r1"},
        CALL | {"gen_ai.response.id": "r1", "operation.cost": 0.25},
    )
    assert one.priced
    assert not other.priced
    assert one.reported_cost_usd == 0.25


def test_tokens_are_estimated_only_when_asked() -> None:
    call = CALL | {"gen_ai.input.messages": PROMPT, "gen_ai.output.messages": ANSWER}
    off = span_of(call)
    assert (off.cost_usd, off.cost_status, off.cost_reason) == (None, "unknown", NO_USAGE)
    assert (off.input_tokens, off.output_tokens, off.price_version) == (None, None, "")
    on = span_of(call, PriceBook(estimate_tokens=True))
    assert (on.input_tokens, on.output_tokens) == (2, 3)
    assert (on.cost_status, on.cost_reason) == ("estimated", ESTIMATED_TOKENS)
    assert on.cost_usd == pytest.approx(2 * 0.15e-6 + 3 * 0.60e-6)


def test_an_estimate_fills_only_what_is_missing() -> None:
    book = PriceBook(estimate_tokens=True)
    content = {"gen_ai.input.messages": PROMPT, "gen_ai.output.messages": ANSWER}
    counted = span_of(CALL | TOKENS | content, book)
    assert (counted.cost_status, counted.input_tokens) == ("exact", 1_000)
    half = span_of(CALL | {"gen_ai.usage.input_tokens": 1_000} | content, book)
    assert (half.input_tokens, half.output_tokens, half.cost_status) == (1_000, 3, "estimated")
    silent = span_of(CALL, book)
    assert (silent.cost_status, silent.cost_reason) == ("unknown", NO_USAGE)
    refused = span_of(CALL | {"gen_ai.input.messages": PROMPT}, book, failed=True)
    assert (refused.cost_status, refused.input_tokens) == ("unknown", None)


@pytest.mark.parametrize(
    ("tier", "usd", "status"),
    [
        ("default", 2.5, "exact"),
        ("batch", 1.25, "exact"),
        ("weekend", 2.5, "estimated"),
    ],
)
def test_service_tiers(tier: str, usd: float, status: str) -> None:
    call = CALL | {"gen_ai.response.model": "gpt-4o-2024-08-06", "openai.response.service_tier": tier}
    span = span_of(call | {"gen_ai.usage.input_tokens": 1_000_000, "gen_ai.usage.output_tokens": 0})
    assert span.service_tier == tier
    assert span.cost_usd == pytest.approx(usd)
    assert span.cost_status == status
    unpriced = f"no price for service tier {tier}: priced as standard"
    assert span.cost_reason == (unpriced if status == "estimated" else "")


@pytest.mark.parametrize("reason", ["", "no named provider", "tier", "1h", "text", "reported"])
def test_a_span_priced_again_by_the_same_prices_costs_the_same(reason: str) -> None:
    """All that a price depends on is in the record, also after a trip through the log."""
    book = PriceBook(estimate_tokens=reason == "text", prefer_reported=reason == "reported")
    call: dict[str, Any] = CALL | TOKENS
    if reason == "no named provider":
        call.pop("gen_ai.provider.name")
    elif reason == "tier":
        call["openai.response.service_tier"] = "batch"
    elif reason == "1h":
        call |= {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.response.model": "claude-sonnet-4-5",
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": 100,
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": 50,
        }
    elif reason == "text":
        call = CALL | {"gen_ai.input.messages": PROMPT, "gen_ai.output.messages": ANSWER}
    elif reason == "reported":
        call["operation.cost"] = 0.25
    span = msgspec.json.decode(msgspec.json.encode(span_of(call, book)), type=Span)
    again = priced_again(span, book)
    assert (again.usd, again.status, again.reason, again.version) == (
        *(span.cost_usd, span.cost_status, span.cost_reason),
        span.price_version,
    )
    dear = PriceBook(overrides=of_file({"dear": Price(model="*", input=1_000.0, output=1_000.0)}))
    assert (priced_again(span, dear).usd or 0) > (span.cost_usd or 0) or reason == "reported"
    if reason == "no named provider":
        assert span.provider_guessed
        assert span.cost_status == "estimated"
