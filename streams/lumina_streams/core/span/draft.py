"""One span of one instrumentation, read by the tables, before it is known what its neighbours say."""

import re
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from lumina_schemas.mapping.fields import MADE_UP_IDS, SCOPED, STREAMING_METHODS, STREAMING_NAMES
from lumina_schemas.mapping.kinds import (
    CANDIDATES,
    DEFAULT_OPERATIONS,
    KIND_TABLES,
    LEAVES,
    NAMED_BY_SPAN,
    NAMED_KINDS,
    NO_CALLS,
    OPERATION_ALIASES,
    OPERATIONS,
    ROLLUP_SCOPES,
    SPAN_NAMES,
)
from lumina_schemas.mapping.providers import HOST_ATTRIBUTES
from lumina_schemas.mapping.retrieval import RESULT_EVENTS
from lumina_schemas.mapping.usage import USAGE_OBJECTS
from lumina_schemas.span import Document, Kind, SpanError, SpanEvent, Status
from lumina_streams.core.baseline.moment import ns_of
from lumina_streams.core.content import events
from lumina_streams.core.content.dumps import NO_DUMP, dumped_in
from lumina_streams.core.content.finish import finish_reasons
from lumina_streams.core.content.messages import Messages
from lumina_streams.core.content.parts import UNREADABLE
from lumina_streams.core.content.retrieval import retrieved
from lumina_streams.core.content.sources import content_of
from lumina_streams.core.span.attributes import MAX_NAME_CHARS, Reading, name_of, read
from lumina_streams.core.span.provider import provider_of, unrouted
from lumina_streams.core.span.reported import reported_cost
from lumina_streams.core.span.sampling import share, share_of
from lumina_streams.core.span.settlement import continued
from lumina_streams.core.span.tokens import NOTHING, Usage, usage_of

MAX_ERROR_CHARS = 4_000
MAX_NS = 2**63 - 1
STATUSES: tuple[Status, ...] = ("unset", "ok", "error")
SPAN_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
ENTRIES = frozenset({"server", "consumer"})
"""Kinds of span that serve something: their route names an endpoint."""

FIRST = frozenset({"first_token_s", "first_token_ms", "first_token_mixed", "first_token_at"})
_MADE_UP_IDS = {scope: re.compile(pattern) for scope, pattern in MADE_UP_IDS.items()}
MAX_TAGS = 50

END_BEFORE_START = "lumina.end_before_start_ns"
"""Attribute of a span that ended before it started: by how much. Its duration is 0."""


class Context(Struct, frozen=True):
    """What a span has from its resource and scope."""

    project: str
    service: str
    environment: str
    release: str
    endpoint: str
    resource: dict[str, Any]
    scope: str
    sample_rate: float | None = None


class Draft(Struct):
    """A span on its way to `lumina_schemas.span.Span`; same names, still open to what its neighbours know."""

    context: Context
    index: int
    trace_id: str
    span_id: str
    parent_span_id: str
    name: str
    span_kind: str
    start_ns: int
    end_ns: int
    status: Status
    error: SpanError | None
    kind: Kind
    operation: str
    provider: str
    provider_named: bool
    request_model: str
    response_model: str
    response_id: str
    usage: Usage
    service_tier: str
    system: str
    input_messages: Messages
    output_messages: Messages
    finish_reasons: tuple[str, ...]
    streaming: bool | None
    ttft_ms: float | None
    session_id: str
    user_id: str
    prompt_name: str
    prompt_version: str
    endpoint: str
    workflow: str
    route: str
    release: str
    attributes: dict[str, Any]
    ranks: dict[str, int]  # by field: which of the names in its table told it
    events: tuple[SpanEvent, ...]
    tags: tuple[str, ...] = ()
    sample_rate: float | None = None
    candidate: bool = False
    duplicate_of: str = ""
    retrieval_query: str = ""
    retrieval_documents: tuple[Document, ...] = ()
    reported_cost_usd: float | None = None

    @property
    def leaf(self) -> bool:
        """Whether it is a call of a model: what is priced."""
        return self.kind in LEAVES

    @property
    def continues(self) -> bool:
        """Whether it is the end of a stream that another span began."""
        return self.leaf and continued(self.context.scope, self.name)

    @property
    def provider_guessed(self) -> bool:
        """Whether the provider follows from other signs than its name."""
        return bool(self.provider) and not self.provider_named


