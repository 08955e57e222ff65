"""Spans, scores and late contents of all sorts for the tests of lists, with texts that break things."""

import time
from typing import Any

from hypothesis import strategies as st

from api.rest.brute_force import Asked, World, key_of
from api.views.span_lines import SECOND_NS, content, score, span
from lumina_api.rest.moment import rfc3339
from lumina_schemas.score import Score
from lumina_schemas.span import Content, Message, Part, Span

NEWEST_NS = time.time_ns() // 1_000_000_000 * 1_000_000_000 - 60 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS

NASTY = [
    *("", "a", "A", "Ab", 'say "hi"', "it's", "100%", "a_b", "back\\slash", "C:\\new", "line\nbreak", "\t"),
    *("naïve É", "é", "ß☃😀", "\u2028", "\x00", "\x1b[2J", "role", "text", "[0]", "a=b", "=", "\\=", "\\"),
    *("{}", "$.a", "*", "/", "~1", "a.b", "$text", "$1", "-- part", "';--", "null", "true", "1", "0.5"),
]
NAMES = [text for text in NASTY if text]
LETTERS = "aAbé\"'\\%_\n ☃"

value = st.sampled_from(NASTY)
name = st.sampled_from(NAMES)
some = st.sampled_from(NASTY[:6])
free = st.text(LETTERS, max_size=6)
leaf = value | free | st.sampled_from([None, True, 0, 17, -3, 0.5, 1e22, 2**53])
nested = leaf | st.lists(leaf, max_size=2) | st.dictionaries(value, leaf, max_size=2)
attributes = st.dictionaries(value | free, nested, max_size=3)
count = st.sampled_from([None, 0, 10, 100, 1000])

part = st.one_of(
    st.builds(Part, st.just("text"), content=value | free),
    st.builds(Part, st.just("tool_call"), name=value, arguments=nested),
    st.builds(Part, st.just("tool_call_response"), result=nested),
)
messages = st.lists(
    st.builds(Message, st.sampled_from(["user", "assistant"]), st.lists(part, max_size=2).map(tuple)),
    max_size=2,
).map(tuple)


