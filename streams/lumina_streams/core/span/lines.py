"""Records in, NDJSON lines out, each within the size that a Kafka message may have.

A span too large for a message is shortened, longest texts first, and says which fields; it is never lost.
"""

from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from lumina_schemas.call import call_of
from lumina_schemas.source import Source
from lumina_schemas.span import Content, Message, Part, Span, SpanError, SpanEvent
from lumina_streams.core.otlp import Undecodable

MESSAGE_OVERHEAD = 1_000
"""Bytes of a Kafka record beside its value, generously."""

MARKER = "…[truncated {} chars]"
SHORTEST = 256
"""Texts are not cut below this many characters as long as anything else can go."""

KEPT_NAMES = 50
"""Characters that stay of a name in a span of which only the bones fit."""

Line = TypeVar("Line", bound=Span | Content)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Span | Content).decode


def encode_line(line: Line, limit: int) -> bytes:
    """The line as JSON without a newline, at most `limit` bytes."""
    encoded = _encode(line)
    return encoded if len(encoded) <= limit else _encode(fit(line, limit))


def encode_call(span: Span) -> bytes:
    """The message of `lumina.calls` for a priced span."""
    return _encode(call_of(span))


def moved(line: bytes, src: Source) -> Span | Content:
    """The record of an encoded line, under another position. Raises Undecodable where it is none."""
    try:
        record: Span | Content = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Undecodable(f"not a line of spans: {error}") from error
    return replace(record, src=src)


def fit(line: Line, limit: int) -> Line:
    """The same record, shortened until its JSON has at most `limit` bytes (10,000 or more)."""
    if len(_encode(line)) <= limit:
        return line
    cap = max(limit // 2, SHORTEST)
    while True:
        shorter = _capped(line, cap)
        if len(_encode(shorter)) <= limit:
            return shorter
        if cap == SHORTEST:
            return _bones(shorter, limit)
        cap = max(cap // 2, SHORTEST)


def _capped(line: Line, cap: int) -> Line:
    """Every text of the record cut to `cap` characters, and the names of the fields that lost some."""
    changes: dict[str, Any] = {
        "system": _text(line.system, cap),
        "input_messages": _messages(line.input_messages, cap),
        "output_messages": _messages(line.output_messages, cap),
    }
    if isinstance(line, Span):
        changes |= {
            "name": _text(line.name, cap),
            "error": line.error and SpanError(line.error.type, _text(line.error.message, cap)),
            "tool_calls": tuple(
                replace(call, arguments=_value(call.arguments, cap)) for call in line.tool_calls
            ),
            "retrieval_query": _text(line.retrieval_query, cap),
            "retrieval_documents": tuple(
                replace(document, excerpt=_text(document.excerpt, cap))
                for document in line.retrieval_documents
            ),
            "attributes": {key: _value(value, cap) for key, value in line.attributes.items()},
            "resource": {key: _value(value, cap) for key, value in line.resource.items()},
            "events": tuple(_event(event, cap) for event in line.events),
        }
    return _changed(line, changes)


def _bones(line: Line, limit: int) -> Line:
    """Drop whole fields, the least needed first, until the record fits."""
    drops: list[tuple[str, Any]] = [("input_messages", ()), ("system", ""), ("output_messages", ())]
    if isinstance(line, Span):
        drops = [
            ("events", ()),
            ("attributes", {}),
            ("resource", {}),
            ("retrieval_documents", ()),
            ("retrieval_query", ""),
            ("tags", ()),
            ("input_messages", line.input_messages[-4:]),
            ("output_messages", line.output_messages[-4:]),
            *drops,
            ("tool_calls", ()),
            *(
                (field, getattr(line, field)[:KEPT_NAMES])
                for field in (
                    "name",
                    "session_id",
                    "user_id",
                    "prompt_name",
                    "prompt_version",
                    "request_model",
                    "response_model",
                    "response_id",
                    "cost_reason",
                    "service_tier",
                    "environment",
                    "release",
                    "scope",
                )
            ),
            (
                "error",
                line.error and SpanError(line.error.type[:KEPT_NAMES], line.error.message[:KEPT_NAMES]),
            ),
            ("finish_reasons", ()),
        ]
    for field, value in drops:
        line = _changed(line, {field: value})
        if len(_encode(line)) <= limit:
            break
    return line


def _changed(line: Line, changes: dict[str, Any]) -> Line:
    """The record with these fields; a span names those that are not what they were."""
    if isinstance(line, Content):
        return replace(line, **changes)
    lost: set[str] = {field for field, value in changes.items() if getattr(line, field) != value}
    return replace(line, **changes, truncated=tuple(sorted({*line.truncated, *lost})))


def _messages(messages: tuple[Message, ...], cap: int) -> tuple[Message, ...]:
    return tuple(
        replace(message, parts=tuple(_part(part, cap) for part in message.parts)) for message in messages
    )


def _part(part: Part, cap: int) -> Part:
    return replace(
        part,
        content=None if part.content is None else _text(part.content, cap),
        arguments=_value(part.arguments, cap),
        result=_value(part.result, cap),
    )


def _event(event: SpanEvent, cap: int) -> SpanEvent:
    return replace(
        event,
        name=_text(event.name, cap),
        attributes={key: _value(value, cap) for key, value in event.attributes.items()},
    )


def _value(value: Any, cap: int) -> Any:
    """A value cut to `cap` characters; structures that are larger become text."""
    if isinstance(value, str):
        return _text(value, cap)
    if isinstance(value, dict | list):
        encoded = _encode(value)
        if len(encoded) > cap:
            return _text(encoded.decode(), cap)
    return value


def _text(text: str, cap: int) -> str:
    """A text cut to `cap` characters, with a marker that says how many are gone."""
    if len(text) <= cap:
        return text
    kept = max(cap - len(MARKER) - 8, 0)
    return text[:kept] + MARKER.format(len(text) - kept)
