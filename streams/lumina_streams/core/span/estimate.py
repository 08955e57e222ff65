"""Tokens by the length of the text, for calls that report none; only where a setting asks for it.

Four characters a token is OpenAI's rule of thumb for English text ("What are tokens and how to count them?",
OpenAI Help Center). It is off by a third either way for code, and more for scripts that are not Latin: a call
priced by it is `estimated` and says so. A tokenizer would need a vocabulary for each model, and most are not
published.
"""

from collections.abc import Iterable

import msgspec

from lumina_schemas.span import Message
from lumina_streams.core.span.tokens import Usage

CHARS_PER_TOKEN = 4
ESTIMATED_TOKENS = f"tokens estimated from the text ({CHARS_PER_TOKEN} characters a token)"


def estimated(
    usage: Usage, system: str, inputs: Iterable[Message], outputs: Iterable[Message], needs_output: bool
) -> Usage | None:
    """The usage with what it lacks taken from the text; None where there is nothing to add."""
    given, output = usage.input, usage.output
    if given is None:
        given = tokens_of(len(system) + characters(inputs))
    if output is None and needs_output:
        output = tokens_of(characters(outputs))
    if given == usage.input and output == usage.output:
        return None
    return Usage(given, output, usage.cache_read, usage.cache_write, usage.cache_write_1h, usage.reasoning)


def tokens_of(length: int) -> int | None:
    """Tokens of so many characters, rounded up; None where there is no text."""
    return -(-length // CHARS_PER_TOKEN) or None


def characters(messages: Iterable[Message]) -> int:
    """Characters of all parts: texts as they are, arguments and results of tools as JSON."""
    return sum(
        len(part.content or "") + len(part.name or "") + _json(part.arguments) + _json(part.result)
        for message in messages
        for part in message.parts
    )


def _json(value: object) -> int:
    if value is None:
        return 0
    return len(value) if isinstance(value, str) else len(msgspec.json.encode(value).decode())