@st.composite
def spans(draw: st.DrawFn, /, number: int, **of_trace: Any) -> Span:
    """One span of a trace."""
    kind = draw(st.sampled_from(["llm", "llm", "embedding", "tool", "agent"]))
    is_call = kind in ("llm", "embedding")
    cost = draw(st.sampled_from([None, 0.0, 0.001, 0.02, 1.5])) if is_call else None
    status = draw(st.sampled_from(["exact", "estimated"])) if cost is not None else "unknown"
    return span(
        number,
        kind=kind,
        priced=is_call,
        cost_usd=cost,
        cost_status=status if is_call else None,
        endpoint=draw(some) or "answer",
        environment=draw(some),
        release=draw(value),
        user_id=draw(some),
        prompt_name=draw(some),
        prompt_version=draw(some),
        tags=tuple(draw(st.lists(value, max_size=2, unique=True))),
        status=draw(st.sampled_from(["ok", "unset", "error"])),
        provider=draw(some) if is_call else "",
        # A model of its own for each: else settling might take two failed calls for one.
        request_model=f"{draw(some)}{number}" if is_call else "",
        response_model=draw(some) if is_call else "",
        duration_ms=draw(st.sampled_from([0.0, 10.0, 250.0, 3000.0])),
        ttft_ms=draw(st.sampled_from([None, 5.0, 80.0])),
        input_tokens=draw(count),
        output_tokens=draw(count),
        system=draw(value),
        input_messages=draw(messages),
        output_messages=draw(messages),
        attributes=draw(attributes),
        resource=draw(attributes),
        **of_trace,
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Some traces with up to four spans each."""
    found: list[Span] = []
    for number in range(draw(st.integers(1, 6))):
        start_ns = NEWEST_NS - draw(st.integers(1, 18)) * HOUR_NS + number
        session = draw(some)
        of_trace = {
            "project": draw(st.sampled_from(["shop", 'b"ank', "100%"])),
            "service": draw(st.sampled_from(["web", "it's"])),
            "trace_id": f"{number + 1:032x}",
        }
        root = f"{number + 1:x}".ljust(16, "0")
        for place in range(draw(st.integers(1, 4))):
            found.append(
                draw(
                    spans(
                        len(found),
                        **of_trace,
                        span_id=root if place == 0 else f"{len(found) + 1:016x}",
                        parent_span_id="" if place == 0 else root,
                        start_ns=start_ns + place * SECOND_NS,
                        # A session may be known to the root alone.
                        session_id=session if place == 0 or draw(st.booleans()) else "",
                    )
                )
            )
    judged: list[Score] = [
        score(
            one,
            draw(st.sampled_from([0.0, 0.25, 0.75, 1.0])),
            quality_reason=draw(st.sampled_from(["", "refusal", "unlike"])),
        )
        for one in found
        if one.priced and draw(st.booleans())
    ]
    late: list[Content] = [
        content(
            one, number, system=draw(value), input_messages=draw(messages), output_messages=draw(messages)
        )
        for number, one in enumerate(found)
        if draw(st.integers(0, 3)) == 0
    ]
    return World(found, {key_of(one): one for one in judged}, late)


def moment(hours: float) -> str:
    """A time that far back, in whole microseconds, which RFC 3339 holds exactly."""
    return rfc3339(NEWEST_NS - int(hours * 3600) * SECOND_NS)[:-4] + "Z"


def _any_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=3)


def _amount(*values: float) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "project": _any_of(st.sampled_from(["shop", 'b"ank', "100%", "nobody's"])),
    "service": _any_of(st.sampled_from(["web", "it's", "bot"])),
    "endpoint": _any_of(some.filter(bool) | st.just("answer")),
    "model": _any_of(some.filter(bool) | st.sampled_from(["a0", "A1", "2"])),
    "provider": _any_of(some.filter(bool)),
    "status": _any_of(st.sampled_from(["ok", "unset", "error"])),
    "environment": _any_of(some),
    "release": _any_of(value),
    "session_id": _any_of(some),
    "user_id": _any_of(some),
    "prompt_name": _any_of(some),
    "prompt_version": _any_of(some),
    "tag": _any_of(name),
    "trace_id": st.sampled_from([f"{number:032X}" for number in range(1, 8)]),
    "since": st.sampled_from([moment(hours) for hours in (3, 9, 20)]),
    "until": st.sampled_from([moment(hours) for hours in (3, 9)]),
    "min_cost": _amount(0, 0.0005, 0.005, 1),
    "max_cost": _amount(0, 0.0005, 0.005, 2),
    "min_duration_ms": _amount(0, 5, 100, 1100),
    "max_duration_ms": _amount(5, 100, 1100, 5000),
    "min_ttft_ms": _amount(0, 50),
    "max_ttft_ms": _amount(3, 50),
    "min_input_tokens": _amount(0, 1, 50),
    "max_input_tokens": _amount(0, 50),
    "min_output_tokens": _amount(0, 1, 50),
    "max_output_tokens": _amount(0, 50),
    "min_total_tokens": _amount(0, 1, 110),
    "max_total_tokens": _amount(0, 110, 1000),
    "cost_status": _any_of(st.sampled_from(["exact", "estimated", "unknown"])),
    "min_quality": _amount(0, 0.5, 1),
    "max_quality": _amount(0, 0.5, 1),
    "quality_reason": _any_of(st.sampled_from(["", "refusal", "unlike", "loop"])),
    "attribute": st.lists(
        st.tuples(
            value | free, st.none() | value | free | st.sampled_from(["17", "-3", "0.50", "[]", "{}"])
        ).filter(lambda one: one != ("", None)),
        min_size=1,
        max_size=2,
    ),
    "text": name | free.filter(bool),
}


@st.composite
def asks(draw: st.DrawFn) -> Asked:
    """A few filters at once: many would leave nothing of any list."""
    names = draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True))
    return {name: draw(VALUES[name]) for name in names}
