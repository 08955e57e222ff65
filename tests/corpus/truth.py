"""Captured spans of real instrumentations against what the provider really answered.

`LOST` holds what an instrumentation itself lost, with the reason: the expected value stands there instead
of the truth, so that a lost fact is asserted too. Whoever makes calls of a capture, in whatever way, asks
`check`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import genai_prices
import pytest

from lumina_schemas.mapping.content import SYSTEM_ROLES
from lumina_schemas.mapping.finish import FINISH_REASONS
from lumina_schemas.span import Message, Span

CORPUS = Path(__file__).parent
PROVIDERS = {"google": {"gcp.gemini", "gcp.gen_ai"}}


@dataclass
class Lost:
    """Expected values that differ from the truth, and why."""

    why: str
    values: dict[str, Any] = field(default_factory=dict)


NO_USAGE = {"input_tokens": None, "output_tokens": None, "cost_status": "unknown"}
SHORT = "the split of cache writes by time to live is not sent"
SUMMED = "output of streams is summed over two chunks that overlap by one token"
NO_CONTENT = {"input": "", "output": "", "system": "", "tools": []}
ASKED = "in streams the asked model stands for the one that answered, and no response id is sent"
ASKED_VALUES = {"response_model": "gpt-4o-mini", "response_id": ""}
LOST: dict[str, Lost] = {
    "otel_genai_openai-chat_stream_abandoned": Lost(
        "an abandoned stream ends without usage, as an error, with what came until then",
        NO_USAGE | {"finish_reasons": ("error",), "output": "Paris is "},
    ),
    "otel_genai_openai-chat_stream_nousage": Lost("the provider sent no usage", NO_USAGE),
    "otel_google_genai-error_429": Lost("content is off by default", NO_CONTENT),
    "otel_google_genai-gen": Lost("content is off by default", NO_CONTENT),
    "otel_google_genai-gen_cached": Lost("content is off by default", NO_CONTENT),
    "otel_google_genai-gen_stream": Lost("content is off by default", NO_CONTENT),
    "otel_openai_v2-chat_reasoning": Lost("reasoning tokens are not sent", {"reasoning_tokens": 0}),
    "otel_openai_v2-chat_stream_nousage": Lost(
        "no usage; whether it streamed is not sent; the reason stands in the log event only",
        NO_USAGE | {"streaming": None},
    ),
    "otel_openai_v2-chat_vision_n2": Lost("of content in parts only the text is logged", {}),
    "otel_openai_v2-embeddings": Lost("embedding inputs are not sent", {"input": ""}),
    "openinference_langchain-chain_stream": Lost(
        "the chunks' response id and stream flag are dropped", {"response_id": "", "streaming": None}
    ),
    "openinference_openai-chat_stream_abandoned": Lost(
        "an abandoned stream ends without usage, with what came until then",
        NO_USAGE | {"finish_reasons": (), "output": "Paris is "},
    ),
    "openinference_openai-chat_stream_nousage": Lost("the provider sent no usage", NO_USAGE),
    "traceloop_anthropic-msg_cached": Lost(SHORT, {"cost_status": "estimated"}),
    "traceloop_anthropic-msg_stream": Lost(SUMMED, {"output_tokens": 48}),
    "traceloop_anthropic-msg_stream_cached": Lost(
        SUMMED, {"output_tokens": 48, "cost_status": "estimated", "streaming": None}
    ),
    "traceloop_anthropic-msg_thinking": Lost("reasoning tokens are not sent", {"reasoning_tokens": 0}),
    "traceloop_langchain-chain_stream": Lost(
        "the chunks' model, response id and stream flag are dropped",
        {"response_model": "gpt-4o-mini", "response_id": "", "streaming": None},
    ),
    "traceloop_openai-chat_stream_nousage": Lost("the provider sent no usage", NO_USAGE),
    "traceloop_openai-chat_unpriced": Lost(
        "the vendor's prefix of the model is dropped", {"response_model": "house-model-7b"}
    ),
    "traceloop_openai_old-chat_stream_nousage": Lost("the provider sent no usage", NO_USAGE),
    "traceloop_openai_old-chat_unpriced": Lost(
        "the vendor's prefix of the model is dropped", {"response_model": "house-model-7b"}
    ),
    "traceloop_openai_old-responses_tools": Lost(
        "the responses API's reasons are not sent, and the item's id stands for the call's",
        {"finish_reasons": (), "call_id": "fc_1"},
    ),
    "traceloop_openai-responses_tools": Lost("the item's id stands for the call's", {"call_id": "fc_1"}),
    "otel_google_genai_latest-gen_tools": Lost(
        "Gemini names no id, the instrumentation makes one up", {"call_id": "get_weather_0"}
    ),
    "otel_openai_v2-responses": Lost("the responses API is not instrumented", {"calls": 0}),
    "otel_openai_v2-responses_stream": Lost("the responses API is not instrumented", {"calls": 0}),
    "otel_openai_v2-responses_tools": Lost("the responses API is not instrumented", {"calls": 0}),
    "openlit_anthropic-msg_cached": Lost(SHORT, {"cost_status": "estimated"}),
    "openlit_anthropic-msg_stream_cached": Lost(SHORT, {"cost_status": "estimated"}),
    "vercel_ai_v7-anthropic_cached": Lost(SHORT, {"cost_status": "estimated"}),
    "openlit_openai-chat_reasoning": Lost("reasoning tokens are not sent", {"reasoning_tokens": 0}),
    "openlit_openai-chat_stream_nousage": Lost(
        "the instrumentation counts words itself, without saying so",
        {"input_tokens": 41, "output_tokens": 16},
    ),
    "openlit_openai-chat_vision_n2": Lost(
        "two choices are joined into one",
        {
            "finish_reasons": ("stop",),
            "output": "Paris is the capital of France. The capital of France is Paris (choice 1).",
        },
    ),
    "anthropic_sdk_native-error_529": Lost("content is off by default", NO_CONTENT),
    "anthropic_sdk_native-msg": Lost("content is off by default", NO_CONTENT),
    "anthropic_sdk_native-msg_cached": Lost("content is off by default", NO_CONTENT),
    "anthropic_sdk_native-msg_stream": Lost("content is off by default", NO_CONTENT),
    "anthropic_sdk_native-msg_thinking": Lost("content is off by default", NO_CONTENT),
    "langfuse_sdk-observe_generation": Lost("reported by hand: no provider was called", {"calls": 1}),
    "langfuse_sdk-openai_stream": Lost(
        "the answering model overwrites the asked one; neither provider nor response id is sent",
        {"request_model": "gpt-4o-mini-2024-07-18", "response_id": "", "cost_status": "estimated"},
    ),
    "langfuse_sdk-openai_wrapper": Lost(
        "the answering model overwrites the asked one; neither provider, response id nor reason is sent",
        {
            "request_model": "gpt-4o-mini-2024-07-18",
            "response_id": "",
            "finish_reasons": (),
            "cost_status": "estimated",
        },
    ),
    "litellm_otel-openai_stream": Lost(
        "in streams the asked model stands for the one that answered", {"response_model": "gpt-4o-mini"}
    ),
    "logfire_openai-chat_stream": Lost(ASKED, ASKED_VALUES),
    "logfire_openai-chat_tools_stream": Lost(ASKED, ASKED_VALUES),
    "logfire_openai-chat_stream_abandoned": Lost(
        "an abandoned stream leaves the span of its request, and nothing of the answer",
        NO_USAGE | ASKED_VALUES | {"finish_reasons": (), "streaming": None, "output": ""},
    ),
    "logfire_openai-responses": Lost("the responses API's status is not sent", {"finish_reasons": ()}),
    "logfire_openai-responses_stream": Lost(
        ASKED + ", nor the responses API's status", ASKED_VALUES | {"finish_reasons": ()}
    ),
    "logfire_openai-responses_tools": Lost("the responses API's status is not sent", {"finish_reasons": ()}),
    "vercel_ai_v5-embed": Lost("the answering model is not sent", {"response_model": ""}),
    "vercel_ai_v5-generate": Lost("reasoning tokens are not sent", {"reasoning_tokens": 0}),
    "openlit_openai-error_429": Lost("failed calls have no content", {"input": ""}),
    "anthropic_sdk_native_full-msg_stream": Lost("answers of streams are not recorded", {"output": ""}),
}


def names() -> list[str]:
    """All captures."""
    return sorted(path.name.removesuffix(".truth.json") for path in CORPUS.glob("*.truth.json"))


def truth_of(name: str) -> dict[str, Any]:
    """What really happened in a capture."""
    truth: dict[str, Any] = json.loads((CORPUS / f"{name}.truth.json").read_text())
    return truth


def check(name: str, spans: Iterable[Span]) -> None:
    """Assert that these spans of a capture are its calls, field by field, with their cost."""
    lost = LOST.get(name, Lost("")).values
    truth = truth_of(name)["calls"]
    calls = sorted((span for span in spans if span.priced), key=lambda span: span.start_ns)
    assert len(calls) == lost.get("calls", len(truth))
    for number, (span, call) in enumerate(zip(calls, truth, strict=False)):
        wanted = expected(call) | lost
        got = seen(span)
        if name == "traceloop_openai_old-responses_tools" and number == 1:
            wanted["input"] = ""  # results of tools are not recorded
        if name == "otel_openai_v2-chat_vision_n2":
            wanted["input"] = got["input"]
            assert "capital of France" in got["input"]
        if "call_id" in lost:
            wanted["tools"] = [(tool, lost["call_id"], arguments) for tool, _, arguments in wanted["tools"]]
        assert got == {field: wanted[field] for field in got}, span.cost_reason
        check_cost(span, call)


def check_cost(span: Span, call: dict[str, Any]) -> None:
    """Cost is known exactly where usage and price are, and is what genai-prices itself comes to."""
    if span.cost_status == "unknown":
        assert span.cost_usd is None
        assert span.cost_reason
        return
    hours = (call.get("usage") or {}).get("cache_write_1h", 0)
    known = {
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cache_read_tokens": span.cache_read_tokens,
        "cache_write_tokens": span.cache_write_tokens,
        "cache_write_1h_tokens": hours if "1-hour" not in span.cost_reason else None,
    }
    price = genai_prices.calc_price(
        genai_prices.Usage(**{key: count for key, count in known.items() if count}),
        model_ref=call["request_model"] if call["provider"] == "google" else call["response_model"],
        provider_id=call["provider"],
        genai_request_timestamp=datetime.fromtimestamp(span.start_ns / 1e9, UTC),
    )
    assert span.cost_usd == pytest.approx(float(price.total_price), abs=1e-10), span.cost_reason


def expected(call: dict[str, Any]) -> dict[str, Any]:
    """The truth in the names of a span."""
    usage = call.get("usage") or {}
    embedding = call["api"] == "embeddings"
    known = bool(usage) and not call["error"]
    unpriced = call["request_model"].startswith("acme/") or not known
    inputs = call["input_messages"]
    inputs = inputs if isinstance(inputs, list) else [inputs]
    leading = [item for item in inputs if isinstance(item, dict) and item.get("role") in SYSTEM_ROLES]
    return {
        "provider": call["provider"],
        "request_model": call["request_model"],
        "response_model": call.get("response_model") or "",
        "response_id": call.get("response_id") or "",
        "input_tokens": usage.get("input_total") if known else None,
        "output_tokens": usage.get("output_total") if known and not embedding else None,
        "cache_read_tokens": usage.get("cache_read", 0),
        "cache_write_tokens": usage.get("cache_write", 0),
        "reasoning_tokens": usage.get("reasoning", 0),
        "finish_reasons": tuple(
            FINISH_REASONS[reason.lower()] for reason in call.get("finish_reasons") or []
        ),
        "failed": bool(call["error"]),
        "streaming": bool(call["stream"]) or None,
        "cost_status": "unknown" if unpriced else "exact",
        "kind": "embedding" if embedding else "llm",
        "input": "\n".join(texts([item for item in inputs if item not in leading])),
        "system": "\n".join(texts(call.get("system_instructions") or leading)),
        "output": "\n".join(texts(call.get("output") or [])),
        "tools": tools(call.get("output") or []),
    }


def texts(raw: Any) -> list[str]:
    """What is said in a provider's own messages, in order: texts and results of tools."""
    if isinstance(raw, str):
        return [raw] if raw else []
    if isinstance(raw, list):
        return [text for item in raw for text in texts(item)]
    if not isinstance(raw, dict) or raw.get("type") == "thinking":
        return []
    said = [raw[key] for key in ("text", "content", "parts", "output") if raw.get(key)]
    return texts(said[0]) if said else []


