"""Which span is the call: every rule by itself, and what holds for any spans."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lumina_schemas.mapping.kinds import CONTAINERS, LEAVES
from lumina_schemas.mapping.usage import EXACT_USAGE_SCOPES
from lumina_streams.core.span.settlement import MAX_STEPS, NO_CALL, Sighting, settle

SECOND = 1_000_000_000
NATIVE = min(EXACT_USAGE_SCOPES)


def sighting(span_id: str, parent: str = "", start: float = 0, end: float = 1, **changes: Any) -> Sighting:
    """A call with usage in one trace; times in seconds."""
    values: dict[str, Any] = {
        "project": "p",
        "service": "shop",
        "scope": "a",
        "kind": "llm",
        "trace_id": "t",
        "request_model": "m",
        "counts": 2,
    }
    return Sighting(
        span_id=span_id,
        parent_span_id=parent,
        start_ns=round(start * SECOND),
        end_ns=round(end * SECOND),
        **(values | changes),
    )


def plain(span_id: str, parent: str = "", kind: str = "span", **changes: Any) -> Sighting:
    """A span that is no call and tells no tokens."""
    return sighting(span_id, parent, 0, 60, kind=kind, counts=0, **changes)


def roll_up(span_id: str, parent: str = "", **changes: Any) -> Sighting:
    """An agent with tokens."""
    values: dict[str, Any] = {"kind": "agent", "candidate": True}
    return sighting(span_id, parent, **(values | changes))


def settled(*spans: Sighting) -> dict[str, str]:
    """The call that each span is or tells of, by span id; spans that are neither are left out.

    Asserts on the way that the order of the spans changes nothing.
    """
    found = by_id(spans)
    for seed in range(6):
        shuffled = random.Random(seed).sample(spans, len(spans))
        assert by_id(shuffled) == found
    return {span_id: call for (_, _, span_id), (_, _, call) in found.items()}


def by_id(spans: Sequence[Sighting]) -> dict[tuple[str, str, str], tuple[str, str, str]]:
    found = settle(spans)
    return {place(spans[i]): place(spans[call]) for i, call in enumerate(found) if call != NO_CALL}


def place(span: Sighting) -> tuple[str, str, str]:
    return span.project, span.trace_id, span.span_id


def calls_in(spans: Sequence[Sighting]) -> int:
    return sum(call == index for index, call in enumerate(settle(spans)))


# One response, two scopes


def test_two_scopes_with_one_response_id_in_one_trace_tell_of_one_call() -> None:
    """However far apart: one trace is one story."""
    less = sighting("1", scope="a", response_id="r", counts=1)
    more = sighting("2", start=100, end=101, scope="b", response_id="r", counts=3)
    assert settled(less, more) == {"1": "2", "2": "2"}


@pytest.mark.parametrize(("gap_s", "calls"), [(-0.5, 1), (0, 1), (4.9, 1), (5.0, 1), (5.1, 2), (600, 2)])
def test_two_scopes_with_one_response_id_in_two_traces_must_be_close(gap_s: float, calls: int) -> None:
    first = sighting("1", scope="a", response_id="r")
    second = sighting("2", start=1 + gap_s, end=2 + gap_s, scope="b", response_id="r", trace_id="u")
    assert len(set(settled(first, second).values())) == calls


@pytest.mark.parametrize("trace_id", ["t", "u"])
def test_one_scope_naming_an_id_twice_apart_made_two_calls(trace_id: str) -> None:
    first = sighting("1", response_id="r")
    second = sighting("2", start=1.5, end=2, response_id="r", trace_id=trace_id)
    assert settled(first, second) == {"1": "1", "2": "2"}


def test_one_scope_naming_an_id_twice_at_once_made_one_call() -> None:
    first, second = sighting("1", response_id="r"), sighting("2", start=0.5, end=2, response_id="r")
    assert settled(first, second) == {"1": "2", "2": "2"}


def test_a_cache_that_repeats_an_answer_is_seen_by_both_scopes_each_time() -> None:
    """Scopes a and b see two calls with one id, apart: two calls of two spans each."""
    spans = [
        sighting(f"{scope}{number}", start=10 * number, end=10 * number + 1, scope=scope, response_id="r")
        for scope in "ab"
        for number in (1, 2)
    ]
    assert settled(*spans) == {"a1": "b1", "b1": "b1", "a2": "b2", "b2": "b2"}


def test_equal_ids_of_two_kinds_or_none_join_nothing() -> None:
    spans = [
        sighting("1", scope="a", response_id="r"),
        sighting("2", scope="b", response_id="r", kind="embedding"),
        sighting("3", scope="c"),
        sighting("4", scope="d"),
    ]
    assert calls_in(spans) == 4


def test_two_projects_with_equal_ids_share_nothing() -> None:
    """Same trace, span and response ids: calls of two projects, and no parent across them."""
    spans = [
        sighting("1", scope="a", response_id="r", project="p"),
        sighting("1", scope="b", response_id="r", project="q"),
        sighting("2", "1", scope="c", project="r"),
        roll_up("3", project="p"),
        sighting("4", "3", project="q"),
    ]
    found = settle(spans)
    assert found == [0, 1, 2, 3, 4]


# One inside the other


@pytest.mark.parametrize("between", [0, 1, 3, MAX_STEPS - 1])
def test_a_call_inside_a_call_through_plain_spans_is_one_call(between: int) -> None:
    spans = [sighting("outer", end=3), *nest("outer", between)]
    inner = sighting("inner", spans[-1].span_id, 1, 2)
    assert settled(*spans, inner) == {"outer": "inner", "inner": "inner"}


def test_too_far_inside_is_a_call_of_its_own() -> None:
    spans = [sighting("outer", end=3), *nest("outer", MAX_STEPS)]
    inner = sighting("inner", spans[-1].span_id, 1, 2)
    assert calls_in([*spans, inner]) == 2


def nest(parent: str, count: int) -> list[Sighting]:
    """Plain spans one inside the other."""
    above = [parent, *(f"plain{number}" for number in range(count))]
    return [plain(f"plain{number}", above[number]) for number in range(count)]


@pytest.mark.parametrize("kind", sorted(CONTAINERS))
def test_a_call_inside_a_container_inside_a_call_is_its_own(kind: str) -> None:
    spans = [sighting("outer", end=3), plain("box", "outer", kind), sighting("inner", "box", 1, 2)]
    assert settled(*spans) == {"outer": "outer", "inner": "inner"}


def test_an_embedding_inside_a_call_is_its_own() -> None:
    spans = [sighting("outer", end=3), sighting("inner", "outer", 1, 2, kind="embedding")]
    assert settled(*spans) == {"outer": "outer", "inner": "inner"}


def test_three_scopes_around_one_call_are_one_call() -> None:
    spans = [sighting("1", end=4, scope="a"), sighting("2", "1", 1, 3, scope="b"), sighting("3", "2", 2, 3)]
    assert set(settled(*spans).values()) == {"3"}


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"counts": 1, "scope": "b"}, {"counts": 0, "scope": NATIVE, "messages": 9}),
        ({"counts": 1, "scope": NATIVE}, {"counts": 5, "messages": 9}),
        ({"counts": 3}, {"counts": 2, "messages": 9}),
        ({"messages": 2}, {"messages": 1}),
    ],
)
def test_the_span_that_tells_more_is_the_call(better: dict[str, Any], worse: dict[str, Any]) -> None:
    """Usage first, then the client's own scope, more counts, more messages; inner or outer."""
    for outer, inner, call in ((better, worse, "1"), (worse, better, "2")):
        spans = [sighting("1", end=3, **outer), sighting("2", "1", 1, 2, **inner)]
        assert set(settled(*spans).values()) == {call}


