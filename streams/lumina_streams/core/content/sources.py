"""Which of a span's sources its prompt and its answer are taken from."""

from operator import itemgetter
from typing import Any

import msgspec

from lumina_schemas.mapping.content import GENERIC, QUOTED
from lumina_schemas.mapping.kinds import LEAVES
from lumina_schemas.span import Kind, Message, Part
from lumina_streams.core.content.events import Happened, listed_events
from lumina_streams.core.content.messages import (
    Messages,
    indexed_messages,
    messages_of,
    split_system,
    system_of,
)
from lumina_streams.core.content.parts import UNREADABLE
from lumina_streams.core.span.attributes import Path, Reading

_ROLES = {"input": "user", "output": "assistant"}


def content_of(reading: Reading, kind: Kind, what: Happened) -> tuple[str, Messages, Messages]:
    """(system, input, output): the first source of each side that yields a message.

    Order: the OTel attribute, numbered attributes, span events, then the other attributes (those that hold
    whatever a function took or gave only on a call of a model). What was read is not shown again, nor are
    vectors; what could not be read stays an attribute.
    """
    leaf = kind in LEAVES
    system = ""
    inputs: Messages = ()
    outputs: Messages = ()
    tools: Messages = ()
    rest = False
    told_in: Messages = ()
    told_out: Messages = ()
    for side, rank, _, value in reading.content:
        if side == "system":
            system = system_of(value)
        elif side == "events":
            told_in, told_out = listed_events(value)
        elif side == "tool_calls":
            tools = messages_of(value, "assistant")
        elif rank:
            rest = True
        elif side == "input":
            inputs = messages_of(value, "user")
        else:
            outputs = messages_of(value, "assistant")
    inputs = inputs or _elsewhere(reading, "input", what.inputs or told_in, leaf, rest)
    outputs = outputs or _elsewhere(reading, "output", what.outputs or told_out, kind == "llm", rest)
    for side, _, key, value in reading.content:
        taken = {"input": inputs, "output": outputs, "events": told_in or told_out}.get(side, system or tools)
        if not taken and not (kind == "embedding" and side == "output"):
            reading.other[key] = value
    if tools:
        calls = tuple(part for message in tools for part in message.parts if part.type == "tool_call")
        outputs = _with_calls(outputs, calls)
    leading, inputs = split_system(inputs)
    return system or leading, inputs, outputs


def _elsewhere(reading: Reading, side: str, events: Messages, leaf: bool, rest: bool) -> Messages:
    """Messages of one side where the OTel attribute has none."""
    role = _ROLES[side]
    if reading.indexed:
        pieces: dict[int, list[tuple[Path, Any]]] = {}
        for of, rank, path, value in reading.indexed:
            if of == side:
                pieces.setdefault(rank, []).append((path, value))
        for rank in sorted(pieces):
            messages = indexed_messages(pieces[rank], role)
            if messages:
                return messages
    if events or not rest:
        return events
    for of, rank, key, value in sorted(reading.content, key=itemgetter(1)):
        if of == side and rank and (leaf or key not in GENERIC):
            messages = messages_of(_unquoted(value) if key in QUOTED else value, role)
            if messages:
                return messages
    return ()


def _unquoted(value: Any) -> Any:
    """Texts out of the JSON texts that some write them as; what is none stays."""
    if isinstance(value, list):
        return [_unquoted(item) for item in value]
    try:
        return msgspec.json.decode(value) if isinstance(value, str) else value
    except UNREADABLE:
        return value


def _with_calls(outputs: Messages, calls: tuple[Part, ...]) -> Messages:
    """An answer and the tool calls that were sent beside it, as one message."""
    if not outputs:
        return (Message("assistant", calls),) if calls else ()
    last = outputs[-1]
    return (*outputs[:-1], Message(last.role, last.parts + calls, last.finish_reason))