def tools(raw: list[Any]) -> list[tuple[str, str | None, Any]]:
    """Tools asked for in a provider's own answer: (name, id, arguments)."""
    found: list[tuple[str, str | None, Any]] = []
    for item in raw:
        if item.get("type") == "tool_use":
            found.append((item["name"], item["id"], item["input"]))
        elif item.get("type") == "function_call":
            found.append((item["name"], item["call_id"], json.loads(item["arguments"])))
        elif "functionCall" in item:
            found.append((item["functionCall"]["name"], None, item["functionCall"]["args"]))
        for call in item.get("tool_calls") or ():
            asked = call["function"]
            found.append((asked["name"], call["id"], json.loads(asked["arguments"])))
    return found


def seen(span: Span) -> dict[str, Any]:
    provider = next((name for name, known in PROVIDERS.items() if span.provider in known), span.provider)
    return {
        "provider": provider,
        "request_model": span.request_model,
        "response_model": span.response_model,
        "response_id": span.response_id,
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cache_read_tokens": span.cache_read_tokens or 0,
        "cache_write_tokens": span.cache_write_tokens or 0,
        "reasoning_tokens": span.reasoning_tokens or 0,
        "finish_reasons": span.finish_reasons,
        "failed": span.error is not None and span.status == "error",
        "streaming": span.streaming or None,
        "cost_status": span.cost_status,
        "kind": span.kind,
        "input": said(span.input_messages),
        "system": span.system,
        "output": said(span.output_messages),
        "tools": [(tool.name, tool.id, tool.arguments) for tool in span.tool_calls],
    }


def said(messages: tuple[Message, ...]) -> str:
    """Texts, tool results and pictures of some messages, without the system's."""
    return "\n".join(
        str(part.result) if part.type == "tool_call_response" else part.content or ""
        for message in messages
        if message.role != "system"
        for part in message.parts
        if part.type in ("text", "tool_call_response")
    )
