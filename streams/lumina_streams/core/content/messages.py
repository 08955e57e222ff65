"""Prompts and answers in, `Message` tuples out, whatever shape they were sent in.

Shapes: OTel GenAI parts, OpenAI chat and responses, Anthropic content blocks, Gemini, Bedrock, Vercel,
LangChain dumps; as JSON text, as structured values, or spread over numbered attributes. The common shape
(OTel parts as JSON) is decoded straight into records; everything else takes the general way.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from lumina_schemas.mapping.content import CALL_ID_KEYS, ROLES, SYSTEM_ROLES
from lumina_schemas.mapping.finish import FINISH_REASONS
from lumina_schemas.span import Message, Part, ToolCall
from lumina_streams.core.content.finish import finish_reason
from lumina_streams.core.content.parts import (
    UNREADABLE,
    bounded,
    call_of,
    depth_of,
    first_of,
    json_text,
    part_of,
    parts_in,
    plain_result,
)
from lumina_streams.core.span.attributes import MAX_DEPTH, Path

Messages = tuple[Message, ...]

_messages = msgspec.json.Decoder(Messages)
_parts = msgspec.json.Decoder(tuple[Part, ...])

CONTAINERS: tuple[str, ...] = (
    "messages",
    "contents",
    "choices",
    "candidates",
    "generations",
    "output",
    "input",
)
"""Keys under which a request or response keeps its messages."""

TEXT_FIELDS = frozenset({"role", "content", "finish_reason"})
"""All that a message of plain text has."""


def messages_of(value: Any, role: str) -> Messages:
    """Messages in `value`, () if there are none; `role` is for messages that name none. Never raises."""
    if isinstance(value, str):
        if not value:
            return ()
        if value[0] in "[{":
            try:
                messages = _messages.decode(value)
            except UNREADABLE:
                messages = None
            if messages is not None and _complete(messages):
                return messages
            try:
                value = msgspec.json.decode(value)
            except UNREADABLE:
                return (_text_message(role, value),)
        else:
            return (_text_message(role, value),)
    try:
        return tuple(_messages_in(value, role, 0))
    except RecursionError:
        return ()


def system_of(value: Any) -> str:
    """Text of system instructions: parts as JSON or structured, or plain text."""
    if isinstance(value, str):
        if value[:1] not in ("[", "{"):
            return value
        try:
            parts = _parts.decode(value)
            if len(parts) == 1 and parts[0].type == "text" and parts[0].content is not None:
                return parts[0].content
            if all(part.type == "text" and part.content is not None for part in parts):
                return "\n".join(part.content for part in parts if part.content)
        except UNREADABLE:
            pass
    return text_of(messages_of(value, "system"))


def split_system(messages: Messages) -> tuple[str, Messages]:
    """Leading system messages as text, and the rest."""
    if not messages or messages[0].role not in SYSTEM_ROLES:
        return "", messages
    end = 1
    while end < len(messages) and messages[end].role in SYSTEM_ROLES:
        end += 1
    return text_of(messages[:end]), messages[end:]


def text_of(messages: Messages) -> str:
    """All text of some messages, one part a line."""
    return "\n".join(part.content for message in messages for part in message.parts if part.content)


def prompt_digest(system: str, messages: Messages) -> str:
    """A short name for a prompt: equal prompts have equal names."""
    return hashlib.blake2b(msgspec.json.encode((system, messages)), digest_size=12).hexdigest()


def tool_calls_of(messages: Messages) -> tuple[ToolCall, ...]:
    """Tools asked for in an answer."""
    calls: list[ToolCall] = []
    for message in messages:
        for part in message.parts:
            if part.type == "tool_call":
                calls.append(ToolCall(part.name or "", part.id, part.arguments))
    return tuple(calls)


def indexed_messages(entries: Sequence[tuple[Path, Any]], role: str) -> Messages:
    """Messages from attributes such as `gen_ai.prompt.0.content`; a path starts with the message's number."""
    texts = _texts(entries, role)
    if texts is not None:
        return texts
    messages: list[Message] = []
    for fields in indexed_trees(entries):
        if isinstance(fields, dict):
            blocks = fields.get("content")
            if isinstance(blocks, str) and blocks.startswith("[{"):
                fields["content"] = blocks_in(blocks)
            messages.append(_message(fields, role))
        else:
            messages.extend(messages_of(fields, role))
    return tuple(messages)


