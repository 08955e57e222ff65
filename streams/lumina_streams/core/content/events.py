"""Span events in: messages, the first token's time, the exception; the other events stay events."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from lumina_schemas.mapping.content import ELIDED, MESSAGE_EVENTS, OPERATION_DETAILS
from lumina_schemas.mapping.fields import FIRST_TOKEN_EVENTS
from lumina_schemas.span import SpanEvent
from lumina_streams.core.content.finish import finish_reason
from lumina_streams.core.content.messages import Messages, blocks_in, messages_of
from lumina_streams.core.span.attributes import Reading, plain, read

MAX_NS = 2**63 - 1


class Happened(NamedTuple):
    """What the events of one span tell."""

    events: tuple[SpanEvent, ...] = ()
    inputs: Messages = ()
    outputs: Messages = ()
    first_token_ns: int | None = None
    exception_type: str = ""
    exception_message: str = ""


NOTHING = Happened()


def happened(events: Iterable[Any], reading: Reading) -> Happened:
    """Read a span's events (OTLP `Span.Event`s). Content attributes of a whole call go into `reading`."""
    kept: list[SpanEvent] = []
    inputs: Messages = ()
    outputs: Messages = ()
    first: int | None = None
    kind = message = ""
    for event in events:
        name = event.name
        at = event.time_unix_nano
        if name in FIRST_TOKEN_EVENTS:
            first = at if first is None else min(first, at)
        elif name in MESSAGE_EVENTS:
            side, found = event_messages(name, plain(event.attributes))
            if side == "input":
                inputs += found
            else:
                outputs += found
        elif name == OPERATION_DETAILS:
            read(event.attributes, reading)
        else:
            attributes = plain(event.attributes)
            if name == "exception":
                kind = kind or str(attributes.get("exception.type", ""))
                message = message or str(attributes.get("exception.message", ""))
            kept.append(SpanEvent(name, min(at, MAX_NS), attributes))
    return Happened(tuple(kept), inputs, outputs, first, kind, message)


def listed_events(value: Any) -> tuple[Messages, Messages]:
    """(input, output) out of message events that stand in one attribute as a JSON list; () where it is none.

    The answer is the choice; where there is none, the assistant's message at the end.
    """
    try:
        events = msgspec.json.decode(value) if isinstance(value, str) and value.startswith("[") else None
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return (), ()
    if not isinstance(events, list):
        return (), ()
    inputs: Messages = ()
    outputs: Messages = ()
    last: Messages = ()
    for event in events:
        name = event.get("event.name") if isinstance(event, dict) else None
        if name not in MESSAGE_EVENTS:
            continue
        side, found = event_messages(name, event)
        if side == "output":
            outputs += found
        else:
            inputs += found
            last = found if name == "gen_ai.assistant.message" else ()
    if last and not outputs:
        return inputs[: -len(last)], last
    return inputs, outputs


def event_messages(name: str, body: Any) -> tuple[str, Messages]:
    """(side, messages) of an event that is one message; `body`: a log's body or an event's attributes."""
    side, role = MESSAGE_EVENTS[name]
    if isinstance(body, str) and body.startswith("{"):
        try:
            body = msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            return side, messages_of(body, role)
    if not isinstance(body, dict):
        return side, messages_of(body, role)
    whole = body.get("gen_ai.prompt") if side == "input" else body.get("gen_ai.completion")
    if whole is not None:
        return side, messages_of(whole, role)
    inner = body.get("message")
    if isinstance(inner, str | list):
        reason = finish_reason(body.get("finish_reason")) or None
        return side, tuple(
            msgspec.structs.replace(message, finish_reason=message.finish_reason or reason)
            for message in messages_of(inner, role)
        )
    if isinstance(inner, dict):
        return side, messages_of(
            [{"message": {"role": role} | inner, "finish_reason": body.get("finish_reason")}], role
        )
    fields = {key: body[key] for key in ("role", "content", "tool_calls", "id") if body.get(key) is not None}
    if isinstance(content := fields.get("content"), str) and (content in ELIDED or content.startswith("[{")):
        fields["content"] = [] if content in ELIDED else blocks_in(content)
    if not (fields.keys() - {"role"}) or (fields.get("content") == [] and "tool_calls" not in fields):
        return side, ()
    return side, messages_of([{"role": role} | fields], role)