# Wrappers around several calls


def test_a_wrapper_around_several_calls_tells_of_the_first() -> None:
    spans = [sighting("w", end=9), sighting("1", "w", 1, 2), sighting("2", "w", 3, 4)]
    assert settled(*spans) == {"w": "1", "1": "1", "2": "2"}


def test_a_wrapper_that_repeats_the_id_of_one_of_its_calls_is_no_call() -> None:
    spans = [
        sighting("w", end=9, scope="w", response_id="r2", counts=6),
        sighting("1", "w", 1, 2, response_id="r1"),
        sighting("2", "w", 3, 4, response_id="r2"),
    ]
    assert settled(*spans) == {"w": "1", "1": "1", "2": "2"}


@pytest.mark.parametrize("outer_end", [9, 10, 8.5])
def test_a_wrapper_around_a_wrapper_is_no_call(outer_end: float) -> None:
    """Also where the clocks of two processes let the inner one end last."""
    spans = [
        sighting("v", end=outer_end, scope="v"),
        sighting("w", "v", end=9, scope="w"),
        sighting("1", "w", 1, 2),
        sighting("2", "w", 3, 4),
    ]
    assert settled(*spans) == {"v": "1", "w": "1", "1": "1", "2": "2"}


def test_a_wrapper_around_a_wrapper_and_a_call_is_no_call() -> None:
    spans = [
        sighting("v", end=8, scope="v"),
        sighting("w", "v", end=9, scope="w"),
        sighting("1", "w", 1, 2),
        sighting("2", "w", 3, 4),
        sighting("3", "v", 9, 9.5),
    ]
    assert settled(*spans) == {"v": "1", "w": "1", "1": "1", "2": "2", "3": "3"}


