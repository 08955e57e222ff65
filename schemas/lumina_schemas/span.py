"""The lines of `lumina.spans`: one normalised span each, or content that came later than its span.

A message's value is NDJSON; every line is one `Span` or one `Content`, told apart by its `type`. The
field names are the same in topic, view, REST and command line.
"""

from typing import Any, Literal

from msgspec import Struct

from lumina_schemas.source import Source

SCHEMA_VERSION = 1

Kind = Literal[
    "llm",  # one model call that answers: chat, completion
    "embedding",
    "rerank",
    "agent",  # roll-ups: they contain calls
    "chain",
    "tool",
    "retrieval",
    "guardrail",
    "prompt",
    "span",  # anything else: HTTP, database, own code
]
Status = Literal["unset", "ok", "error"]
CostStatus = Literal["exact", "estimated", "unknown"]


class Part(Struct, frozen=True, omit_defaults=True):
    """One piece of a message, in the shape of the OTel GenAI conventions (1.37 and later)."""

    type: str  # text, tool_call, tool_call_response, reasoning, blob, uri, file, ...
    content: str | None = None  # text, reasoning
    id: str | None = None  # tool_call, tool_call_response
    name: str | None = None  # tool_call
    arguments: Any = None  # tool_call: JSON value
    result: Any = None  # tool_call_response: JSON value


class Message(Struct, frozen=True, omit_defaults=True):
    """One message of a prompt or an answer."""

    role: str
    parts: tuple[Part, ...] = ()
    finish_reason: str | None = None


class ToolCall(Struct, frozen=True, omit_defaults=True):
    """A tool that the model asked for in its answer."""

    name: str
    id: str | None = None
    arguments: Any = None


class SpanError(Struct, frozen=True, omit_defaults=True):
    """What went wrong in a span."""

    type: str  # error.type, exception.type or "error"
    message: str = ""


class SpanEvent(Struct, frozen=True, omit_defaults=True):
    """An OTLP span event that carries no prompt or answer."""

    name: str
    time_ns: int
    attributes: dict[str, Any] = {}


class Document(Struct, frozen=True, omit_defaults=True):
    """A document that a retrieval found or a rerank ordered, best first."""

    id: str = ""
    score: float | None = None  # as sent: a similarity or a distance
    excerpt: str = ""  # the beginning of its text


class Span(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="span"):
    """One normalised span. Absent means unknown, never zero."""

    v: int  # SCHEMA_VERSION
    src: Source
    series_id: str
    trace_id: str  # 32 hex digits
    span_id: str  # 16 hex digits
    parent_span_id: str = ""
    project: str
    service: str
    endpoint: str
    environment: str = ""
    release: str = ""  # service.version
    name: str
    span_kind: str = "internal"  # OTLP: internal, server, client, producer, consumer
    kind: Kind = "span"
    operation: str = ""  # gen_ai.operation.name: chat, embeddings, execute_tool, ...
    start_ns: int  # Unix time
    duration_ms: float
    ttft_ms: float | None = None
    status: Status = "unset"
    error: SpanError | None = None
    provider: str = ""  # canonical: openai, anthropic, aws.bedrock, ...
    provider_guessed: bool = False  # nobody named it: taken from the host or the model's name
    request_model: str = ""
    response_model: str = ""
    response_id: str = ""
    system: str = ""  # system instructions
    input_messages: tuple[Message, ...] = ()
    output_messages: tuple[Message, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    input_tokens: int | None = None  # cached ones included
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None  # of every time to live
    cache_write_1h_tokens: int | None = None  # the part of them that is kept for an hour
    output_tokens: int | None = None  # reasoning included
    reasoning_tokens: int | None = None
    service_tier: str = ""  # what the provider answered in: default, flex, priority, batch, ...
    finish_reasons: tuple[str, ...] = ()
    streaming: bool | None = None
    session_id: str = ""
    user_id: str = ""
    prompt_name: str = ""
    prompt_version: str = ""
    tags: tuple[str, ...] = ()
    retrieval_query: str = ""
    retrieval_documents: tuple[Document, ...] = ()
    cost_usd: float | None = None
    cost_status: CostStatus | None = None  # None where there is nothing to price
    cost_reason: str = ""  # why estimated or unknown
    price_version: str = ""  # by which prices; "" where none was looked for
    reported_cost_usd: float | None = None  # what the sender says that it cost; never in sums
    priced: bool = False  # True: this span is a call and counts in sums; false on roll-ups and duplicates
    duplicate_of: str = ""  # id of the span that is the call of which this one tells again
    candidate: bool = False  # a roll-up with tokens: a call if no call of its trace is below it
    sample_rate: float | None = None  # share of the traffic that was sent; None: all of it
    clock_skew: bool = False  # it ends more than 10 min after the log took it: stored, never judged
    endpoint_overflow: str = ""  # the attribute with too many values, where the endpoint became `other`
    scope: str = ""  # instrumentation scope
    attributes: dict[str, Any] = {}  # what no field above holds, for display
    resource: dict[str, Any] = {}
    events: tuple[SpanEvent, ...] = ()
    truncated: tuple[str, ...] = ()  # fields that were shortened to fit a message


class Content(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="content"):
    """Prompt or answer found in a log record after its span had left; the views merge it by span id."""

    v: int
    src: Source
    series_id: str
    trace_id: str
    span_id: str
    project: str
    system: str = ""
    input_messages: tuple[Message, ...] = ()
    output_messages: tuple[Message, ...] = ()


Line = Span | Content
