"""Spans out as OTLP, in the names of today's GenAI conventions: what any OpenTelemetry backend takes.

The other way of `normalise`: a request made here and normalised again gives the same records, but for what
OTLP
has no place for (position, cost, settlement). `docs/rest.md` lists what is lost.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

import msgspec

from lumina_schemas.mapping.content import SYSTEM
from lumina_schemas.mapping.fields import ENDPOINT, ENVIRONMENTS, PROJECT, SAMPLE_RATE, SERVICE
from lumina_schemas.mapping.kinds import DEFAULT_OPERATIONS, OPERATIONS
from lumina_schemas.mapping.usage import EXCLUSIVE_OUTPUT, USAGE_OBJECTS
from lumina_schemas.span import Document, Span, SpanEvent
from lumina_streams.core.span.draft import SPAN_KINDS, STATUSES
from lumina_streams.core.span.tokens import leaves_cached_out

SPANS_A_REQUEST = 100

# The one convention that has a word for each of our kinds; said only where the operation does not say it.
_KINDS = {
    "llm": "LLM",
    "embedding": "EMBEDDING",
    "rerank": "RERANKER",
    "agent": "AGENT",
    "chain": "CHAIN",
    "tool": "TOOL",
    "retrieval": "RETRIEVER",
    "guardrail": "GUARDRAIL",
    "prompt": "PROMPT",
}

_NAMES = (
    ("provider", "gen_ai.provider.name"),
    ("operation", "gen_ai.operation.name"),
    ("request_model", "gen_ai.request.model"),
    ("response_model", "gen_ai.response.model"),
    ("response_id", "gen_ai.response.id"),
    ("session_id", "gen_ai.conversation.id"),
    ("user_id", "user.id"),
    ("prompt_name", "gen_ai.prompt.name"),
    ("prompt_version", "gen_ai.prompt.version"),
    ("service_tier", "gen_ai.response.service_tier"),
    ("cache_read_tokens", "gen_ai.usage.cache_read.input_tokens"),
    ("cache_write_tokens", "gen_ai.usage.cache_creation.input_tokens"),
    ("cache_write_1h_tokens", "anthropic.usage.cache_creation.ephemeral_1h_input_tokens"),
    ("reasoning_tokens", "gen_ai.usage.reasoning.output_tokens"),
    ("input_tokens", "gen_ai.usage.input_tokens"),
    ("streaming", "gen_ai.request.stream"),
    ("sample_rate", SAMPLE_RATE),
    ("endpoint", ENDPOINT),
)

_KIND_NUMBERS = {name: number for number, name in enumerate(SPAN_KINDS)}

_text = msgspec.json.Encoder().encode

Json = dict[str, Any]


def requests(spans: Iterable[Span]) -> Iterator[Json]:
    """ExportTraceServiceRequests as OTLP/JSON says them, of at most SPANS_A_REQUEST spans each, in their
    order.
    """
    left = iter(spans)
    while some := list(islice(left, SPANS_A_REQUEST)):
        yield {"resourceSpans": [_of_resource(group) for group in _runs(some, _resource)]}


def _runs(spans: Sequence[Span], key: Any) -> Iterator[list[Span]]:
    for _, group in groupby(spans, key):
        yield list(group)


def _resource(span: Span) -> bytes:
    return _text((span.project, span.service, span.environment, span.resource))


def _of_resource(spans: list[Span]) -> Json:
    first = spans[0]
    resource = {SERVICE: first.service, PROJECT: first.project}
    if first.environment:
        resource[ENVIRONMENTS[0]] = first.environment
    return {
        "resource": {"attributes": _attributes(first.resource | resource)},
        "scopeSpans": [
            {"scope": {"name": group[0].scope}, "spans": [_span(span) for span in group]}
            for group in _runs(spans, lambda span: span.scope)
        ],
    }


def _span(span: Span) -> Json:
    end_ns = span.start_ns + round(span.duration_ms * 1e6)
    found: Json = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": _KIND_NUMBERS.get(span.span_kind, 1),
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(end_ns),
        "attributes": _attributes(span.attributes | told(span)),
        "events": [_event(event) for event in span.events],
        "status": {"code": STATUSES.index(span.status) if span.status in STATUSES else 0},
    }
    if span.parent_span_id:
        found["parentSpanId"] = span.parent_span_id
    if span.status == "error" and span.error is not None and span.error.message:
        found["status"]["message"] = span.error.message
    return found


def told(span: Span) -> Json:
    """The attributes that a span's fields are told by."""
    values = {name: value for field, name in _NAMES if (value := getattr(span, field)) not in (None, "")}
    if span.provider_guessed:
        del values["gen_ai.provider.name"]
    # What an operation or its absence says already is not said twice.
    if span.kind in _KINDS and OPERATIONS.get(span.operation) != span.kind:
        values["openinference.span.kind"] = _KINDS[span.kind]
    if (
        span.operation
        and span.operation == DEFAULT_OPERATIONS.get(span.kind)
        and "openinference.span.kind" in values
    ):
        del values["gen_ai.operation.name"]
    if span.finish_reasons:
        values["gen_ai.response.finish_reasons"] = list(span.finish_reasons)
    if span.tags:
        values["lumina.tags"] = list(span.tags)
    if span.error is not None:
        values["error.type"] = span.error.type
        if span.error.message:
            values["error.message"] = span.error.message
    if span.ttft_ms is not None:
        # One of the two also says that the answer was a stream.
        name = (
            "gen_ai.response.time_to_first_chunk" if span.streaming else "gen_ai.server.time_to_first_token"
        )
        values[name] = span.ttft_ms / 1000
    if span.output_tokens is not None:
        apart = span.scope in EXCLUSIVE_OUTPUT and span.reasoning_tokens
        values["gen_ai.usage.output_tokens"] = span.output_tokens - (apart or 0)
    cached = (span.cache_read_tokens or 0) + (span.cache_write_tokens or 0)
    if (
        cached
        and span.input_tokens is not None
        and (
            leaves_cached_out(span.scope, span.provider)
            or any(name in span.attributes for name in USAGE_OBJECTS)
        )
    ):
        # By its scope the input would be taken to leave cached tokens out.
        values["ai.usage.inputTokenDetails.noCacheTokens"] = max(0, span.input_tokens - cached)
    return values | _content(span)