def test_a_wrapper_around_one_call_seen_twice_is_that_call() -> None:
    spans = [
        sighting("w", end=9, scope="w", counts=1),
        sighting("1", "w", 1, 2, scope="a", response_id="r"),
        sighting("2", "w", 1, 2, scope="b", response_id="r", counts=4),
    ]
    assert set(settled(*spans).values()) == {"2"}


# Attempts that failed


def test_failed_attempts_are_calls_and_make_no_wrapper() -> None:
    """A client that tries again: the span around the attempts is the one that came through."""
    failed: dict[str, Any] = {"failed": True, "counts": 0}
    spans = [
        sighting("w", end=9, scope="w"),
        sighting("1", "w", 1, 2, **failed),
        sighting("2", "w", 3, 4, **failed),
        sighting("3", "w", 5, 6),
    ]
    assert settled(*spans) == {"w": "3", "1": "1", "2": "2", "3": "3"}


def test_where_all_attempts_failed_the_span_around_them_is_none() -> None:
    failed: dict[str, Any] = {"failed": True, "counts": 0}
    spans = [
        sighting("w", end=9, scope="w", **failed),
        sighting("1", "w", 1, 2, **failed),
        sighting("2", "w", 3, 4, **failed),
    ]
    assert settled(*spans) == {"w": "1", "1": "1", "2": "2"}


def test_one_failed_attempt_inside_is_the_call_around_it() -> None:
    failed: dict[str, Any] = {"failed": True, "counts": 0}
    spans = [sighting("w", end=9, scope="w", **failed), sighting("1", "w", 1, 2, **failed)]
    assert set(settled(*spans).values()) == {"1"}


def test_a_failed_call_without_id_is_paired_with_the_clients_own_span() -> None:
    """Other traces, no ids, no usage: the client's own span lies inside the other in time."""
    nothing: dict[str, Any] = {"failed": True, "counts": 0}
    spans = [
        sighting("around", start=0, end=9, trace_id="u", **nothing),
        sighting("nearer", start=1, end=8, trace_id="v", **nothing),
        sighting("native", start=2, end=7, scope=NATIVE, **nothing),
    ]
    assert settled(*spans) == {"around": "around", "nearer": "native", "native": "native"}


