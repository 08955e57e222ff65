"""Every documented filter of calls, traces, sessions and their facets, held against a brute-force answer."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from api.rest import brute_force
from api.rest.brute_force import FACETS, MATCHES, Asked, Whole, World, key_of, parameters
from api.rest.conftest import Rest
from api.rest.worlds import HOUR_NS, NEWEST_NS, VALUES, asks, moment, worlds
from api.views.span_lines import content, message, score, span
from lumina_api.rest.moment import rfc3339
from lumina_schemas.span import Message, Part

ORDERS = ["newest", "oldest", "costliest", "slowest"]
LISTS = ["calls", "traces", "sessions"]
BESIDE = {"limit", "order", "cursor", "facet", "at_least"}
TABLES = ("spans", "contents", "scores", "traces")

EXAMPLES = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    running = Rest(Path(tmp_path_factory.mktemp("lists")) / "views.duckdb")
    yield running
    running.store.close()


def fill(rest: Rest, world: World) -> World:
    """The views hold this world and nothing else. Which of its spans are calls, only they can tell."""
    for table in TABLES:
        rest.store._connection.execute(f"DELETE FROM {table}")
    rest.apply(
        rest.log.spans([*world.spans, *world.contents], arrived_ms=NEWEST_NS // 1_000_000),
        rest.log.scores(world.scores.values()),
    )
    rows = rest.store._connection.execute("SELECT project, trace_id, span_id, priced FROM spans").fetchall()
    priced = {(project, trace, span): value for project, trace, span, value in rows}
    return replace(world, spans=[structs.replace(span, priced=priced[key_of(span)]) for span in world.spans])


def listed(rest: Rest, resource: str, asked: Asked, **beside: Any) -> list[Any]:
    return rest.items(resource, limit=1000, **parameters(asked), **beside)


def walked(rest: Rest, resource: str, asked: Asked, limit: int, order: str) -> list[Any]:
    """All pages, one after the other."""
    found: list[Any] = []
    following: dict[str, Any] = {}
    while True:
        page = rest.get(f"/api/v1/{resource}", limit=limit, order=order, **parameters(asked), **following)
        found += page["items"]
        if page["next_cursor"] is None:
            return found
        assert len(page["items"]) == limit
        following = {"cursor": page["next_cursor"]}


def sort_key(order: str) -> Callable[[Any], float]:
    """By what a list in this order must ascend; an unknown cost is less than none."""
    keys: dict[str, Callable[[Any], float]] = {
        "newest": lambda item: -item.get("start_ns", item.get("last_ns")),
        "oldest": lambda item: item.get("start_ns", item.get("first_ns")),
        "costliest": lambda item: 1 if item["cost_usd"] is None else -item["cost_usd"],
        "slowest": lambda item: -item["duration_ms"],
    }
    return keys[order]


def assert_order(items: list[Any], order: str) -> None:
    found = [sort_key(order)(item) for item in items]
    assert found == sorted(found)


def cost(amount: float | None) -> Any:
    return None if amount is None else pytest.approx(amount, abs=1e-9)


def assert_sums(item: Any, of: Whole, world: World) -> None:
    assert (item["span_count"], item["call_count"]) == (len(of.spans), len(of.calls))
    assert item["cost_usd"] == cost(of.cost_usd)
    assert item["coverage"] == of.coverage
    assert (item["input_tokens"], item["output_tokens"]) == (of.input_tokens, of.output_tokens)
    assert item["error_count"] == of.errors
    assert item["status"] == of.status
    assert item["worst_quality"] == of.worst_quality(world)
    assert item["duration_ms"] == pytest.approx(of.duration_ms, abs=0.0011)


def assert_calls(rest: Rest, world: World, asked: Asked, order: str = "newest") -> None:
    items = listed(rest, "calls", asked, order=order)
    expected = brute_force.calls(world, asked)
    assert sorted(item["span_id"] for item in items) == sorted(span.span_id for span in expected)
    assert_order(items, order)


def assert_traces(rest: Rest, world: World, asked: Asked, order: str = "newest") -> None:
    items = listed(rest, "traces", asked, order=order)
    expected = {(trace[0].project, trace[0].trace_id): trace for trace in brute_force.traces(world, asked)}
    assert sorted((item["project"], item["trace_id"]) for item in items) == sorted(expected)
    for item in items:
        trace = expected[item["project"], item["trace_id"]]
        root = min(trace, key=lambda span: (span.parent_span_id != "", span.start_ns, span.span_id))
        assert (item["name"], item["service"]) == (root.name, root.service)
        assert item["start_ns"] == Whole(trace).start_ns
        assert item["session_id"] == Whole(trace).session_id
        assert item["user_id"] == max(span.user_id for span in trace)
        models = {span.response_model or span.request_model for span in trace if span.priced}
        assert item["models"] == sorted(models - {""})
        assert_sums(item, Whole(trace), world)
    assert_order(items, order)


def assert_sessions(rest: Rest, world: World, asked: Asked, order: str = "newest") -> None:
    items = listed(rest, "sessions", asked, order=order)
    expected = brute_force.sessions(world, asked)
    assert sorted((item["project"], item["session_id"]) for item in items) == sorted(expected)
    for item in items:
        traces = expected[item["project"], item["session_id"]]
        starts = [Whole(trace).start_ns for trace in traces]
        assert item["trace_count"] == len(traces)
        assert (item["first_ns"], item["last_ns"]) == (min(starts), max(starts))
        assert (item["first"], item["last"]) == (rfc3339(min(starts)), rfc3339(max(starts)))
        users = {max(span.user_id for span in trace) for trace in traces}
        assert item["users"] == sorted(users - {""})
        assert_sums(item, Whole([span for trace in traces for span in trace]), world)
    assert_order(items, order)


ASSERTS = {"calls": assert_calls, "traces": assert_traces, "sessions": assert_sessions}


def assert_facets(rest: Rest, world: World, asked: Asked, resource: str, **beside: Any) -> None:
    lists: dict[str, Callable[[World, Asked], Sequence[object]]] = {
        "calls": brute_force.calls,
        "traces": brute_force.traces,
    }
    body = rest.get(f"/api/v1/{resource}/facets", limit=200, **parameters(asked), **beside)
    for name, values in body["facets"].items():
        found = {one["value"]: one["count"] for one in values}
        assert found == brute_force.facet(world, name, asked, lists[resource]), name
        assert [(-one["count"], one["value"]) for one in values] == sorted(
            (-one["count"], one["value"]) for one in values
        )


@pytest.mark.parametrize("resource", [*LISTS, "calls/facets", "traces/facets"])
def test_every_documented_parameter_has_a_case(rest: Rest, resource: str) -> None:
    document = rest.get("/openapi.json")
    documented = {one["name"] for one in document["paths"][f"/api/v1/{resource}"]["get"]["parameters"]}
    assert documented - BESIDE == set(VALUES) == set(MATCHES) == set(CASES)
    if "/" in resource:
        answer = document["components"]["schemas"]["FacetValues"]
        assert set(answer["properties"]) == set(FACETS)


@dataclass(frozen=True)
class Case:
    """A filter, a span that it finds and one that it does not; `late` and scores belong to the first."""

    asked: Any
    yes: dict[str, Any]
    no: dict[str, Any]
    late: dict[str, Any] = field(default_factory=dict)
    quality: tuple[float, str] | None = None
    other_quality: tuple[float, str] | None = None


def said(text: str) -> dict[str, Any]:
    return {"input_messages": (message("user", text),)}


def called(arguments: Any) -> dict[str, Any]:
    return {
        "output_messages": (Message("assistant", (Part("tool_call", name="find", arguments=arguments),)),)
    }


SINCE = {"start_ns": NEWEST_NS}, {"start_ns": NEWEST_NS - 3 * HOUR_NS}
CASES: dict[str, list[Case]] = {
    "project": [Case("100%", {"project": "100%"}, {"project": "1000"})],
    "service": [Case(["it's", "x"], {"service": "it's"}, {"service": "its"})],
    "endpoint": [Case("a_b", {"endpoint": "a_b"}, {"endpoint": "axb"})],
    "model": [
        Case("asked", {"request_model": "asked"}, {}),
        Case("given", {"response_model": "given"}, {}),
    ],
    "provider": [Case("anthropic", {"provider": "anthropic"}, {})],
    "status": [Case(["error", "unset"], {"status": "error"}, {"status": "ok"})],
    "environment": [
        Case("prod", {"environment": "prod"}, {"environment": "production"}),
        Case("", {}, {"environment": "prod"}),
    ],
    "release": [Case("1.4", {"release": "1.4"}, {"release": "1.40"}), Case("", {}, {"release": "1"})],
    "session_id": [Case("\x00☃", {"session_id": "\x00☃"}, {"session_id": "\x00"})],
    "user_id": [Case("é", {"user_id": "é"}, {"user_id": "É"}), Case("", {}, {"user_id": "u"})],
    "prompt_name": [Case("a b", {"prompt_name": "a b"}, {}), Case("", {}, {"prompt_name": "a"})],
    "prompt_version": [Case("10", {"prompt_version": "10"}, {"prompt_version": "1"})],
    "tag": [
        Case('say "hi"', {"tags": ("x", 'say "hi"')}, {"tags": ("say hi",)}),
        Case(["b", "c"], {"tags": ("a", "b")}, {"tags": ("a",)}),
    ],
    "trace_id": [Case("AB" * 16, {"trace_id": "ab" * 16}, {"trace_id": "cd" * 16})],
    "since": [Case(moment(1), *SINCE)],
    "until": [Case(moment(1), *SINCE[::-1])],
    "min_cost": [Case(0.5, {"cost_usd": 0.5}, {"cost_usd": 0.49}), Case(0, {}, {"cost_usd": None})],
    "max_cost": [Case(0.5, {"cost_usd": 0.5}, {"cost_usd": 0.51}), Case(1, {}, {"cost_usd": None})],
    "min_duration_ms": [Case(80.5, {"duration_ms": 80.5}, {"duration_ms": 80.0})],
    "max_duration_ms": [Case(80.5, {"duration_ms": 80.5}, {"duration_ms": 81.0})],
    "min_ttft_ms": [Case(9, {"ttft_ms": 9.0}, {"ttft_ms": 8.9}), Case(0, {"ttft_ms": 1.0}, {})],
    "max_ttft_ms": [Case(9, {"ttft_ms": 9.0}, {"ttft_ms": 9.1}), Case(9, {"ttft_ms": 1.0}, {})],
    "min_input_tokens": [Case(7, {"input_tokens": 7}, {"input_tokens": 6})],
    "max_input_tokens": [Case(7, {"input_tokens": 7}, {"input_tokens": 8})],
    "min_output_tokens": [Case(7, {"output_tokens": 7}, {"output_tokens": 6})],
    "max_output_tokens": [Case(7, {"output_tokens": 7}, {"output_tokens": 8})],
    "min_total_tokens": [
        Case(7, {"input_tokens": 3, "output_tokens": 4}, {"input_tokens": 3, "output_tokens": 3}),
        Case(7, {"input_tokens": 7, "output_tokens": None}, {"input_tokens": 6, "output_tokens": None}),
    ],
    "max_total_tokens": [
        Case(7, {"input_tokens": 3, "output_tokens": 4}, {"input_tokens": 4, "output_tokens": 4})
    ],
    "cost_status": [Case(["estimated"], {"cost_status": "estimated"}, {"cost_status": "exact"})],
    "min_quality": [
        Case(0.5, {}, {}, quality=(0.5, ""), other_quality=(0.4, "")),
        Case(0, {}, {}, quality=(0, "")),
    ],
    "max_quality": [
        Case(0.5, {}, {}, quality=(0.5, ""), other_quality=(0.6, "")),
        Case(1, {}, {}, quality=(1, "")),
    ],
    "quality_reason": [
        Case(["refusal"], {}, {}, quality=(0.1, "refusal"), other_quality=(0.1, "unlike")),
        Case("", {}, {}, quality=(0.9, "")),
    ],
    "attribute": [
        Case([("a.b", "x")], {"attributes": {"a.b": "x"}}, {"attributes": {"a": {"b": "x"}}}),
        Case([("host", "h1")], {"resource": {"host": "h1"}}, {"resource": {"host": "h2"}}),
        Case([("a=b\\", "c=d")], {"attributes": {"a=b\\": "c=d"}}, {"attributes": {"a": "b\\=c=d"}}),
        Case([('"] $', None)], {"attributes": {'"] $': None}}, {"attributes": {"$": 1}}),
        Case([("/~1'", "☃")], {"attributes": {"/~1'": "☃"}}, {"attributes": {"/~1'": "?"}}),
        Case([("", "x")], {"attributes": {"": "x"}}, {"attributes": {"x": ""}}),
        Case([("n", "0.50")], {"attributes": {"n": 0.5}}, {"attributes": {"n": "0.5"}}),
        Case([("n", "17")], {"attributes": {"n": 17}}, {"attributes": {"n": 170}}),
        Case([("on", "true")], {"attributes": {"on": True}}, {"attributes": {"on": 1}}),
        Case([("l", '["a",1]')], {"attributes": {"l": ["a", 1]}}, {"attributes": {"l": ["a"]}}),
        Case([("k", "1"), ("k", "2")], {"attributes": {"k": "2"}}, {"attributes": {"k": "3"}}),
        Case([("k", "1"), ("l", "2")], {"attributes": {"k": "1", "l": "2"}}, {"attributes": {"k": "1"}}),
    ],
    "text": [
        Case("QUESTION?", said("a question?"), said("a question")),
        Case('say "hi"', said('Say "Hi".'), said("say hi")),
        Case("a\nb", said("a\nb"), said("a\\nb")),
        Case("\\n", said("C:\\new"), said("C:\n")),
        Case("É☃", said("caf\u00e9☃"), said("cafe☃")),
        Case("100%", said("100% of it"), said("1000")),
        Case("a_b", said("a_b"), said("axb")),
        Case("role", said("your role"), said("your part")),
        Case("brief", {"system": "Be brief!"}, {"system": "Be kind!"}),
        Case("answers", {"output_messages": (message("assistant", "Answers"),)}, {}),
        Case('"paris"', called({"place": 'near "Paris"'}), called({"place": "near Paris"})),
        Case("tab\t", called("a Tab\there"), called("a tab here")),
        Case("late", said("x"), said("x"), late=said("too late")),
        Case("later", said("x"), said("x"), late={"system": "Later."}),
    ],
}
TABLE = [(name, case) for name, cases in CASES.items() for case in cases]


@pytest.mark.parametrize(("name", "case"), TABLE, ids=[name for name, _ in TABLE])
def test_each_filter_finds_one_and_not_the_other(rest: Rest, name: str, case: Case) -> None:
    place = {"session_id": "s", "start_ns": NEWEST_NS, "duration_ms": 1.0}
    yes, no = span(1, **place | case.yes), span(2, **place | {"session_id": "t"} | case.no)
    judged = [(yes, case.quality), (no, case.other_quality)]
    world = World(
        [yes, no],
        {
            key_of(one): score(one, marks[0], quality_reason=marks[1])
            for one, marks in judged
            if marks is not None
        },
        [content(yes, 1, **case.late)] if case.late else [],
    )
    fill(rest, world)
    asked = {name: case.asked}
    assert [item["span_id"] for item in listed(rest, "calls", asked)] == [yes.span_id]
    assert [item["trace_id"] for item in listed(rest, "traces", asked)] == [yes.trace_id]
    assert [item["session_id"] for item in listed(rest, "sessions", asked)] == [yes.session_id]
    for check in ASSERTS.values():
        check(rest, world, asked)
    (sums,) = rest.items("costs/breakdown", group_by="session_id", **parameters(asked))
    assert (sums["session_id"], sums["calls"]) == (yes.session_id, 1)


@given(
    world=worlds(),
    many=st.lists(asks(), min_size=1, max_size=2),
    order=st.sampled_from(ORDERS),
    limit=st.sampled_from([1, 2, 5]),
)
@settings(EXAMPLES)
def test_filters_together_in_every_order_and_page_by_page(
    rest: Rest, world: World, many: list[Asked], order: str, limit: int
) -> None:
    world = fill(rest, world)
    for asked in many:
        for resource, check in ASSERTS.items():
            check(rest, world, asked, order)
            assert walked(rest, resource, asked, limit, order) == listed(rest, resource, asked, order=order)


@given(world=worlds(), asked=asks(), facet=st.sampled_from(sorted(FACETS)))
@settings(EXAMPLES)
def test_facets_count_what_their_value_would_list(rest: Rest, world: World, asked: Asked, facet: str) -> None:
    world = fill(rest, world)
    for resource in ("calls", "traces"):
        assert_facets(rest, world, asked, resource)
        assert_facets(rest, world, asked, resource, facet=facet)
