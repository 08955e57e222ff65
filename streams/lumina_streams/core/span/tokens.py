"""Token counts of one call with one meaning: input holds the cached ones, output holds the reasoning.

Instrumentations differ: OpenAI and Gemini report inputs that include cached tokens, Anthropic and Bedrock
inputs that leave them out, and their instrumentations translate or do not. Cached tokens above the input
prove the second; else the table of scopes tells (`lumina_schemas.mapping.usage`). Gemini counts reasoning
beside the output: the total proves it.
"""

import ast
import math
from typing import Any

import msgspec
from msgspec import Struct

from lumina_schemas.mapping.usage import EXCLUSIVE_INPUT, EXCLUSIVE_OUTPUT, USAGE_KEYS
from lumina_streams.core.span.attributes import Reading

MAX_TOKENS = 10**12
"""Counts above are garbage, not usage: they are left out, as if they had not been reported."""

MAX_OBJECT_CHARS = 20_000
"""Usage objects are small; anything larger is not one."""


class Usage(Struct, frozen=True, gc=False):
    """Tokens of one call; None is not reported. `cache_write_1h` is a part of `cache_write`."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    cache_write_1h: int | None = None
    reasoning: int | None = None

    @property
    def known(self) -> bool:
        """Whether anything that costs was reported."""
        return self.input is not None or self.output is not None

    @property
    def detail(self) -> int:
        """How much it tells, to choose between two reports of one call."""
        return sum(
            count is not None
            for count in (
                self.input,
                self.output,
                self.cache_read,
                self.cache_write,
                self.cache_write_1h,
                self.reasoning,
            )
        )


NOTHING = Usage()

_PATHS = {field: tuple(tuple(path.split(".")) for path in paths) for field, paths in USAGE_KEYS.items()}
"""Paths inside usage objects, in steps."""


def usage_of(reading: Reading, scope: str, provider: str) -> Usage:
    """Usage of the span whose attributes are `reading`, sent by instrumentation `scope` about `provider`."""
    found = reading.fields
    given = count(found["input_tokens"]) if "input_tokens" in found else None
    output = count(found["output_tokens"]) if "output_tokens" in found else None
    read = count(found["cache_read_tokens"]) if "cache_read_tokens" in found else None
    write = count(found["cache_write_tokens"]) if "cache_write_tokens" in found else None
    write_5m = count(found["cache_write_5m_tokens"]) if "cache_write_5m_tokens" in found else None
    write_1h = count(found["cache_write_1h_tokens"]) if "cache_write_1h_tokens" in found else None
    reasoning = count(found["reasoning_tokens"]) if "reasoning_tokens" in found else None
    uncached = count(found["uncached_tokens"]) if "uncached_tokens" in found else None
    total = count(found["total_tokens"]) if "total_tokens" in found else None
    if reading.objects:
        counts = _counts_in_objects(reading)
        given = counts.get("input_tokens") if given is None else given
        output = counts.get("output_tokens") if output is None else output
        read = counts.get("cache_read_tokens") if read is None else read
        write = counts.get("cache_write_tokens") if write is None else write
        write_5m = counts.get("cache_write_5m_tokens") if write_5m is None else write_5m
        write_1h = counts.get("cache_write_1h_tokens") if write_1h is None else write_1h
        reasoning = counts.get("reasoning_tokens") if reasoning is None else reasoning
        total = counts.get("total_tokens") if total is None else total
    if not write and (write_5m is not None or write_1h is not None):
        write = (write_5m or 0) + (write_1h or 0)  # some send 0 beside the split
    if given is None and output is None:
        return NOTHING
    apart = count(found["reasoning_apart_tokens"]) if "reasoning_apart_tokens" in found else None
    reasoning = apart if reasoning is None else reasoning
    cached = (read or 0) + (write or 0)
    beside = (output or 0) + (reasoning or 0)
    if uncached is not None and given in (uncached, uncached + cached):
        given = uncached + cached
    elif (
        cached
        and given is not None
        and (
            cached > given
            or leaves_cached_out(scope, provider)
            or (total is not None and total in (given + cached + (output or 0), given + cached + beside))
        )
    ):
        given += cached
    elif cached and given is None:
        given = cached
    if reasoning is None and total is not None and provider.startswith("gcp."):
        thoughts = total - (given or 0) - (output or 0)  # nothing else is left in Google's total
        if given is not None and output is not None and thoughts > 0:
            reasoning, beside = thoughts, output + thoughts
    if reasoning and output is not None:
        left_out = (
            apart is not None
            or scope in EXCLUSIVE_OUTPUT
            or (total is not None and total == (given or 0) + beside)
        )
        output += reasoning if left_out or reasoning > output else 0
    if write_1h is not None and write_1h > (write or 0):
        write_1h = write
    return Usage(given, output, read, write, write_1h, reasoning)


def leaves_cached_out(scope: str, provider: str) -> bool:
    """Whether this instrumentation's input count leaves cached tokens out, by the table."""
    return any(scope == name and (not of or of == provider) for name, of in EXCLUSIVE_INPUT)


def count(value: Any) -> int | None:
    """A token count from whatever was sent (integer, double, decimal text), or None where it is none."""
    if value is None:
        return None
    if type(value) is not int:
        if isinstance(value, str):
            try:
                value = float(value) if len(value) <= 32 else None
            except ValueError:
                return None
        if not isinstance(value, float) or not math.isfinite(value):
            return None
        value = int(value)
    return value if 0 <= value <= MAX_TOKENS else None


def _counts_in_objects(reading: Reading) -> dict[str, int]:
    """Counts inside usage objects; the object of the better rank wins, count by count."""
    counts: dict[str, int] = {}
    for _, value in sorted(reading.objects, key=lambda entry: entry[0]):
        parsed = _object(value)
        if parsed is None:
            continue
        for field, paths in _PATHS.items():
            if field in counts or count(reading.fields.get(field)) is not None:
                continue  # what an attribute says is not looked for
            for path in paths:
                number = count(_at(parsed, path))
                if number is not None:
                    counts[field] = number
                    break
    return counts


def _object(value: Any) -> dict[str, Any] | None:
    """A usage object from JSON, from the repr of a Python dictionary (LiteLLM), or already structured."""
    if isinstance(value, str):
        if len(value) > MAX_OBJECT_CHARS:
            return None
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, RecursionError):
            if not value.startswith("{") or "\\" in value:  # escapes make the parser warn; counts have none
                return None
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
                return None
    return value if isinstance(value, dict) else None


def _at(tree: dict[str, Any], path: tuple[str, ...]) -> Any:
    """Value at a path, or None."""
    node: Any = tree.get(path[0])
    if node is None:
        return None
    for step in path[1:]:
        if not isinstance(node, dict):
            return None
        node = node.get(step)
    return node