@pytest.mark.parametrize(
    "changes",
    [
        {"request_model": "other"},
        {"service": "other"},
        {"project": "other"},
        {"start": 3},
        {"end": 6},
        {"response_id": "r"},
        {"counts": 1},
    ],
)
def test_failed_calls_that_differ_are_not_paired(changes: dict[str, Any]) -> None:
    nothing: dict[str, Any] = {"failed": True, "counts": 0}
    values: dict[str, Any] = {"start": 1, "end": 8, "trace_id": "u"} | nothing | changes
    spans = [
        sighting("1", **values),
        sighting("native", start=2, end=7, scope=NATIVE, **nothing),
    ]
    assert calls_in(spans) == 2


def test_each_failed_call_is_paired_once() -> None:
    nothing: dict[str, Any] = {"failed": True, "counts": 0}
    spans = [
        sighting("1", start=0, end=9, trace_id="u", **nothing),
        sighting("2", start=2, end=4, scope=NATIVE, **nothing),
        sighting("3", start=5, end=7, scope=NATIVE, trace_id="v", **nothing),
    ]
    assert calls_in(spans) == 2


# Ends of streams


def beginning(span_id: str, end: float, **changes: Any) -> Sighting:
    values: dict[str, Any] = {"start": end - 0.5, "end": end, "counts": 0, "asked": "digest"} | changes
    return sighting(span_id, **values)


def ending(span_id: str, end: float, **changes: Any) -> Sighting:
    values: dict[str, Any] = {
        "start": end - 1,
        "end": end,
        "continues": True,
        "asked": "digest",
        "trace_id": "u",
    } | changes
    return sighting(span_id, **values)


def test_the_end_of_a_stream_is_the_call_that_began_it() -> None:
    assert settled(beginning("1", 1), ending("2", 3)) == {"1": "2", "2": "2"}


def test_streams_that_asked_the_same_end_each_its_own_beginning() -> None:
    spans = [beginning("1", 1), beginning("2", 2), ending("3", 3), ending("4", 4)]
    assert settled(*spans) == {"1": "4", "2": "3", "3": "3", "4": "4"}


def test_an_abandoned_stream_is_a_call_without_its_end() -> None:
    spans = [beginning("1", 1), beginning("2", 2), ending("3", 3)]
    assert settled(*spans) == {"1": "1", "2": "3", "3": "3"}


@pytest.mark.parametrize(
    "changes",
    [
        {"asked": "other"},
        {"scope": "other"},
        {"service": "other"},
        {"project": "other"},
        {"request_model": "other"},
        {"end": 3.5},
        {"counts": 1},
    ],
)
def test_beginnings_that_do_not_fit_are_not_joined(changes: dict[str, Any]) -> None:
    spans = [beginning("1", **({"end": 1} | changes)), ending("2", 3)]
    assert calls_in(spans) == 2


# Candidates


def test_a_roll_up_without_calls_below_it_is_a_call() -> None:
    spans = [roll_up("1"), plain("2", "1"), plain("3", "1", "tool"), plain("4", kind="agent")]
    assert settled(*spans) == {"1": "1"}


@pytest.mark.parametrize("kind", sorted(LEAVES))
def test_a_roll_up_with_a_call_anywhere_below_it_is_none(kind: str) -> None:
    spans = [
        roll_up("1"),
        plain("2", "1"),
        plain("3", "2", "tool"),
        roll_up("4", "3"),
        sighting("5", "4", kind=kind),
        roll_up("6", "4"),
    ]
    assert settled(*spans) == {"5": "5", "6": "6"}


def test_a_call_that_is_told_elsewhere_covers_roll_ups_all_the_same() -> None:
    spans = [
        roll_up("1"),
        sighting("2", "1", scope="a", response_id="r", counts=1),
        sighting("3", scope="b", response_id="r", counts=4),
    ]
    assert settled(*spans) == {"2": "3", "3": "3"}


