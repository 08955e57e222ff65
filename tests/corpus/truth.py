"""Captured spans of real instrumentations against what the provider really answered.

What an instrumentation itself lost stands in `lost.py` instead of the truth, so that a lost fact is asserted
too. Whoever makes calls of a capture, in whatever way, asks `check`.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import genai_prices
import pytest

from corpus.lost import lost_in, meant
from lumina_schemas.mapping.content import SYSTEM_ROLES
from lumina_schemas.mapping.finish import FINISH_REASONS
from lumina_schemas.span import Message, Span

CORPUS = Path(__file__).parent
PROVIDERS = {"google": {"gcp.gemini", "gcp.gen_ai"}}


def names() -> list[str]:
    """All captures."""
    return sorted(path.name.removesuffix(".truth.json") for path in CORPUS.glob("*.truth.json"))


def truth_of(name: str) -> dict[str, Any]:
    """What really happened in a capture."""
    truth: dict[str, Any] = json.loads((CORPUS / f"{name}.truth.json").read_text())
    return truth


def check(name: str, spans: Iterable[Span]) -> None:
    """Assert that these spans of a capture are its calls, field by field, with their cost."""
    lost = lost_in(name)
    truth = truth_of(name)["calls"]
    truth = [truth[index] for index in lost["only"]] if "only" in lost else truth
    calls = sorted((span for span in spans if span.priced), key=lambda span: span.start_ns)
    assert len(calls) == lost.get("calls", len(truth))
    for number, (span, call) in enumerate(zip(calls, truth, strict=False)):
        wanted = expected(call)
        wanted |= {field: meant(value, wanted, number) for field, value in lost.items()}
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
    hours = (call.get("usage") or {}).get("cache_write_1h", 0) if span.cache_write_tokens else 0
    by_request = call["provider"] == "google" or not call["response_model"]
    known = {
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cache_read_tokens": span.cache_read_tokens,
        "cache_write_tokens": span.cache_write_tokens,
        "cache_write_1h_tokens": hours if "1-hour" not in span.cost_reason else None,
    }
    price = genai_prices.calc_price(
        genai_prices.Usage(**{key: count for key, count in known.items() if count}),
        model_ref=call["request_model"] if by_request else call["response_model"],
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
    inputs = call["input_messages"] or call.get("query") or []
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
        "kind": "embedding" if embedding else "rerank" if call["api"] == "rerank" else "llm",
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
    if "functionResponse" in raw:
        return [str(raw["functionResponse"]["response"])]
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
    """Texts and tool results of some messages, without the system's."""
    texts = (
        str(part.result) if part.type == "tool_call_response" else part.content or ""
        for message in messages
        if message.role != "system"
        for part in message.parts
        if part.type in ("text", "tool_call_response")
    )
    return "\n".join(text for text in texts if text)
