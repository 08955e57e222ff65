"""Spans out as OTLP and in again: the same records, but for what is listed here and in docs/rest.md."""

from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from api.views.span_lines import span
from corpus.normalised import LANDING, PRICES, normalised
from corpus.truth import CORPUS
from lumina_schemas.span import Message, Part, Span
from lumina_streams.core.otlp.document import message_of
from lumina_streams.core.span.normalise import normalise
from lumina_streams.core.span.rebuilt import requests

NAMES = sorted({path.name.removesuffix(".otlp.pb") for path in CORPUS.glob("*.otlp.pb")})

# Not in OTLP: where a span lay in its log, and what Lumina worked out (cost, settlement).
WORKED_OUT = {
    *("v", "src", "priced", "duplicate_of", "candidate", "clock_skew", "endpoint_overflow", "truncated"),
    *("cost_usd", "cost_status", "cost_reason", "price_version", "reported_cost_usd"),
}
# The id that LiteLLM makes up where it does not know the response: shown, never an id.
LOST = {"gen_ai.response.id"}
COMPARED = [name for name in Span.__struct_fields__ if name not in {*WORKED_OUT, "attributes"}]


def again(spans: list[Span]) -> list[Span]:
    """The spans after an export and an import by a gateway."""
    found: list[Span] = []
    for request in requests(spans):
        body = msgspec.json.encode(request)
        found += normalise(message_of(body, ExportTraceServiceRequest), LANDING, PRICES).spans
    return found


def by_id(spans: list[Span]) -> dict[tuple[str, str], Span]:
    return {(span.trace_id, span.span_id): span for span in spans}


def differences(span: Span, other: Span) -> dict[str, Any]:
    return {
        name: (getattr(span, name), getattr(other, name))
        for name in COMPARED
        if getattr(span, name) != getattr(other, name)
    }


def test_all_captures_come_back_as_they_were() -> None:
    wrong: Counter[str] = Counter()
    shown: list[str] = []
    total = 0
    for name in NAMES:
        spans = normalised(name)
        back = by_id(again(spans))
        assert back.keys() == by_id(spans).keys(), name
        for key, sent in by_id(spans).items():
            total += 1
            for field, values in differences(sent, back[key]).items():
                wrong[field] += 1
                shown.append(f"{name} {sent.kind} {sent.name} {field}: {values}"[:400])
    assert total > 300
    assert not wrong, f"{wrong}\n" + "\n".join(shown[:60])


def test_what_no_table_knows_is_still_there_and_calls_cost_the_same() -> None:
    for name in NAMES:
        spans = normalised(name)
        back = by_id(again(spans))
        for key, sent in by_id(spans).items():
            assert sent.attributes.keys() - back[key].attributes.keys() <= LOST, (name, sent.name)
            if sent.priced and back[key].priced:
                assert back[key].cost_usd == sent.cost_usd, (name, sent.name)
            assert back[key].kind == sent.kind


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
WORDS = st.text("abcdefghij-._ ", min_size=1, max_size=12).map(str.strip).filter(bool)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
PARTS = st.one_of(
    st.builds(Part, st.just("text"), content=TEXTS.filter(bool)),
    st.builds(Part, st.just("reasoning"), content=TEXTS.filter(bool)),
    st.builds(
        Part, st.just("tool_call"), id=WORDS, name=WORDS, arguments=st.dictionaries(TEXTS, JSON, max_size=3)
    ),
    st.builds(Part, st.just("tool_call_response"), id=WORDS, result=TEXTS.filter(bool)),
)


def messages(*roles: str) -> st.SearchStrategy[tuple[Message, ...]]:
    one = st.builds(Message, st.sampled_from(roles), st.lists(PARTS, min_size=1, max_size=3).map(tuple))
    return st.lists(one, max_size=3).map(tuple)


COUNTS = st.none() | st.integers(0, 10**9)


@st.composite
def calls(draw: st.DrawFn) -> Span:
    """A call with whatever its fields may hold."""
    read, write = draw(COUNTS), draw(COUNTS)
    cached = (read or 0) + (write or 0)
    some = st.integers(cached, 10**10)
    given = draw(some if cached else st.none() | some)
    output = draw(COUNTS) if given is not None else None
    base = span(draw(st.integers(1, 10**6)))
    scope = draw(st.sampled_from(["", "ai", "langfuse-sdk", "openlit.instrumentation.anthropic", "x"]))
    return msgspec.structs.replace(
        base,
        name=draw(TEXTS),
        scope=scope,
        system=draw(WORDS | st.just("")),
        input_messages=draw(messages("user", "assistant", "tool")),
        output_messages=draw(messages("assistant")),
        tool_calls=(),
        finish_reasons=draw(st.sampled_from([(), ("stop",), ("length", "stop")])),
        input_tokens=given,
        output_tokens=output,
        cache_read_tokens=read if given is not None else None,
        cache_write_tokens=write if given is not None else None,
        session_id=draw(WORDS | st.just("")),
        user_id=draw(WORDS | st.just("")),
        prompt_name=draw(WORDS | st.just("")),
        tags=draw(st.lists(WORDS, max_size=3, unique=True).map(tuple)),
        environment=draw(WORDS | st.just("")),
        attributes=draw(
            st.dictionaries(st.text("xyz.", min_size=5, max_size=9), TEXTS | st.integers(0, 9), max_size=3)
        ),
        resource={"telemetry.sdk.name": draw(TEXTS)},
        streaming=draw(st.sampled_from([None, True, False])),
        parent_span_id=draw(st.sampled_from(["", "00000000000000aa"])),
        duration_ms=draw(st.integers(0, 10**12)) / 1e6,
    )


@settings(max_examples=200, deadline=None)
@given(calls())
def test_whatever_a_call_holds_comes_back(call: Span) -> None:
    (back,) = again([call])
    left = {"tool_calls", "finish_reasons"} if not call.finish_reasons else {"tool_calls"}
    assert {name: pair for name, pair in differences(call, back).items() if name not in left} == {}
    assert back.attributes == call.attributes