@pytest.mark.parametrize("ids", [("1", "2", "3"), ("3", "2", "1"), ("2", "1", "3")])
def test_of_nested_roll_ups_the_innermost_is_the_call(ids: tuple[str, str, str]) -> None:
    """Also where a coarse clock gives all of them one start, whatever their ids."""
    outer, middle, inner = ids
    together = [roll_up(outer), roll_up(middle, outer), roll_up(inner, middle)]
    assert settled(*together) == {inner: inner}
    skewed = [roll_up(outer, start=2), roll_up(middle, outer, start=1), roll_up(inner, middle)]
    assert settled(*skewed) == {inner: inner}


def test_roll_ups_side_by_side_are_calls_each() -> None:
    spans = [roll_up("1"), roll_up("2", "1"), plain("3", "1"), roll_up("4", "3")]
    assert settled(*spans) == {"2": "2", "4": "4"}


def test_a_roll_up_in_another_trace_is_not_covered() -> None:
    assert settled(roll_up("1"), sighting("2", "1", trace_id="u")) == {"1": "1", "2": "2"}


# Rings of parents


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_calls_in_a_ring_of_parents_are_a_call_at_least(size: int) -> None:
    spans = [sighting(str(number), str((number + 1) % size)) for number in range(size)]
    assert set(settled(*spans).values())


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_roll_ups_in_a_ring_of_parents_are_one_call(size: int) -> None:
    spans = [roll_up(str(number), str((number + 1) % size)) for number in range(size)]
    assert len(settled(*spans)) == 1
    below = sighting("call", "0")
    assert settled(*spans, below) == {"call": "call"}


def test_wrappers_in_a_ring_of_parents_end() -> None:
    ring = [sighting(str(number), str((number + 1) % 3), scope="w") for number in range(3)]
    inner = [sighting(f"in{number}", str(number), 0.2, 0.4, response_id=str(number)) for number in range(3)]
    found = settled(*ring, *inner)
    assert {found[span.span_id] for span in inner} == {"in0", "in1", "in2"}


# What holds for any spans

SIGHTINGS = st.builds(
    Sighting,
    project=st.sampled_from(["p", "q"]),
    service=st.sampled_from(["s", "z"]),
    scope=st.sampled_from(["a", "b", "c", NATIVE]),
    kind=st.sampled_from(["llm", "llm", "llm", "embedding", "agent", "tool", "span", "chain", "unheard"]),
    trace_id=st.sampled_from(["t", "u"]),
    span_id=st.sampled_from("123456789"),
    parent_span_id=st.sampled_from(["", *"123456789"]),
    start_ns=st.integers(0, 3) | st.sampled_from([0, SECOND, 2**63 - 1]),
    end_ns=st.integers(0, 5) | st.sampled_from([0, 9 * SECOND, 2**63 - 1]),
    request_model=st.sampled_from(["", "m"]),
    response_id=st.sampled_from(["", "", "r1", "r2"]),
    failed=st.booleans(),
    candidate=st.booleans(),
    counts=st.integers(0, 3),
    messages=st.integers(0, 2),
    continues=st.booleans(),
    asked=st.sampled_from(["", "x"]),
)
ANY = st.lists(SIGHTINGS, max_size=14, unique_by=place)


@settings(max_examples=400, deadline=None)
@given(spans=ANY, seed=st.randoms(use_true_random=False))
def test_any_spans_settle_the_same_in_any_order(spans: list[Sighting], seed: random.Random) -> None:
    found = settle(spans)
    assert settle(spans) == found
    shuffled = list(spans)
    seed.shuffle(shuffled)
    assert by_id(shuffled) == by_id(spans)
    for index, call in enumerate(found):
        told = spans[index].kind in LEAVES
        assert not told or call != NO_CALL, "a call is one, or tells of one"
        assert call == NO_CALL or found[call] == call, "who tells of a call names the call itself"
        assert call in (NO_CALL, index) or told, "roll-ups tell of no call"
        assert call == NO_CALL or spans[call].project == spans[index].project
    telling = [span for span in spans if span.kind in LEAVES or span.candidate]
    calls = sum(call == index for index, call in enumerate(found))
    assert min(1, len(telling)) <= calls <= len(telling)


