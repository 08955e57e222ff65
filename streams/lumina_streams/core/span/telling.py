"""What the call's span is told by the other spans of the same call: the fields that it lacks itself."""

from collections.abc import Mapping
from typing import Any

from lumina_streams.core.span.tokens import Usage

TOLD: tuple[str, ...] = (
    "output_messages",
    "tool_calls",
    "finish_reasons",
    "request_model",
    "response_model",
    "response_id",
    "service_tier",
    "streaming",
    "ttft_ms",
    "session_id",
    "user_id",
    "prompt_name",
    "prompt_version",
    "tags",
    "reported_cost_usd",
)
"""Fields that are taken one by one from another span where the call's own has none."""

PROMPT: tuple[str, ...] = ("system", "input_messages")
"""Fields that are taken together: a span that has one of them has told the prompt."""


def fields_of(record: Any) -> dict[str, Any]:
    """The fields of a record that can be told, by name; None where it has none of the name."""
    return {name: getattr(record, name, None) for name in (*TOLD, *PROMPT)}


def told(call: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `other` that `call` lacks, by name. Empty and None are absent."""
    changes = {
        name: other[name] for name in TOLD if is_absent(call.get(name)) and not is_absent(other.get(name))
    }
    if all(is_absent(call.get(name)) for name in PROMPT):
        changes |= {name: other[name] for name in PROMPT if not is_absent(other.get(name))}
    elif is_absent(call.get("input_messages")) and not is_absent(other.get("input_messages")):
        changes["input_messages"] = other["input_messages"]
    return changes


def is_absent(value: Any) -> bool:
    """Whether a field says nothing: None, empty, or the text of an empty JSON array."""
    return value is None or value == "" or value == () or value == [] or value == "[]"


def merged_usage(call: Usage, other: Usage) -> Usage:
    """The call's usage with the counts that it lacks, where both tell of the same input."""
    if not call.known or call.input != other.input:
        return call
    return Usage(
        call.input,
        _either(call.output, other.output),
        _either(call.cache_read, other.cache_read),
        _either(call.cache_write, other.cache_write),
        _either(call.cache_write_1h, other.cache_write_1h),
        _either(call.reasoning, other.reasoning),
    )


def _either(mine: int | None, theirs: int | None) -> int | None:
    return mine if mine is not None else theirs
