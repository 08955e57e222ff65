"""The records of `lumina.calls`: every plain field of the span, and nothing of what was said."""

import msgspec

from lumina_schemas.call import MAX_CHARS, call_of
from lumina_schemas.source import Source
from lumina_schemas.span import Message, Part, Span, SpanError, SpanEvent, ToolCall

SECRET = "the secret word"
SPAN = Span(
    v=1,
    src=Source("epoch", "otlp", 1, 2, 3),
    series_id="ab" * 8,
    trace_id="0" * 31 + "1",
    span_id="0" * 15 + "1",
    project="shop",
    service="checkout",
    endpoint="answer",
    name="chat " + "x" * 5_000,
    kind="llm",
    start_ns=1,
    duration_ms=2.5,
    error=SpanError("rate_limit", SECRET),
    response_model="gpt-4o-mini",
    system=SECRET,
    input_messages=(Message("user", (Part("text", SECRET),)),),
    output_messages=(Message("assistant", (Part("text", SECRET),)),),
    tool_calls=(ToolCall("look_up", arguments={"q": SECRET}),),
    finish_reasons=("stop",),
    input_tokens=7,
    cost_usd=0.25,
    cost_status="exact",
    price_version="genai-prices 0",
    reported_cost_usd=0.3,
    priced=True,
    attributes={"a": SECRET},
    resource={"b": SECRET},
    events=(SpanEvent("e", 1, {"c": SECRET}),),
)


def test_a_call_has_the_plain_fields_and_no_content() -> None:
    line = msgspec.json.encode(call_of(SPAN))
    assert SECRET.encode() not in line
    call = msgspec.json.decode(line)
    assert call["type"] == "call"
    assert call["src"] == ["epoch", "otlp", 1, 2, 3]
    wanted = {
        "series_id": "ab" * 8,
        "project": "shop",
        "kind": "llm",
        "response_model": "gpt-4o-mini",
        "input_tokens": 7,
        "cost_usd": 0.25,
        "cost_status": "exact",
        "price_version": "genai-prices 0",
        "reported_cost_usd": 0.3,
        "priced": True,
        "finish_reasons": ["stop"],
        "error_type": "rate_limit",
    }
    assert {name: call[name] for name in wanted} == wanted
    assert len(call["name"]) == MAX_CHARS
    assert not call.keys() & {
        *("system", "input_messages", "output_messages", "tool_calls", "attributes", "resource", "events"),
        *("error", "retrieval_query", "retrieval_documents"),
    }
