"""Which calls asked the same thing: keys of a prompt, exact and as a template."""

import re
from hashlib import blake2b
from typing import NamedTuple

from lumina_streams.core.series.call import Call

HEAD_CHARS = 1000  # of each of the two messages that make the key; the middle of a long one is left out
TAIL_CHARS = 500
NAMES_SHARE = 0.25  # a text with more capitalised words (German, headlines) is its own template

_DIGITS = re.compile(r"\d\S*")
_CAPITALS = re.compile("[A-ZÀ-ÖØ-Þ]")
_NAME = re.compile(r"[A-ZÀ-ÖØ-Þ][\w'’-]+(?: [A-ZÀ-ÖØ-Þ][\w'’-]+)*").match
_BEFORE_NAME = frozenset("abcdefghijklmnopqrstuvwxyz,;")  # then a space: a capital there starts no sentence


class PromptKey(NamedTuple):
    """8-byte hashes. `template` is shared by prompts that differ in numbers, identifiers and names only."""

    exact: bytes
    template: bytes


def prompt_key(call: Call) -> PromptKey | None:
    """Key of a call's prompt, or None where no prompt was captured.

    The first and the last user message count (in a chat the last one alone says too little); a new
    prompt version is a new prompt.
    """
    first = last = ""
    for message in call.input_messages:
        if message.role == "user":
            text = "\n".join(part.content for part in message.parts if part.content and part.type == "text")
            if text:
                first = first or text
                last = text
    if not last:
        return None
    text = _cut(last) if first is last else _cut(first) + "\0" + _cut(last)
    version = call.prompt_version + "\0"
    exact = _hash(version + text)
    template = _without_values(text)
    named, names = _without_names(template)
    if names <= NAMES_SHARE * (text.count(" ") + 1):
        template = named
    return PromptKey(exact, exact if template == text else _hash(version + template))


def _without_values(text: str) -> str:
    """Every word that holds a digit becomes `#`.

    Found by its first digit and widened to the left: a pattern for whole words would try every letter.
    """
    pieces: list[str] = []
    done = 0
    for match in _DIGITS.finditer(text):
        start = max(text.rfind(" ", done, match.start()), text.rfind("\n", done, match.start())) + 1
        pieces.append(text[done : max(start, done)])
        done = match.end()
    if not pieces:
        return text
    pieces.append(text[done:])
    return "#".join(pieces)


def _without_names(text: str) -> tuple[str, int]:
    """Every run of capitalised words inside a sentence becomes `@`; also how many there were.

    Found by their capitals: a pattern that looks behind would try every letter.
    """
    pieces: list[str] = []
    done = 0
    for capital in _CAPITALS.finditer(text):
        start = capital.start()
        if start < max(done, 2) or text[start - 1] != " " or text[start - 2] not in _BEFORE_NAME:
            continue
        name = _NAME(text, start)
        if name is not None:
            pieces.append(text[done:start])
            done = name.end()
    if not pieces:
        return text, 0
    pieces.append(text[done:])
    return "@".join(pieces), len(pieces) - 1


def _cut(text: str) -> str:
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else text[:HEAD_CHARS] + text[-TAIL_CHARS:]


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