def draft_of(span: Any, context: Context, index: int) -> Draft:
    """Read one OTLP span with valid ids; `index` is its place in the message."""
    reading = read(span.attributes)
    scope = context.scope
    if scope in SCOPED:
        _scoped(reading, SCOPED[scope])
    what = events.happened(span.events, reading) if span.events else events.NOTHING
    found = reading.fields
    if scope.startswith(NAMED_BY_SPAN) and "operation" not in found and span.status.code == 2:
        _named(found, span.name)
    get = found.get
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    if end < start:
        reading.other[END_BEFORE_START] = min(start - end, MAX_NS)
        end = start
    name = span.name
    code = span.status.code
    error = _error(span, code, found, what)
    kind, open_kind = _kind(found, scope, name)
    if kind == "span" and any(event.name in RESULT_EVENTS for event in what.events):
        kind = "retrieval"
    leaf = kind in LEAVES
    continues = leaf and continued(scope, name)
    if continues and (elapsed := found.get("elapsed_s")) is not None:
        start = _before(end, elapsed)
    if found or reading.content or reading.indexed or what.inputs or what.outputs:
        system, inputs, outputs = content_of(reading, kind, what)
    else:
        system, inputs, outputs = "", (), ()
    query, documents = retrieved(reading, what.events) if kind in ("retrieval", "rerank") else ("", ())
    request, response, either = (
        name_of(value) if (value := get("request_model")) else "",
        name_of(value) if (value := get("response_model")) else "",
        name_of(value) if (value := get("model")) else "",
    )
    dumped = dumped_in(reading, outputs) if leaf and not (request and "response_id" in found) else NO_DUMP
    request = request or dumped.request_model
    named = name_of(value) if (value := get("provider")) else ""
    provider, usage = "", NOTHING
    if kind != "span":
        host = reading.other.get(HOST_ATTRIBUTES[0]) or reading.other.get(HOST_ATTRIBUTES[1])
        provider = provider_of(named, host if isinstance(host, str) else "", response or request or either)
        usage = usage_of(reading, scope, provider)
    answered = (
        usage.known
        or any(message.parts for message in outputs)
        or "response_id" in found
        or bool(dumped.response_id)
    )
    if answered:
        response = response or dumped.response_model or either
    elif error is not None:
        response = ""  # some write the requested model here, whatever came back
    request = request or either
    routed = "/" in request or "/" in response
    if routed:
        asked = request or response
        routed = bool(provider) and unrouted(asked, provider) != asked
        request, response = unrouted(request, provider), unrouted(response, provider)
    reasons = finish_reasons(found["finish_reasons"]) if "finish_reasons" in found else ()
    if len(dumped.reasons) > len(reasons):
        reasons = dumped.reasons
    if not reasons and outputs:
        reasons = tuple(message.finish_reason for message in outputs if message.finish_reason)
    if kind == "llm" and "embed" in (request or response).lower():
        kind = "embedding"  # whatever the API's operation is called (Bedrock's InvokeModel)
    operation = name_of(found.get("operation")).lower()
    event_ns = what.first_token_ns
    first = (
        _first_token_ms(found, event_ns, start)
        if event_ns is not None or not FIRST.isdisjoint(found)
        else None
    )
    streaming = _flag(found.get("streaming"))
    if streaming is None and (
        what.first_token_ns is not None
        or dumped.streaming
        or "first_token_s" in found
        or "first_token_ms" in found
        or "first_token_at" in found
        or continues
        or name in STREAMING_NAMES
        or ("route" in found and name_of(found["route"]) in STREAMING_METHODS)
        or ("vercel_operation" in found and "doStream" in name_of(found["vercel_operation"]))
    ):
        streaming = True
    parent, number = span.parent_span_id, span.kind
    response_id = name_of(value) if (value := get("response_id")) else ""
    if response_id and scope in _MADE_UP_IDS and _MADE_UP_IDS[scope].fullmatch(response_id):
        reading.other.setdefault("gen_ai.response.id", response_id)
        response_id = ""
    return Draft(
        context=context,
        index=index,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=parent.hex() if len(parent) == 8 else "",
        name=name,
        span_kind=SPAN_KINDS[number] if 0 <= number < len(SPAN_KINDS) else "internal",
        start_ns=min(start, MAX_NS),
        end_ns=min(end, MAX_NS),
        status=STATUSES[code] if 0 <= code < len(STATUSES) else "unset",
        error=error,
        kind=kind,
        operation=OPERATION_ALIASES.get(operation, operation) or DEFAULT_OPERATIONS.get(kind, ""),
        provider=provider,
        provider_named=bool(named) or routed,
        request_model=request,
        response_model=response,
        response_id=response_id or dumped.response_id,
        usage=usage,
        service_tier=(name_of(value) if (value := get("service_tier")) else "").lower(),
        system=system,
        input_messages=inputs,
        output_messages=outputs,
        finish_reasons=reasons,
        streaming=streaming,
        ttft_ms=None if streaming is False else first,
        session_id=(name_of(value) if (value := get("session_id")) else ""),
        user_id=(name_of(value) if (value := get("user_id")) else ""),
        prompt_name=(name_of(value) if (value := get("prompt_name")) else ""),
        prompt_version=(name_of(value) if (value := get("prompt_version")) else ""),
        endpoint=(name_of(value) if (value := get("endpoint")) else "") or context.endpoint,
        workflow=(name_of(value) if (value := get("workflow")) else ""),
        route=(name_of(value) if (value := get("route")) else ""),
        release=context.release or (name_of(value) if (value := get("release")) else ""),
        attributes=reading.other,
        ranks=reading.ranks,
        events=what.events,
        tags=_tags(value) if (value := get("tags")) else (),
        sample_rate=_sample_rate(span, get("sample_rate"), context),
        candidate=open_kind and usage.known and scope not in ROLLUP_SCOPES,
        retrieval_query=query,
        retrieval_documents=documents,
        reported_cost_usd=reported_cost(reading, scope),
    )


