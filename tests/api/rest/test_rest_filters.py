"""Every documented parameter narrows, orders or groups as it says: held against a brute-force answer."""

import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, alert, mixed_spans, score
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.parameters import AlertParameters, CostParameters, SpanListParameters, TraceParameters
from lumina_api.views.batch import nanoseconds
from lumina_schemas.alert import AlertKind
from lumina_schemas.span import Span

NOW_NS = time.time_ns()
SPANS = mixed_spans(600, seed=11, newest_ns=NOW_NS - 60 * SECOND_NS)
CALLS = [span for span in SPANS if span.priced]
SCORES = {
    span.span_id: score(span, quality=place % 11 / 10, quality_reason=["", "refusal", "unlike"][place % 3])
    for place, span in enumerate(CALLS)
    if place % 4
}
ALERTS = [
    alert(
        number,
        kind=kind,
        state=state,
        severity=severity,
        project=["shop", "bank"][number % 2],
        service=["web", "bot"][number // 2 % 2],
        endpoint=["answer", "search"][number // 4 % 2],
    )
    for number, (kind, state, severity) in enumerate(
        itertools.product(
            get_args(AlertKind),
            ("open", "acknowledged", "snoozed", "resolved"),
            ("warning", "critical"),
        )
    )
]


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    filled = Rest(Path(tmp_path_factory.mktemp("rest")) / "views.duckdb")
    for start in range(0, len(SPANS), 100):
        filled.apply(filled.log.spans(SPANS[start : start + 100]))
    filled.apply(filled.log.scores(SCORES.values()))
    filled.apply(*(filled.log.alert(one) for one in ALERTS))
    yield filled
    filled.store.close()


def model(span: Span) -> str:
    return span.response_model or span.request_model


def reason(span: Span) -> str | None:
    return SCORES[span.span_id].quality_reason if span.span_id in SCORES else None


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


MATCHES: dict[str, Callable[[Span, Any], bool]] = {
    "project": lambda span, asked: span.project in as_list(asked),
    "service": lambda span, asked: span.service in as_list(asked),
    "endpoint": lambda span, asked: span.endpoint in as_list(asked),
    "model": lambda span, asked: bool({span.request_model, span.response_model} & set(as_list(asked))),
    "provider": lambda span, asked: span.provider in as_list(asked),
    "status": lambda span, asked: span.status in as_list(asked),
    "trace_id": lambda span, asked: span.trace_id == asked.lower(),
    "since": lambda span, asked: span.start_ns >= nanoseconds(asked),
    "until": lambda span, asked: span.start_ns < nanoseconds(asked),
    "min_cost": lambda span, asked: span.cost_usd is not None and span.cost_usd >= asked,
    "min_duration_ms": lambda span, asked: span.duration_ms >= asked,
    "max_quality": lambda span, asked: span.span_id in SCORES and SCORES[span.span_id].quality <= asked,
    "quality_reason": lambda span, asked: reason(span) in as_list(asked),
}


def moment(hours: float) -> str:
    """A time that far back, in whole microseconds, which RFC 3339 holds exactly."""
    return rfc3339((NOW_NS - int(hours * 3600) * SECOND_NS) // 1000 * 1000)[:-4] + "Z"


VALUES: dict[str, list[Any]] = {
    "project": ["shop", ["shop", "mail"], "nobody's"],
    "service": ["web", ["web", "bot"]],
    "endpoint": ["answer", ["search"]],
    "model": ["gpt-4o", "gpt-4o-2024", ["gpt-4o-mini", "claude-3-5-haiku-2024"]],
    "provider": ["openai", ["openai", "anthropic"]],
    "status": ["ok", "error", ["unset", "error"]],
    "trace_id": [CALLS[0].trace_id, CALLS[7].trace_id.upper()],
    "since": [moment(1), moment(6)],
    "until": [moment(1), moment(6)],
    "min_cost": [0, 0.002, 0.01],
    "min_duration_ms": [0, 500.5, 2000],
    "max_quality": [0, 0.3, 1],
    "quality_reason": ["", "refusal", ["unlike", "refusal"]],
}


def matching(spans: list[Span], asked: dict[str, Any]) -> list[Span]:
    return [span for span in spans if all(MATCHES[name](span, value) for name, value in asked.items())]


def ids(items: list[Any]) -> set[str]:
    return {item["span_id"] for item in items}


def test_every_parameter_of_the_lists_is_tested_here() -> None:
    beside = {"limit", "order", "cursor"}
    assert set(SpanListParameters.model_fields) - beside == set(VALUES) == set(MATCHES)
    assert set(CostParameters.model_fields) - {"limit", "group_by", "interval"} == set(VALUES)
    assert set(AlertParameters.model_fields) - beside == set(ALERT_VALUES)
    assert set(TraceParameters.model_fields) == {"project"}


ONE_BY_ONE = [(name, value) for name, values in VALUES.items() for value in values]


@pytest.mark.parametrize(("name", "value"), ONE_BY_ONE)
def test_each_parameter_narrows_calls(rest: Rest, name: str, value: Any) -> None:
    expected = {span.span_id for span in matching(CALLS, {name: value})}
    assert ids(rest.items("calls", limit=1000, **{name: value})) == expected
    if value not in ("nobody's", 0, ["web", "bot"], ["openai", "anthropic"]):
        assert 0 < len(expected) < len(CALLS)


def sort_key(order: str) -> Callable[[Any], float]:
    """By what a list in this order must ascend; an unknown cost is less than none."""
    keys: dict[str, Callable[[Any], float]] = {
        "newest": lambda item: -item["start_ns"],
        "oldest": lambda item: item["start_ns"],
        "costliest": lambda item: 1 if item["cost_usd"] is None else -item["cost_usd"],
        "slowest": lambda item: -item["duration_ms"],
    }
    return keys[order]


ASKED = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()})


@given(asked=ASKED, order=st.sampled_from(["newest", "oldest", "costliest", "slowest"]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parameters_together_narrow_calls_in_the_asked_order(
    rest: Rest, asked: dict[str, Any], order: str
) -> None:
    items = rest.items("calls", limit=1000, order=order, **asked)
    assert ids(items) == {span.span_id for span in matching(CALLS, asked)}
    key = sort_key(order)
    assert [key(item) for item in items] == sorted(key(item) for item in items)


def traces_of(spans: list[Span]) -> list[list[Span]]:
    found: dict[tuple[str, str], list[Span]] = defaultdict(list)
    for span in spans:
        found[span.project, span.trace_id].append(span)
    return list(found.values())


def start_of(trace: list[Span]) -> int:
    return min(span.start_ns for span in trace)


def duration_of(trace: list[Span]) -> float:
    return round(max(span.start_ns / 1e6 + span.duration_ms for span in trace) - start_of(trace) / 1e6, 3)


def cost_of(trace: list[Span]) -> float | None:
    known = [span.cost_usd for span in trace if span.priced and span.cost_usd is not None]
    return sum(known) if known else None


def status_of(trace: list[Span]) -> str:
    found = {span.status for span in trace}
    return "error" if "error" in found else "ok" if "ok" in found else "unset"


OF_SPANS = (
    "project",
    "service",
    "endpoint",
    "model",
    "provider",
    "trace_id",
    "max_quality",
    "quality_reason",
)


def matching_traces(asked: dict[str, Any]) -> list[list[Span]]:
    of_spans = {name: value for name, value in asked.items() if name in OF_SPANS}

    def fits(trace: list[Span]) -> bool:
        cost = cost_of(trace)
        return (
            bool(matching(trace, of_spans))
            and ("status" not in asked or status_of(trace) in as_list(asked["status"]))
            and ("since" not in asked or start_of(trace) >= nanoseconds(asked["since"]))
            and ("until" not in asked or start_of(trace) < nanoseconds(asked["until"]))
            and ("min_cost" not in asked or (cost is not None and round(cost, 9) >= asked["min_cost"]))
            and ("min_duration_ms" not in asked or duration_of(trace) >= asked["min_duration_ms"])
        )

    return [trace for trace in traces_of(SPANS) if fits(trace)]


@given(asked=ASKED, order=st.sampled_from(["newest", "oldest", "costliest", "slowest"]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parameters_narrow_traces(rest: Rest, asked: dict[str, Any], order: str) -> None:
    items = rest.items("traces", limit=1000, order=order, **asked)
    expected = {(trace[0].project, trace[0].trace_id): trace for trace in matching_traces(asked)}
    assert {(item["project"], item["trace_id"]) for item in items} == set(expected)
    for item in items:
        trace = expected[item["project"], item["trace_id"]]
        calls = [span for span in trace if span.priced]
        known = [span for span in calls if span.priced and span.cost_usd is not None]
        root = min(trace, key=lambda span: (span.parent_span_id != "", span.start_ns, span.span_id))
        assert item["name"] == root.name
        assert item["service"] == root.service
        assert item["start_ns"] == start_of(trace)
        assert item["duration_ms"] == pytest.approx(duration_of(trace), abs=0.0011)
        assert item["status"] == status_of(trace)
        assert (item["span_count"], item["call_count"]) == (len(trace), len(calls))
        cost = cost_of(trace)
        assert item["cost_usd"] == (None if cost is None else pytest.approx(cost, abs=1e-9))
        assert item["coverage"] == (len(known) / len(calls) if calls else None)
        assert item["models"] == sorted({model(span) for span in calls if model(span)})
    key = sort_key(order)
    assert [key(item) for item in items] == sorted(key(item) for item in items)


def sums_of(spans: list[Span]) -> dict[str, Any]:
    known = [span.cost_usd for span in spans if span.priced and span.cost_usd is not None]
    return {
        "calls": len(spans),
        "cost_usd": pytest.approx(sum(known)) if known else None,
        "coverage": len(known) / len(spans) if spans else None,
        "priced_calls": len(known),
        "unknown_calls": len(spans) - len(known),
        "estimated_calls": 0,
        "errors": sum(span.status == "error" for span in spans),
        "input_tokens": sum(span.input_tokens or 0 for span in spans),
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": sum(span.output_tokens or 0 for span in spans),
        "seen_calls": len(spans),
        "sampling": None,
        "reasoning_tokens": 0,
    }


GROUP_VALUES: dict[str, Callable[[Span], str]] = {
    "project": lambda span: span.project,
    "service": lambda span: span.service,
    "endpoint": lambda span: span.endpoint,
    "model": model,
    "provider": lambda span: span.provider,
}
HOUR_NS = 3600 * SECOND_NS


@given(asked=ASKED, groups=st.lists(st.sampled_from(sorted(GROUP_VALUES)), unique=True, max_size=3))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_costs_are_the_sums_of_the_calls(rest: Rest, asked: dict[str, Any], groups: list[str]) -> None:
    asked = {"since": moment(23)} | asked  # a start, for the steps of the timeline
    answer = rest.get("/api/v1/costs", group_by=",".join(groups) or [], interval="1h", limit=1000, **asked)
    spans = matching(CALLS, asked)
    assert answer["totals"] == sums_of(spans)
    grouped: dict[tuple[str, ...], list[Span]] = defaultdict(list)
    for span in spans if groups else []:
        grouped[tuple(GROUP_VALUES[group](span) for group in answer["group_by"])].append(span)
    found = {tuple(item[group] for group in answer["group_by"]): item for item in answer["items"]}
    assert set(found) == set(grouped)
    costs = [-1 if item["cost_usd"] is None else item["cost_usd"] for item in answer["items"]]
    assert costs == sorted(costs, reverse=True)
    for key, item in found.items():
        sums = {name: value for name, value in item.items() if name not in (*groups, "timeline")}
        assert sums == sums_of(grouped[key])
        assert_timeline(item["timeline"], grouped[key])
    assert_timeline(answer["timeline"], spans)


def assert_timeline(timeline: list[Any], spans: list[Span]) -> None:
    steps: dict[int, list[Span]] = defaultdict(list)
    for span in spans:
        steps[span.start_ns // HOUR_NS * HOUR_NS].append(span)
    assert [step["start_ns"] for step in timeline] == sorted(steps)
    for step in timeline:
        sums = {name: value for name, value in step.items() if name not in ("start", "start_ns")}
        assert sums == sums_of(steps[step["start_ns"]])
        assert step["start"] == rfc3339(step["start_ns"])


@pytest.mark.parametrize("interval", ["1m", "5m", "15m", "1h", "6h", "1d"])
def test_every_interval_sums_up_to_all(rest: Rest, interval: str) -> None:
    answer = rest.get("/api/v1/costs", interval=interval)
    assert sum(step["calls"] for step in answer["timeline"]) == answer["totals"]["calls"] == len(CALLS)


def test_limit_keeps_the_dearest_groups(rest: Rest) -> None:
    every = rest.items("costs", group_by="model")
    assert rest.items("costs", group_by="model", limit=2) == every[:2]
    assert len(every) > 2


ALERT_VALUES: dict[str, list[Any]] = {
    "state": ["open", ["open", "resolved"]],
    "kind": ["cost_spike", ["quality_drop", "cost_and_quality"]],
    "severity": ["critical", "info"],
    "project": ["shop", ["shop", "bank"]],
    "service": ["web"],
    "endpoint": ["search"],
    "since": ["2026-01-01T12:10:00Z", "2026-01-01T14:10:00+02:00"],
    "until": ["2026-01-01T12:10:00Z"],
}


@given(
    asked=st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in ALERT_VALUES.items()}),
    order=st.sampled_from(["newest", "oldest"]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parameters_narrow_alerts(rest: Rest, asked: dict[str, Any], order: str) -> None:
    def fits(one: Any) -> bool:
        opened = nanoseconds(one.opened_at)
        return all(
            opened >= nanoseconds(value)
            if name == "since"
            else opened < nanoseconds(value)
            if name == "until"
            else getattr(one, name) in as_list(value)
            for name, value in asked.items()
        )

    expected = [one.id for one in sorted(ALERTS, key=lambda one: one.opened_at) if fits(one)]
    found = [item["id"] for item in rest.items("alerts", order=order, limit=1000, **asked)]
    assert found == (expected if order == "oldest" else expected[::-1])


def test_relative_times_count_back_from_now(rest: Rest) -> None:
    for text, hours in (("2h", 2.0), ("90m", 1.5), ("7200s", 2.0), ("1d", 24.0)):
        expected = {span.span_id for span in CALLS if span.start_ns >= NOW_NS - hours * HOUR_NS}
        found = ids(rest.items("calls", since=text, limit=1000))
        # The test's now is a little older than the request's.
        assert found <= expected
        assert len(expected - found) <= 1


def test_without_a_time_lists_show_the_last_day_and_a_trace_is_found_however_old(rest: Rest) -> None:
    old = mixed_spans(1, seed=5, newest_ns=NOW_NS - 72 * HOUR_NS)[0]
    rest.apply(rest.log.spans([old]))
    try:
        assert old.span_id not in ids(rest.items("calls", limit=1000))
        assert [item["trace_id"] for item in rest.items("traces", trace_id=old.trace_id)] == [old.trace_id]
        assert rest.get(f"/api/v1/traces/{old.trace_id}")["span_count"] == 1
    finally:
        rest.store._connection.execute("DELETE FROM spans WHERE span_id = $id", {"id": old.span_id})
