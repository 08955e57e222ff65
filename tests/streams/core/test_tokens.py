"""Counts with one meaning, whatever was sent."""

from typing import Any

import pytest

from lumina_streams.core.span.attributes import Reading
from lumina_streams.core.span.tokens import MAX_TOKENS, Usage, count, usage_of


def usage(
    scope: str = "test", provider: str = "openai", objects: tuple[Any, ...] = (), **fields: Any
) -> Usage:
    reading = Reading()
    reading.fields.update({f"{name}_tokens": value for name, value in fields.items()})
    reading.objects.extend(enumerate(objects))
    return usage_of(reading, scope, provider)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (25, 25),
        (0, 0),
        ("25", 25),
        (25.0, 25),
        ("25.0", 25),
        (-1, None),
        (True, None),
        (float("inf"), None),
        ("many", None),
        ("9" * 50, None),
        (MAX_TOKENS + 1, None),
        ([1], None),
        (None, None),
    ],
)
def test_count(raw: Any, expected: int | None) -> None:
    assert count(raw) == expected


def test_inclusive_input_stays() -> None:
    assert usage(input=1339, output=47, cache_read=1031, cache_write=211) == Usage(1339, 47, 1031, 211)


def test_cached_above_input_proves_exclusive_input() -> None:
    assert usage(input=97, output=47, cache_read=1031, cache_write=211).input == 1339


def test_table_tells_where_arithmetic_cannot() -> None:
    assert usage(input=97, output=1, cache_read=50).input == 97
    assert (
        usage("openlit.instrumentation.anthropic", "anthropic", input=97, output=1, cache_read=50).input
        == 147
    )
    assert usage("ai", "anthropic", input=97, output=1, cache_read=50).input == 147
    assert usage("ai", "openai", input=97, output=1, cache_read=50).input == 97


def test_reasoning_above_output_was_left_out_of_it() -> None:
    assert usage(input=1, output=41, reasoning=64) == Usage(1, 105, reasoning=64)
    assert usage(input=1, output=64, reasoning=23).output == 64


def test_writes_by_time_to_live() -> None:
    assert usage(input=300, output=1, cache_write_5m=200, cache_write_1h=11) == Usage(300, 1, None, 211, 11)
    assert usage(input=300, output=1, cache_write=5, cache_write_1h=11).cache_write_1h == 5


def test_nothing_reported_is_not_zero() -> None:
    assert not usage().known
    assert not usage(cache_read=5).known
    assert usage(input=0).known


@pytest.mark.parametrize(
    "sent",
    [
        '{"prompt_tokens":1117,"completion_tokens":53,"prompt_tokens_details":{"cached_tokens":1024}}',
        "{'prompt_tokens': 1117, 'completion_tokens': 53, 'prompt_tokens_details': {'cached_tokens': 1024}}",
        {"input_tokens": 1117, "output_tokens": 53, "input_tokens_details": {"cached_tokens": 1024}},
    ],
)
def test_usage_objects(sent: Any) -> None:
    assert usage(objects=(sent,)) == Usage(1117, 53, 1024)
    assert usage(objects=(sent,), input=5, output=6, cache_read=0) == Usage(5, 6, 0)


@pytest.mark.parametrize(
    "sent", ["{", "__import__('os')", "[1]", "x" * 30_000, 7, '{"input_tokens":{"a":1}}']
)
def test_what_is_no_usage_object_says_nothing(sent: Any) -> None:
    assert not usage(objects=(sent,)).known
