"""An answer as detection sees it: its text, plain, and its value where it is JSON."""

import re
from typing import Any
from zlib import crc32

import msgspec

from lumina_streams.core.quality.language import language_of
from lumina_streams.core.quality.terms import plain
from lumina_streams.core.series.call import Call

HEAD_CHARS = 8000  # what is looked at of a long answer: both ends
TAIL_CHARS = 4000
JSON_CHARS = 64_000  # longer texts are not parsed
JSON_TERMS = 128
VALUE_CHARS = 24  # a longer JSON string is text, no value

_IS_JSON_LIKE = re.compile(r"\s*(?:```\w*\s*)?[{\[]").match
_NOTHING = object()


class Answer:
    """One answer's text, cut to both ends where it is long."""

    __slots__ = ("_language", "_plain", "_shape", "_value", "_values", "has_ended", "length", "text", "whole")

    def __init__(self, text: str, *, whole: bool = True) -> None:
        self.length = len(text)
        """Characters of the whole text."""
        self.whole = text
        if len(text) > HEAD_CHARS + TAIL_CHARS:
            text = text[:HEAD_CHARS] + "\n" + text[-TAIL_CHARS:]
        self.text = text
        self.has_ended = whole
        """False where a part of it was not kept: then it is no JSON through no fault of its own."""
        self._plain: bytes | None = None
        self._language: str | None = None
        self._value: Any = _NOTHING
        self._shape: list[bytes] | None = None
        self._values: list[tuple[bytes, str]] | None = None

    @property
    def plain(self) -> bytes:
        """The text as terms are looked for in it."""
        if self._plain is None:
            self._plain = plain(self.text)
        return self._plain

    @property
    def is_cut(self) -> bool:
        """Whether its middle is not looked at: what is missing may stand there."""
        return self.length > HEAD_CHARS + TAIL_CHARS

    @property
    def language(self) -> str:
        """See `language_of`."""
        if self._language is None:
            self._language = language_of(self.text, self.plain)
        return self._language

    @property
    def json(self) -> Any:
        """The JSON object or array that it is; None where it is none."""
        if self._value is _NOTHING:
            self._value = _json(self.whole) if len(self.whole) <= JSON_CHARS else None
        return self._value

    @property
    def shape(self) -> list[bytes]:
        """See `shape_terms`; of JSON only."""
        if self._shape is None:
            self._shape = shape_terms(self.json)
        return self._shape

    @property
    def values(self) -> list[tuple[bytes, str]]:
        """See `value_texts`; of JSON only."""
        if self._values is None:
            self._values = value_texts(self.json)
        return self._values

    @property
    def is_judgeable_json(self) -> bool:
        """Whether it can be told if it is JSON."""
        return self.has_ended and self.length <= JSON_CHARS


def _json(text: str) -> Any:
    if not _IS_JSON_LIKE(text):
        return None
    try:
        value = msgspec.json.decode(unfenced(text))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) else None


def unfenced(text: str) -> str:
    """The inside of a Markdown code fence, or the text itself, without space around it."""
    text = text.strip()
    if text.startswith("```") and text.endswith("```") and "\n" in text:
        return text[text.index("\n") : -3].strip()
    return text


def shape_terms(value: Any) -> list[bytes]:
    """Terms of a JSON value's shape: `:` and a hash of key path and type, such as `.items[].id:number`."""
    return [b":" + _hash(f"{path}:{_type(node)}") for path, node in _leaves(value)]


def value_texts(value: Any) -> list[tuple[bytes, str]]:
    """Terms of its short values outside of lists, each with the value as text.

    A term is `=`, a hash of the key path, and one of the value.
    """
    return [
        (b"=" + _hash(path) + _hash(str(node)), str(node))
        for path, node in _leaves(value)
        if "[]" not in path
        and (isinstance(node, bool | int | float) or (isinstance(node, str) and len(node) <= VALUE_CHARS))
    ]


def _hash(text: str) -> bytes:
    return crc32(text.encode("utf-8", "surrogatepass")).to_bytes(4, "big")


def _type(node: Any) -> str:
    if isinstance(node, bool):
        return "bool"
    if isinstance(node, int | float):
        return "number"
    return "null" if node is None else type(node).__name__


def _leaves(value: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    todo: list[tuple[str, Any]] = [("", value)]
    while todo and len(found) < JSON_TERMS:
        path, node = todo.pop()
        if isinstance(node, dict) and node:
            todo += [(f"{path}.{key}"[:500], child) for key, child in node.items()]
        elif isinstance(node, list) and node:
            todo += [(path + "[]", child) for child in node[:4]]
        else:
            found.append((path, node))
    return found


def answer_text(call: Call) -> str | None:
    """What a call answered: its texts, or the tools it asked for; None where nothing was captured.

    An empty string means that the answer is known to be empty.
    """
    texts: list[str] = []
    captured = False
    for message in call.output_messages:
        for part in message.parts:
            if part.type == "text" and part.content is not None:
                captured = True
                if part.content:
                    texts.append(part.content)
    if texts:
        return texts[0] if len(texts) == 1 else "\n".join(texts)
    if call.tool_calls:
        return " ".join(f"tool:{tool.name}" for tool in call.tool_calls)
    if captured or (call.input_messages and call.output_tokens is not None and call.output_tokens <= 1):
        return ""
    return None
