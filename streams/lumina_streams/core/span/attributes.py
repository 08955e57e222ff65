"""OTLP attributes in, one `Reading` a span out: fields found by name, content, and what no table knows.

One pass over the attributes with one dictionary look-up each: what a name means is worked out once per
name and remembered.
"""

import base64
import math
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from lumina_schemas.mapping import content, costs, fields, retrieval, usage
from lumina_schemas.mapping.providers import FRAMEWORKS

Path = tuple[str | int, ...]
Slot = tuple[int, str, int, Path]

OTHER, FIELD, KEPT, CONTENT, INDEXED, OBJECT, PROVIDER = range(7)
"""What an attribute is: unknown, a field, a field that is also shown, messages, a piece of one, a usage
object, a field in which frameworks write their own name."""

MAX_DEPTH = 32
"""Structured values nested deeper are shown as text: a hostile tower must not exhaust the stack later."""

MAX_NAME_CHARS = 200
"""Names (models, ids, sessions) are cut here: a sender that puts a text into one must not bloat every key."""

MAX_REMEMBERED = 20_000
"""Names remembered at most; senders that invent names without end cost time, not memory."""

_INDEX = re.compile(r"(\d{1,6})\.(.+)", re.DOTALL)


class Reading:
    """What the attributes of one span say.

    `fields` holds the best value per field of the tables, `other` what is only shown, `content` and
    `indexed` the candidates for messages by side (`input`, `output`), `objects` usage objects. `ranks` are
    the precedence of what is in `fields`.
    """

    __slots__ = ("content", "fields", "indexed", "objects", "other", "ranks")

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.ranks: dict[str, int] = {}
        self.other: dict[str, Any] = {}
        self.content: list[tuple[str, int, str, Any]] = []  # side, rank, name, value
        self.indexed: list[tuple[str, int, Path, Any]] = []  # side, rank, path, value
        self.objects: list[tuple[int, Any]] = []


def read(attributes: Iterable[Any], into: Reading | None = None) -> Reading:
    """Read attributes (a sequence of OTLP `KeyValue`); empty and absent values hold nothing."""
    reading = Reading() if into is None else into
    found, other, ranks, slots = reading.fields, reading.other, reading.ranks, _SLOTS
    for pair in attributes:
        key, any_value = pair.key, pair.value
        value = any_value.string_value or any_value.int_value or value_of(any_value)
        role, name, rank, path = slots.get(key) or _classify(key)
        if role == OTHER:
            if value is not None:
                other[key] = value
        elif not value and (value is None or value == "" or value == []):
            continue
        elif role == FIELD:
            if name not in found or rank < ranks[name]:
                ranks[name] = rank
                found[name] = value
        elif role == CONTENT:
            reading.content.append((name, rank, key, value))
        elif role == INDEXED:
            reading.indexed.append((name, rank, path, value))
        elif role == OBJECT:
            reading.objects.append((rank, value))
            other[key] = value
        elif role == PROVIDER and (not isinstance(value, str) or value.lower() in FRAMEWORKS):
            other[key] = value
        else:
            if name not in found or rank < ranks[name]:
                ranks[name] = rank
                found[name] = value
            if role == KEPT:
                other[key] = value
    return reading


def plain(attributes: Iterable[Any]) -> dict[str, Any]:
    """Attributes as they are, `KeyValue`s to a dictionary; values that JSON cannot hold are left out."""
    found = {}
    for pair in attributes:
        value = value_of(pair.value)
        if value is not None:
            found[pair.key] = value
    return found


def value_of(value: Any, depth: int = 0) -> Any:
    """A Python value for an OTLP `AnyValue`. Bytes become base64, as in OTLP/JSON; NaN, infinities None."""
    which = value.WhichOneof("value")
    if which == "string_value":
        return value.string_value
    if which == "int_value":
        return value.int_value
    if which == "bool_value":
        return value.bool_value
    if which == "double_value":
        number = value.double_value
        return number if math.isfinite(number) else None
    if which == "array_value":
        if depth >= MAX_DEPTH:
            return "…"
        return [value_of(item, depth + 1) for item in value.array_value.values]
    if which == "kvlist_value":
        if depth >= MAX_DEPTH:
            return "…"
        return {pair.key: value_of(pair.value, depth + 1) for pair in value.kvlist_value.values}
    if which == "bytes_value":
        return base64.b64encode(value.bytes_value).decode("ascii")
    return None


def name_of(value: Any, limit: int = MAX_NAME_CHARS) -> str:
    """A name from whatever was sent; JSON-quoted names lose their quotes."""
    if type(value) is str and len(value) <= limit and value[:1] != '"':
        return value
    if value is None:
        return ""
    if not isinstance(value, str):
        structured = isinstance(value, list | dict | bool)
        value = msgspec.json.encode(value).decode() if structured else str(value)
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    text: str = value if len(value) <= limit else value[:limit]
    return text


def _known() -> dict[str, Slot]:
    """Slot of every name in the tables."""
    slots: dict[str, Slot] = {}

    def declare(role: int, field: str, names: Iterable[str]) -> None:
        for rank, name in enumerate(names):
            slots[name] = (role, field, rank, ())

    for field, names in (fields.FIELDS | fields.COUNTS).items():
        declare(FIELD, field, names)
    declare(PROVIDER, "provider", fields.FIELDS["provider"])
    declare(FIELD, "first_token_s", fields.FIRST_TOKEN_S)
    declare(FIELD, "first_token_ms", fields.FIRST_TOKEN_MS)
    declare(FIELD, "first_token_mixed", fields.FIRST_TOKEN_MIXED)
    declare(FIELD, "retrieval_query", retrieval.QUERIES)
    declare(FIELD, "retrieval_documents", retrieval.DOCUMENTS)
    declare(FIELD, "first_token_at", fields.FIRST_TOKEN_AT)
    declare(KEPT, "workflow", fields.WORKFLOWS)
    declare(KEPT, "route", fields.ROUTES)
    declare(KEPT, "release", fields.SPAN_RELEASES)
    declare(KEPT, "reported_cost_usd", costs.COSTS)
    declare(CONTENT, "input", content.INPUTS)
    declare(CONTENT, "output", content.OUTPUTS)
    declare(CONTENT, "events", content.EVENT_LISTS)
    declare(CONTENT, "system", (content.SYSTEM,))
    declare(CONTENT, "tool_calls", (content.TOOL_CALLS,))
    declare(OBJECT, "usage", usage.USAGE_OBJECTS)
    return slots


_DECLARED = _known()
_SLOTS = dict(_DECLARED)
_UNKNOWN: Slot = (OTHER, "", 0, ())


def _classify(key: str) -> Slot:
    """Slot of a name that was not seen before, remembered for the next time."""
    slot = _UNKNOWN
    for rank, (prefix, side) in enumerate(content.INDEXED):
        if key.startswith(prefix):
            found = _INDEX.fullmatch(key, len(prefix))
            if found is not None:
                steps: list[str | int] = [int(found[1])]
                for step in found[2].split("."):
                    if step.isdecimal() and len(step) <= 6:
                        steps.append(int(step))
                    elif step not in content.INDEXED_WRAPPERS:
                        steps.append(step)
                slot = (INDEXED, side, rank, tuple(steps))
            break
    if len(key) <= 200:
        if len(_SLOTS) >= MAX_REMEMBERED:
            _SLOTS.clear()
            _SLOTS.update(_DECLARED)
        _SLOTS[key] = slot
    return slot