def _content(span: Span) -> Json:
    values: Json = {}
    if span.system:
        values[SYSTEM] = _text([{"type": "text", "content": span.system}]).decode()
    if span.input_messages:
        values["gen_ai.input.messages"] = _text(span.input_messages).decode()
    if span.output_messages:
        values["gen_ai.output.messages"] = _text(span.output_messages).decode()
    if span.retrieval_query:
        values["gen_ai.retrieval.query.text"] = span.retrieval_query
    if span.retrieval_documents:
        documents = [_document(document) for document in span.retrieval_documents]
        values["gen_ai.retrieval.documents"] = _text(documents).decode()
    return values


def _document(document: Document) -> Json:
    told = {"id": document.id, "score": document.score, "content": document.excerpt}
    return {name: value for name, value in told.items() if value not in (None, "")}


def _event(event: SpanEvent) -> Json:
    return {
        "name": event.name,
        "timeUnixNano": str(event.time_ns),
        "attributes": _attributes(event.attributes),
    }


def _attributes(values: Mapping[str, Any]) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in values.items() if value is not None]


def _value(value: Any) -> Json:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if -(2**63) <= value < 2**63 else {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list | tuple):
        return {"arrayValue": {"values": [_value(each) if each is not None else {} for each in value]}}
    if isinstance(value, dict):
        return {
            "kvlistValue": {
                "values": [
                    {"key": str(key), "value": _value(each) if each is not None else {}}
                    for key, each in value.items()
                ]
            }
        }
    return {"stringValue": str(value)}
