"""One part of a message from one block of any provider: text, reasoning, tool call, tool result, picture."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from lumina_schemas.mapping.content import (
    ARGUMENT_KEYS,
    CALL_ID_KEYS,
    CALL_NAME_KEYS,
    CONTENT_KEYS,
    PART_BY_KEY,
    PART_TYPES,
    RESULT_KEYS,
)
from lumina_schemas.span import Part
from lumina_streams.core.span.attributes import MAX_DEPTH

UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeError)
"""What decoding a sender's JSON may raise."""

NO_PARTS = frozenset({"cachePoint", "cache_control"})
"""Keys of blocks that only steer a cache."""

MAX_BLOB_CHARS = 1_000
"""Inline images and audio are cut to a note: nobody reads base64, and it would fill the log."""


def parts_in(content: Any) -> tuple[Part, ...]:
    """Parts of a message's content: a text, one block, or a list of either."""
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (Part("text", content),)
    if not isinstance(content, list):
        content = [content]
    parts = []
    for block in content:
        if isinstance(block, str):
            parts.append(Part("text", block))
        elif isinstance(block, dict):
            if block.keys() <= NO_PARTS:
                continue
            part = part_of(block)
            parts.append(part if part is not None else Part("text", json_text(block)))
        elif block is not None:
            parts.append(Part("text", json_text(block)))
    return tuple(parts)


def part_of(block: dict[str, Any]) -> Part | None:
    """One part, or None where the object is none."""
    spelled = block.get("type")
    if isinstance(spelled, str) and spelled:
        kind = PART_TYPES.get(spelled.lower(), spelled[:100])
        inner = block.get("function") if spelled == "function" else None
        body = block | inner if isinstance(inner, dict) else block
    else:
        key, kind = next((entry for entry in PART_BY_KEY if entry[0] in block), ("", ""))
        if not key:
            return None
        inner = block[key]
        body = inner if isinstance(inner, dict) else block
    if kind == "tool_call":
        return call_of(body)
    if kind == "tool_call_response":
        result = next((body[key] for key in RESULT_KEYS if body.get(key) is not None), None)
        return Part(
            kind,
            id=first_of(body, CALL_ID_KEYS),
            name=first_of(body, CALL_NAME_KEYS),
            result=bounded(plain_result(result)),
        )
    if kind in ("uri", "file", "blob"):
        return Part(kind, content=_reference(body))
    content = next((body[key] for key in CONTENT_KEYS if body.get(key) is not None), None)
    if kind == "reasoning" and content is None:
        content = body.get("summary")
    if content is not None and not isinstance(content, str):
        content = "\n".join(part.content for part in parts_in(content) if part.content)
    return Part(kind, content=content)


def call_of(body: dict[str, Any]) -> Part:
    """A tool call, flat or wrapped in `function`."""
    inner = body.get("function")
    if isinstance(inner, dict):
        body = body | inner
    arguments = next((body[key] for key in ARGUMENT_KEYS if body.get(key) is not None), None)
    if isinstance(arguments, str) and arguments[:1] in ("{", "["):
        with suppress(*UNREADABLE):
            arguments = msgspec.json.decode(arguments)
    return Part(
        "tool_call",
        id=first_of(body, CALL_ID_KEYS),
        name=first_of(body, CALL_NAME_KEYS) or "",
        arguments=bounded(arguments),
    )


def plain_result(result: Any) -> Any:
    """A tool's result without its wrapping: `{"type": "text", "value": ...}` (Vercel), one block of text."""
    if (
        isinstance(result, dict)
        and isinstance(result.get("type"), str)
        and result.keys() == {"type", "value"}
    ):
        return result["value"]
    if isinstance(result, list) and len(result) == 1 and isinstance(result[0], dict):
        block = result[0]
        if isinstance(block.get("text"), str) and block.keys() <= {"type", "text"}:
            return block["text"]
    return result


def _reference(body: dict[str, Any]) -> str:
    """What a picture, file or sound is called; its bytes are only counted."""
    node: Any = body
    for key in ("image_url", "source", "file", "input_audio", "image"):
        if body.get(key):
            node = body[key]
            break
    if isinstance(node, dict):
        node = next(
            (node[key] for key in ("url", "uri", "content", "data", "file_id", "file_uri") if node.get(key)),
            "",
        )
    text = node if isinstance(node, str) else json_text(node)
    if len(text) > MAX_BLOB_CHARS:
        return f"{text[:60]}…[{len(text) - 60} characters of data left out]"
    return text


def first_of(body: dict[str, Any], keys: Sequence[str]) -> str | None:
    """First non-empty text under one of the keys."""
    for key in keys:
        value = body.get(key)
        if isinstance(value, str) and value:
            return value
    return None


def bounded(value: Any) -> Any:
    """A JSON value that is safe to keep: too deep a nesting becomes text."""
    if isinstance(value, dict | list) and depth_of(value) > MAX_DEPTH:
        return "…[nested too deep]"
    return value


def depth_of(value: Any, depth: int = 0) -> int:
    """Nesting of a JSON value; counting stops just above the allowed depth."""
    if depth > MAX_DEPTH:
        return depth
    if isinstance(value, dict):
        return max((depth_of(item, depth + 1) for item in value.values()), default=depth)
    if isinstance(value, list):
        return max((depth_of(item, depth + 1) for item in value), default=depth)
    return depth


def json_text(value: Any) -> str:
    """A JSON value as text."""
    return msgspec.json.encode(value).decode()