@st.composite
def traffic(draw: st.DrawFn) -> tuple[list[Sighting], int]:
    """(spans, real calls): calls of one or more traces, each seen by one to three scopes."""
    spans: list[Sighting] = []
    real, clock = 0, 10.0
    for trace in range(draw(st.integers(1, 3))):
        trace_id = f"t{trace}"
        root = f"{trace_id}/root"
        shape = draw(st.sampled_from(["plain", "agent", "roll-up", "missing"]))
        if shape != "missing":
            kind = "span" if shape == "plain" else "agent"
            rolled = {"candidate": shape == "roll-up", "counts": 2 if shape == "roll-up" else 0}
            spans.append(sighting(root, "", clock, clock + 500, trace_id=trace_id, kind=kind, **rolled))
        for number in range(draw(st.integers(1, 3))):
            around = root
            for depth in range(draw(st.integers(0, 2))):
                wrapper = f"{trace_id}/{number}w{depth}"
                spans.append(
                    sighting(wrapper, around, clock, clock + 99, trace_id=trace_id, scope=f"w{depth}")
                )
                around = wrapper
            for attempt in range(draw(st.integers(1, 3))):
                name = f"{trace_id}/{number}.{attempt}"
                spans += draw(seen(name, around, trace_id, clock))
                real += 1
                clock += draw(st.sampled_from([2.0, 7.0]))
            clock += 100
    return spans, real


@st.composite
def seen(draw: st.DrawFn, name: str, around: str, trace_id: str, clock: float) -> list[Sighting]:
    """The spans of one real call: inside one another, perhaps through a plain span, or side by side."""
    scopes = draw(st.permutations(["a", "b", "c"]))[: draw(st.integers(1, 3))]
    nested = draw(st.booleans())
    response_id = "" if nested and draw(st.booleans()) else name
    spans: list[Sighting] = []
    parent = around
    for depth, scope in enumerate(scopes):
        if nested and depth and draw(st.booleans()):
            spans.append(plain(f"{name}{scope}-", parent, trace_id=trace_id))
            parent = f"{name}{scope}-"
        told = {"counts": draw(st.integers(1, 4)), "messages": draw(st.integers(0, 3)), "scope": scope}
        start, end = clock + depth / 10, clock + 1 - depth / 10
        spans.append(
            sighting(f"{name}{scope}", parent, start, end, trace_id=trace_id, response_id=response_id, **told)
        )
        if nested:
            parent = f"{name}{scope}"
    return spans


@settings(max_examples=300, deadline=None)
@given(made=traffic(), seed=st.randoms(use_true_random=False))
def test_every_real_call_is_counted_once(made: tuple[list[Sighting], int], seed: random.Random) -> None:
    spans, real = made
    seed.shuffle(spans)
    assert calls_in(spans) == real


@settings(max_examples=100, deadline=None)
@given(made=traffic(), data=st.data())
def test_a_part_of_the_spans_never_shows_more_calls_than_real(
    made: tuple[list[Sighting], int], data: st.DataObject
) -> None:
    """Two scopes' spans of calls with ids, some of them lost or not there yet."""
    spans = [replace(span, response_id=span.span_id[:-1]) for span in made[0] if span.scope in "abc"]
    spans = [span for span in spans if span.kind in LEAVES]
    kept = [span for span in spans if data.draw(st.booleans())]
    assert calls_in(kept) == len({span.response_id for span in kept})