def _named(found: dict[str, Any], name: str) -> None:
    """Take operation and model from the name of a span that says nothing else."""
    operation, _, model = name.partition(" ")
    if operation in OPERATIONS and model and "request_model" not in found:
        found |= {"operation": operation, "request_model": model}


def _scoped(reading: Reading, names: dict[str, str]) -> None:
    """Take the names that mean a field in this scope only."""
    for name, field in names.items():
        if name in reading.other and field == "usage":
            reading.objects.append((len(USAGE_OBJECTS), reading.other[name]))
        elif name in reading.other and field in ("input", "output"):
            reading.content.append((field, 1, name, reading.other.pop(name)))
        elif name in reading.other and field not in reading.fields:
            reading.fields[field] = reading.other.pop(name)


def _kind(found: dict[str, Any], scope: str, name: str) -> tuple[Kind, bool]:
    """Kind of a span, and whether a roll-up of this kind may be a call where no call is below it."""
    kind, is_open = _told_kind(found, scope, name)
    return ("chain", False) if kind in LEAVES and name.endswith(NO_CALLS) else (kind, is_open)


def _told_kind(found: dict[str, Any], scope: str, name: str) -> tuple[Kind, bool]:
    """What a convention calls a span, else a call if it has a model and usage or provider."""
    for field, table in KIND_TABLES:
        value = found.get(field)
        if value is not None:
            kind = table.get(value) if isinstance(value, str) else None
            if kind is None:
                value = name_of(value).lower()
                kind = table.get(value)
            if kind is not None:
                return kind, kind not in LEAVES and (field, value) in CANDIDATES
    named = SPAN_NAMES.get((scope, name))
    if named is not None and named not in LEAVES:
        return named, named == "agent"
    if ("request_model" in found or "response_model" in found) and (
        "provider" in found or "input_tokens" in found or "output_tokens" in found
    ):
        low = name.lower()
        return next((kind for word, kind in NAMED_KINDS if word in low), "llm"), False
    if named is not None and ("response_model" in found or "response_id" in found):
        return named, False
    return "span", False


def _error(span: Any, code: int, found: dict[str, Any], what: events.Happened) -> SpanError | None:
    """What went wrong, from status, attributes and the exception event."""
    kind = name_of(found.get("error_type"))
    if code != 2 and not kind:
        return None
    message = (
        span.status.message or what.exception_message or name_of(found.get("error_message"), MAX_ERROR_CHARS)
    )
    return SpanError(kind or what.exception_type[:MAX_NAME_CHARS] or "error", message[:MAX_ERROR_CHARS])


def _first_token_ms(found: dict[str, Any], event_ns: int | None, start_ns: int) -> float | None:
    """Time to the first token, in ms, from a duration or from an event's time."""
    for field, factor in (("first_token_s", 1_000.0), ("first_token_ms", 1.0), ("first_token_mixed", None)):
        value = found.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            if factor is None:  # one key, two units: integers are milliseconds
                factor = 1.0 if isinstance(value, int) else 1_000.0
            return round(value * factor, 6)
    if event_ns is None and "first_token_at" in found:
        event_ns = _moment_ns(found["first_token_at"])
    if event_ns is not None and event_ns >= start_ns:
        return (event_ns - start_ns) / 1e6
    return None


def _moment_ns(value: Any) -> int | None:
    """Unix time in ns of an RFC 3339 time, None where it is none or names no zone."""
    try:
        return ns_of(datetime.fromisoformat(name_of(value)))
    except (ValueError, TypeError, OverflowError):
        return None


def _before(end_ns: int, elapsed_s: Any) -> int:
    """The time so many seconds before another."""
    if (
        isinstance(elapsed_s, int | float)
        and not isinstance(elapsed_s, bool)
        and 0 <= elapsed_s * 1e9 <= end_ns
    ):
        return end_ns - int(elapsed_s * 1e9)
    return end_ns


def _sample_rate(span: Any, given: Any, context: Context) -> float | None:
    """Share of the traffic that was sent: what the span says, else its trace's sampler, else its resource."""
    if given is not None:
        return share(given)
    state = span.trace_state
    return (share_of(state) if state else None) or context.sample_rate


def _tags(value: Any) -> tuple[str, ...]:
    """Tags from a list, JSON text of one, or one tag."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = msgspec.json.decode(value)
        except UNREADABLE:
            return ()
    tags = value if isinstance(value, list) else [value]
    return tuple(dict.fromkeys(name for tag in tags[:MAX_TAGS] if (name := name_of(tag))))


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return None