def _texts(entries: Iterable[tuple[Path, Any]], role: str) -> Messages | None:
    """The messages where each has a role, a text and a finish reason at most; else None. Most are such."""
    found: dict[str | int, dict[str | int, str]] = {}
    for path, value in entries:
        if len(path) != 2 or path[1] not in TEXT_FIELDS or type(value) is not str:
            return None
        number, field = path
        if number in found:
            found[number][field] = value
        else:
            found[number] = {field: value}
    messages = []
    for number in sorted(found) if len(found) > 1 else found:
        get = found[number].get
        text = get("content")
        if text and text.startswith("[{"):  # perhaps blocks
            return None
        reason = get("finish_reason")
        messages.append(
            Message(
                _role(get("role"), role),
                (Part("text", text),) if text else (),
                (finish_reason(reason) or None) if reason else None,
            )
        )
    return tuple(messages)


def indexed_trees(entries: Iterable[tuple[Path, Any]]) -> list[Any]:
    """What is spread over numbered attributes, one value a number, numbers rising."""
    tree: dict[str | int, Any] = {}
    for path, value in entries:
        node = tree
        for step in path[:-1]:
            child = node.get(step)
            if not isinstance(child, dict):
                child = node[step] = {}
            node = child
        node[path[-1]] = value
    return [_listed(tree[number]) for number in sorted(key for key in tree if isinstance(key, int))]


def _complete(messages: Messages) -> bool:
    """Whether the straight decode lost nothing: only plain parts, every spelling ours already."""
    for message in messages:
        if not message.parts or message.role in ROLES:
            return False
        reason = message.finish_reason
        if reason is not None and (FINISH_REASONS.get(reason) != reason):
            return False
        for part in message.parts:
            kind = part.type
            if kind in ("text", "reasoning"):
                if part.content is None:
                    return False
            elif kind == "tool_call":
                if part.name is None or part.id == "" or not isinstance(part.arguments, dict):
                    return False
                if depth_of(part.arguments) > MAX_DEPTH:
                    return False
            else:
                return False
    return bool(messages)


def _messages_in(value: Any, role: str, depth: int) -> Iterable[Message]:
    """Messages in a structured value."""
    if depth > 4:
        return
    if isinstance(value, dict):
        if _is_message(value):
            yield _message(value, role)
            return
        config = value.get("config")
        system = value.get("system") or value.get("instructions")
        system = system or (config.get("system_instruction") if isinstance(config, dict) else None)
        for key in CONTAINERS:
            inner = value.get(key)
            if (isinstance(inner, list | dict) and inner) or (isinstance(inner, str) and system):
                if system:
                    yield Message("system", parts_in(system))
                yield from _messages_in(inner, role, depth + 1)
                return
        if isinstance(value.get("prompt"), str | list):
            if system:
                yield Message("system", parts_in(system))
            yield from _messages_in(value["prompt"], role, depth + 1)
        elif value:
            yield _text_message(role, json_text(value))
    elif isinstance(value, list):
        if value and all(isinstance(item, list) for item in value):
            for item in value:
                yield from _messages_in(item, role, depth + 1)
            return
        loose: list[Part] = []
        loose_role = role
        for item in value:
            if isinstance(item, dict) and _is_message(item):
                if loose:
                    yield Message(loose_role, tuple(loose))
                    loose = []
                yield _message(item, role)
            elif isinstance(item, dict) and (part := part_of(item)) is not None:
                part_role = {"tool_call_response": "tool", "tool_call": "assistant", "reasoning": "assistant"}
                wanted = part_role.get(part.type, role)
                if loose and wanted != loose_role:
                    yield Message(loose_role, tuple(loose))
                    loose = []
                loose_role = wanted
                loose.append(part)
            elif item is not None:
                yield _text_message(role, item if isinstance(item, str) else json_text(item))
        if loose:
            yield Message(loose_role, tuple(loose))
    elif isinstance(value, str):
        if value:
            yield _text_message(role, value)
    elif value is not None:
        yield _text_message(role, json_text(value))


