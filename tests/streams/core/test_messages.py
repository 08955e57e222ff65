"""Every shape in which prompts and answers come, and arbitrary ones."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_schemas.span import Message, Part, ToolCall
from lumina_streams.core.content.finish import finish_reason, finish_reasons
from lumina_streams.core.content.messages import (
    indexed_messages,
    messages_of,
    split_system,
    system_of,
    text_of,
    tool_calls_of,
)
from lumina_streams.core.content.parts import MAX_BLOB_CHARS
from lumina_streams.core.span.attributes import MAX_DEPTH


def text(role: str, content: str, reason: str | None = None) -> Message:
    return Message(role, (Part("text", content),), reason)


ASK = text("user", "Weather?")
CALL = Part("tool_call", id="c1", name="weather", arguments={"city": "Paris"})
RESULT = Part("tool_call_response", id="c1", result="18 C")

SHAPES: dict[str, tuple[Any, tuple[Message, ...]]] = {
    "otel": ([{"role": "user", "parts": [{"type": "text", "content": "Weather?"}], "name": None}], (ASK,)),
    "otel tool call": (
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "tool_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}
                ],
                "finish_reason": "tool_call",
            }
        ],
        (Message("assistant", (CALL,), "tool_calls"),),
    ),
    "arguments as text": (
        [
            {
                "role": "assistant",
                "parts": [
                    {"type": "tool_call", "id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'},
                ],
            }
        ],
        (Message("assistant", (CALL,)),),
    ),
    "otel result, old name": (
        [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "18 C"}]}],
        (Message("tool", (RESULT,)),),
    ),
    "openai chat": (
        [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "18 C"},
        ],
        (ASK, Message("assistant", (CALL,)), Message("tool", (RESULT,))),
    ),
    "openai content parts": (
        [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Weather?"},
                    {"type": "image_url", "image_url": {"url": "https://example.invalid/a.png"}},
                ],
            }
        ],
        (Message("user", (Part("text", "Weather?"), Part("uri", "https://example.invalid/a.png"))),),
    ),
    "openai responses": (
        [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "thinking"}]},
            {
                "type": "function_call",
                "id": "fc",
                "call_id": "c1",
                "name": "weather",
                "arguments": '{"city":"Paris"}',
            },
            {"type": "function_call_output", "call_id": "c1", "output": "18 C"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "18 C."}]},
        ],
        (
            Message("assistant", (Part("reasoning", "thinking"), CALL)),
            Message("tool", (RESULT,)),
            text("assistant", "18 C."),
        ),
    ),
    "openai response": (
        {
            "choices": [
                {"index": 0, "finish_reason": "length", "message": {"role": "assistant", "content": "Hm"}}
            ]
        },
        (text("assistant", "Hm", "length"),),
    ),
    "anthropic request": (
        {"model": "x", "system": "Be brief.", "messages": [{"role": "user", "content": "Weather?"}]},
        (text("system", "Be brief."), ASK),
    ),
    "anthropic blocks": (
        [
            {"type": "thinking", "thinking": "hm"},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": {"city": "Paris"}},
        ],
        (Message("assistant", (Part("reasoning", "hm"), CALL)),),
    ),
    "anthropic result": (
        [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "18 C"}]}],
        (Message("user", (RESULT,)),),
    ),
    "gemini": (
        {"contents": [{"role": "model", "parts": [{"text": "Weather?"}]}]},
        (text("assistant", "Weather?"),),
    ),
    "gemini candidate": (
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hm"}]}, "finishReason": "STOP"}]},
        (text("assistant", "Hm"),),
    ),
    "gemini call": (
        [{"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Paris"}}}],
        (Message("assistant", (CALL,)),),
    ),
    "bedrock": (
        [
            {
                "role": "assistant",
                "content": [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Paris"}}}],
            }
        ],
        (Message("assistant", (CALL,)),),
    ),
    "vercel calls": (
        [
            {
                "toolCallType": "function",
                "type": "tool-call",
                "toolCallId": "c1",
                "toolName": "weather",
                "input": {"city": "Paris"},
            }
        ],
        (Message("assistant", (CALL,)),),
    ),
    "vercel prompt": (
        {"system": "Be brief.", "prompt": "Weather?"},
        (text("system", "Be brief."), text("user", "Weather?")),
    ),
    "langchain dump": (
        {
            "messages": [
                [
                    {"lc": 1, "id": ["x", "SystemMessage"], "kwargs": {"content": "Be brief."}},
                    {"lc": 1, "id": ["x", "HumanMessage"], "kwargs": {"content": "Weather?"}},
                ]
            ]
        },
        (text("system", "Be brief."), ASK),
    ),
    "texts": (["alpha", "beta"], (text("user", "alpha"), text("user", "beta"))),
    "developer": ([{"role": "developer", "content": "Be brief."}], (text("system", "Be brief."),)),
    "refusal": (
        [{"role": "assistant", "content": "", "refusal": "No."}],
        (Message("assistant", (Part("refusal", "No."),)),),
    ),
    "anything else": ({"args": [1], "kwargs": {}}, (text("user", '{"args":[1],"kwargs":{}}'),)),
    "number": (7, (text("user", "7"),)),
    "nothing": ([], ()),
}


def role_of(shape: str) -> str:
    return (
        "assistant" if "anthropic blocks" in shape or "gemini" in shape or "vercel calls" in shape else "user"
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_structured_and_as_json(shape: str) -> None:
    raw, expected = SHAPES[shape]
    wanted = tuple(
        msgspec.structs.replace(message, finish_reason="stop") if shape == "gemini candidate" else message
        for message in expected
    )
    assert messages_of(raw, role_of(shape)) == wanted
    if not isinstance(raw, int):
        assert messages_of(json.dumps(raw), role_of(shape)) == wanted


@pytest.mark.parametrize("raw", ["", None])
def test_nothing(raw: Any) -> None:
    assert messages_of(raw, "user") == ()


@pytest.mark.parametrize("raw", ["plain words", "[broken json", '{"a":', "[" * 5000])
def test_text_that_is_no_json_is_one_message(raw: str) -> None:
    assert messages_of(raw, "user") == (text("user", raw),)


def test_numbered_attributes() -> None:
    entries: list[tuple[tuple[str | int, ...], Any]] = [
        ((10, "role"), "user"),
        ((10, "content"), "last"),
        ((2, "role"), "system"),
        ((2, "content"), "Be brief."),
        ((3, "contents", 1, "url"), "https://example.invalid/a.png"),
        ((3, "contents", 1, "type"), "image"),
        ((3, "contents", 0, "type"), "text"),
        ((3, "contents", 0, "text"), "Weather?"),
        ((4, "role"), "assistant"),
        ((4, "tool_calls", 0, "id"), "c1"),
        ((4, "tool_calls", 0, "name"), "weather"),
        ((4, "tool_calls", 0, "arguments"), '{"city":"Paris"}'),
        ((5, "role"), "user"),
        ((5, "content"), '[{"type":"text","text":"as JSON"}]'),
        ((6,), "stray"),
        ((6, "role"), "user"),
    ]
    found = indexed_messages(entries, "user")
    assert found[0] == text("system", "Be brief.")
    assert [part.content for part in found[1].parts] == ["Weather?", "https://example.invalid/a.png"]
    assert found[2] == Message("assistant", (CALL,))
    assert found[3] == text("user", "as JSON")
    assert found[-1] == text("user", "last")


def test_a_call_told_twice_is_one() -> None:
    raw = [
        {
            "role": "assistant",
            "contents": [
                {"type": "tool_use", "id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'}
            ],
            "tool_calls": [{"id": "c1", "name": "weather", "arguments": '{"city":"Paris"}'}],
        }
    ]
    assert tool_calls_of(messages_of(raw, "user")) == (ToolCall("weather", "c1", {"city": "Paris"}),)


def test_inline_data_is_counted_not_kept() -> None:
    raw = [
        {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "A" * 9_000}}]}
    ]
    (part,) = messages_of(raw, "user")[0].parts
    assert part.content is not None
    assert len(part.content) < MAX_BLOB_CHARS
    assert "8940 characters" in part.content


def test_towers_become_text() -> None:
    tower: Any = "x"
    for _ in range(MAX_DEPTH + 50):
        tower = {"a": tower}
    for raw in (
        [{"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": tower}]}],
        [{"role": "tool", "parts": [{"type": "tool_call_response", "result": tower}]}],
    ):
        for given_as in (raw, json.dumps(raw)):
            messages = messages_of(given_as, "user")
            assert b"too deep" in msgspec.json.encode(messages)


def test_system() -> None:
    assert system_of("Be brief.") == "Be brief."
    assert system_of('[{"type":"text","content":"Be brief."}]') == "Be brief."
    assert system_of('[{"type":"text","content":"Be"},{"type":"text","content":"brief."}]') == "Be\nbrief."
    assert system_of([{"type": "text", "content": "Be brief."}]) == "Be brief."
    assert system_of('[{"type":"text","text":"Be brief."}]') == "Be brief."
    assert system_of("[not json") == "[not json"
    late = (text("system", "a"), ASK, text("system", "b"))
    assert split_system(late) == ("a", late[1:])
    assert text_of(late) == "a\nWeather?\nb"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("FinishReason.STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("end_turn", "stop"),
        ("tool-calls", "tool_calls"),
        ('"stop"', "stop"),
        ("SAFETY", "content_filter"),
        ("Something_New", "something_new"),
        (None, ""),
        (7, ""),
    ],
)
def test_finish_reason(raw: Any, expected: str) -> None:
    assert finish_reason(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (["stop", "length"], ("stop", "length")),
        ('["stop"]', ("stop",)),
        ("tool_use", ("tool_calls",)),
        ("[broken", ()),
        ([None], ()),
        (["stop"] * 1000, ("stop",) * 64),
    ],
)
def test_finish_reasons(raw: Any, expected: tuple[str, ...]) -> None:
    assert finish_reasons(raw) == expected


WORDS = st.sampled_from(
    [
        "text",
        "tool_call",
        "tool_use",
        "function_call",
        "function",
        "image",
        "user",
        "tool",
        "x",
        "",
        "message",
        "[{",
    ]
)
KEYS = st.sampled_from(
    [
        *(
            "role",
            "content",
            "parts",
            "contents",
            "type",
            "text",
            "id",
            "name",
            "arguments",
            "input",
            "message",
        ),
        *("messages", "choices", "candidates", "system", "prompt", "tool_calls", "tool_call_id", "function"),
        *(
            "functionCall",
            "toolUse",
            "image_url",
            "source",
            "data",
            "lc",
            "kwargs",
            "result",
            "refusal",
            "output",
        ),
        *("finish_reason", "generations", "summary"),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=500, deadline=None)
@given(raw=JSON)
def test_any_json_gives_messages_that_can_be_encoded(raw: Any) -> None:
    structured = messages_of(raw, "user")
    assert msgspec.json.decode(msgspec.json.encode(structured), type=tuple[Message, ...]) is not None
    messages_of(json.dumps(raw), "assistant")
    system_of(raw)
    finish_reasons(raw)
    tool_calls_of(structured)


@settings(max_examples=200, deadline=None)
@given(
    entries=st.lists(
        st.tuples(st.tuples(st.integers(0, 3), KEYS | st.integers(0, 2), KEYS), JSON), max_size=8
    )
)
def test_any_numbered_attributes_give_messages(entries: list[tuple[tuple[Any, ...], Any]]) -> None:
    cut = [(path[: 1 + len(str(value)) % 3], value) for path, value in entries]
    msgspec.json.encode(indexed_messages(cut, "user"))


@pytest.mark.parametrize(
    "piece", ['{"message":', '[{"message":', '{"messages":', '{"content":[', '{"choices":[']
)
def test_deep_towers_never_raise(piece: str) -> None:
    for depth in (5, 100, 900, 5_000):
        msgspec.json.encode(messages_of(piece * depth + "1" + "}" * depth, "user"))
        closing = "".join({"{": "}", "[": "]"}[bracket] for bracket in reversed(piece) if bracket in "{[")
        msgspec.json.encode(messages_of(piece * depth + "1" + closing * depth, "user"))