def _is_message(item: dict[str, Any]) -> bool:
    return (
        "role" in item
        or "message" in item
        or "parts" in item
        or "tool_calls" in item
        or item.get("lc") == 1
        or item.get("type") == "message"
        or (isinstance(item.get("content"), dict) and "parts" in item["content"])
    )


def _message(item: dict[str, Any], role: str) -> Message:
    """One message from an object that has a role, parts or content."""
    reason = item.get("finish_reason") or item.get("finishReason")
    inner = item.get("message")
    if isinstance(inner, dict):  # a choice
        message = _message(inner, role)
        return replace(message, finish_reason=finish_reason(reason) or message.finish_reason)
    if isinstance(item.get("kwargs"), dict) and item.get("lc") == 1:  # a LangChain dump
        role = _langchain_role(item, role)
        item = item["kwargs"]
    elif isinstance(inner, str):
        return _text_message(role, inner)
    role = _role(item.get("role"), role)
    content = next((item[key] for key in ("parts", "content", "contents", "text") if item.get(key)), None)
    if isinstance(content, dict) and isinstance(content.get("parts"), list):  # a Gemini candidate
        return replace(_message(content, role), finish_reason=finish_reason(reason) or None)
    call_id = item.get("tool_call_id")
    plain = content if isinstance(content, str) else plain_result(content)
    if call_id is None and role == "tool" and isinstance(plain, str):
        call_id = first_of(item, CALL_ID_KEYS)
    parts: tuple[Part, ...]
    if isinstance(call_id, str) and not isinstance(plain, list):
        parts = (Part("tool_call_response", id=call_id, result=bounded(plain)),)
    else:
        parts = parts_in(content)
    calls = item.get("tool_calls")
    if isinstance(calls, list):
        seen = {part.id for part in parts if part.type == "tool_call" and part.id}
        for call in calls:
            if isinstance(call, dict):
                part = call_of(call)
                if part.id not in seen or part.id is None:
                    parts += (part,)
    refusal = item.get("refusal")
    if isinstance(refusal, str) and refusal:
        parts += (Part("refusal", content=refusal),)
    return Message(role, parts, finish_reason(reason) or None)


def _role(named: Any, role: str) -> str:
    """A message's role in our spelling; `role` where it names none."""
    if not isinstance(named, str) or not named or named == "unknown":
        return role
    spelled: str = named.lower()
    return ROLES.get(spelled, spelled)


def _langchain_role(item: dict[str, Any], role: str) -> str:
    """Role of a dumped LangChain message, from its class name."""
    path = item.get("id")
    name = path[-1].lower() if isinstance(path, list) and path and isinstance(path[-1], str) else ""
    for start in ("system", "human", "ai", "tool"):
        if name.startswith(start):
            return ROLES.get(start, start)
    return role


def _listed(node: Any) -> Any:
    """Numbered children as lists, all the way down."""
    if not isinstance(node, dict):
        return node
    if node and all(isinstance(key, int) for key in node):
        return [_listed(node[key]) for key in sorted(node)]
    return {str(key): _listed(child) for key, child in node.items()}


def blocks_in(text: str) -> Any:
    """Content blocks written as JSON into one attribute, or the text itself where they are none."""
    try:
        blocks = msgspec.json.decode(text)
    except UNREADABLE:
        return text
    if isinstance(blocks, list) and all(isinstance(block, dict) and part_of(block) for block in blocks):
        return blocks
    return text


def _text_message(role: str, text: str) -> Message:
    return Message(role, (Part("text", text),))
