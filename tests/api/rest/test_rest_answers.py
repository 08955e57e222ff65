"""Answers are what OpenAPI says, errors have one shape, and hostile text stays text."""

import json
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, alert, content, message, mixed_spans, score, span
from lumina_api.rest import models, series_models, sum_models
from lumina_api.rest.moment import moment, rfc3339
from lumina_api.rest.problem import ProblemDetails
from lumina_api.views.batch import nanoseconds
from lumina_api.views.contents import SCORE
from lumina_schemas.alert import (
    Alert,
    Answers,
    Cause,
    ChangedAttribute,
    CostPart,
    TopSpan,
    Transition,
)
from lumina_schemas.span import Span, SpanError, SpanEvent, ToolCall

NOW_NS = time.time_ns()
FULL = span(
    1,
    start_ns=NOW_NS - 5 * SECOND_NS,
    error=SpanError("Timeout", "after 30 s"),
    tool_calls=(ToolCall("search", "1", {"q": "x"}),),
    events=(SpanEvent("retry", NOW_NS, {"n": 1}),),
    finish_reasons=("stop",),
    truncated=("input_messages",),
    streaming=True,
    ttft_ms=12.5,
    cache_read_tokens=3,
    cache_write_tokens=4,
    reasoning_tokens=5,
    release="1.4.2",
    session_id="s-1",
    clock_skew=True,
    endpoint_overflow="http.route",
)


def fill(rest: Rest) -> None:
    rest.apply(rest.log.spans([*mixed_spans(60, 1, NOW_NS), FULL]), rest.log.scores([score(FULL)]))
    rest.apply(
        rest.log.alert(
            alert(
                1,
                top_spans=(TopSpan(FULL.trace_id, FULL.span_id, "2026-01-01T12:00:00Z", 0.1, 0.2),),
                cause=Cause("request_model", "a", "b", 1.0),
                answers=Answers("before", "after"),
                history=(Transition("open", "2026-01-01T12:00:00Z", "lumina"),),
                links={"self": "/api/v1/alerts/1"},
                impact_usd=1.5,
                cost_split=(CostPart("volume", -2.5),),
                changed_attributes=(
                    ChangedAttribute("release", "1.3", "1.4", 0.0, 1.0),
                    ChangedAttribute("mark", "", "release 1.4", at="2026-01-01T12:00:00Z"),
                ),
                missing=("quality: learning",),
            )
        ),
        rest.log.alert(alert(2, state="snoozed", snoozed_until="2026-01-02T08:00:00.000Z")),
    )


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/api/v1/traces", models.TraceList),
        ("/api/v1/calls", models.CallList),
        ("/api/v1/sessions", models.SessionList),
        ("/api/v1/sessions/s-1", models.SessionDetail),
        ("/api/v1/traces/facets", models.Facets),
        ("/api/v1/calls/facets?facet=tag", models.Facets),
        ("/api/v1/alerts/stats", models.AlertStatistics),
        ("/api/v1/costs/summary", sum_models.CostSummary),
        ("/api/v1/costs/breakdown?group_by=project,model", sum_models.CostBreakdown),
        ("/api/v1/costs/timeline?group_by=tag&interval=1h", sum_models.CostTimeline),
        ("/api/v1/costs/top", sum_models.CostTop),
        ("/api/v1/costs/top?by=trace", sum_models.CostTop),
        ("/api/v1/costs/top?by=user_id", sum_models.CostTop),
        ("/api/v1/latency/breakdown", sum_models.LatencyBreakdown),
        ("/api/v1/latency/timeline?group_by=model", sum_models.LatencyTimeline),
        ("/api/v1/quality/breakdown?group_by=endpoint,quality_reason", sum_models.QualityBreakdown),
        ("/api/v1/quality/timeline", sum_models.QualityTimeline),
        ("/api/v1/errors?group_by=model", sum_models.Errors),
        ("/api/v1/series", series_models.SeriesList),
        ("/api/v1/alerts", models.AlertList),
        (f"/api/v1/alerts/{alert(1).id}", models.AlertItem),
        (f"/api/v1/traces/{FULL.trace_id}", models.TraceDetail),
        ("/health", models.Health),
    ],
)
def test_answers_are_what_the_models_say(rest: Rest, path: str, model: type[BaseModel]) -> None:
    fill(rest)
    body = rest.get(path)
    model.model_validate(body)  # unknown and missing members are errors
    assert body.get("items", True) or "group_by" not in path


def test_release_skew_and_overflow_are_shown(rest: Rest) -> None:
    fill(rest)
    (shown,) = rest.get(f"/api/v1/traces/{FULL.trace_id}")["spans"]
    assert [shown[name] for name in ("release", "clock_skew", "endpoint_overflow")] == [
        "1.4.2",
        True,
        "http.route",
    ]
    others = [call for call in rest.get("/api/v1/calls")["items"] if call["trace_id"] != FULL.trace_id]
    assert {(call["release"], call["clock_skew"], call["endpoint_overflow"]) for call in others} == {
        ("", False, "")
    }


def test_openapi_describes_every_path_and_names_no_foreign_host(rest: Rest) -> None:
    document = rest.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    assert {path for path in document["paths"] if path.startswith("/api")} >= {
        *("/api/v1/traces", "/api/v1/traces/{trace_id}", "/api/v1/calls", "/api/v1/costs/breakdown"),
        *("/api/v1/traces/facets", "/api/v1/calls/facets", "/api/v1/sessions"),
        *("/api/v1/sessions/{session_id}", "/api/v1/alerts/stats"),
        *("/api/v1/query", "/api/v1/export", "/api/v1/stream"),
        *("/api/v1/series", "/api/v1/alerts", "/api/v1/alerts/{alert_id}", "/api/v1/usage"),
    }
    calls = document["paths"]["/api/v1/calls"]["get"]
    assert {parameter["name"] for parameter in calls["parameters"]} >= {
        "project",
        "since",
        "cursor",
        "min_cost",
    }
    assert all(parameter.get("description") for parameter in calls["parameters"])
    assert "application/problem+json" in calls["responses"]["422"]["content"]
    assert "http" not in json.dumps(document).replace("https://json-schema.org", "").replace(
        '"HTTP', ""
    ).lower().replace("httpvalidationerror", "")


def test_docs_are_plain_text_with_every_path_and_parameter(rest: Rest) -> None:
    response = rest.client.get("/docs")
    assert response.headers["content-type"].startswith("text/plain")
    assert "http:" not in response.text and "https:" not in response.text
    document = rest.get("/openapi.json")
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert f"{method.upper()} {path}\n" in response.text
            for parameter in operation.get("parameters", []):
                assert f"\n    {parameter['name']} " in response.text


def test_a_span_has_every_field_of_the_record(rest: Rest) -> None:
    fill(rest)
    (item,) = rest.items("calls", trace_id=FULL.trace_id)
    shown = {name: value for name, value in item.items() if name not in ("start", "model", *SCORE)}
    assert set(shown) == set(Span.__struct_fields__) - {"v", "src"}
    sent = json.loads(msgspec.json.encode(FULL))
    assert {name: shown[name] for name in sent if name in shown} == {
        name: value for name, value in sent.items() if name in shown
    }
    assert nanoseconds(item["start"]) == FULL.start_ns // 1000 * 1000


def test_a_span_shows_its_score_where_it_was_judged(rest: Rest) -> None:
    """In lists and in its trace; a good answer has no reason, an answer that was not judged has nulls."""
    start = NOW_NS - 60 * SECOND_NS
    refused, good, other = (
        span(number, trace_id="cd" * 16, start_ns=start + number, project="judged") for number in (1, 2, 3)
    )
    rest.apply(rest.log.spans([refused, good, other]))
    rest.apply(
        rest.log.scores(
            [score(refused), score(good, 0.9876, quality_tier="similarity", quality_reason="")],
        )
    )
    expected = {
        refused.span_id: [0.1, "signs", "refusal"],
        good.span_id: [0.9876, "similarity", ""],
        other.span_id: [None, None, None],
    }
    for items in (
        rest.items("calls", project="judged"),
        rest.get(f"/api/v1/traces/{'cd' * 16}", project="judged")["spans"],
    ):
        assert {item["span_id"]: [item[name] for name in SCORE] for item in items} == expected


def test_sums_of_sampled_calls_say_so(rest: Rest) -> None:
    lines = [
        span(
            number, project="tenth", trace_id=f"{number:032x}", start_ns=NOW_NS, cost_usd=0.5, sample_rate=0.1
        )
        for number in range(4)
    ]
    rest.apply(rest.log.spans([*lines, span(5, project="all", start_ns=NOW_NS)]))
    sums = rest.get("/api/v1/costs/breakdown", project="tenth")["totals"]
    assert (sums["calls"], sums["seen_calls"], sums["cost_usd"]) == (40, 4, pytest.approx(20.0))
    assert sums["sampling"] == "estimated from 10 % sampled"
    assert rest.get("/api/v1/costs/breakdown", project="all")["totals"]["sampling"] is None


def test_a_trace_is_a_tree_with_its_alerts(rest: Rest) -> None:
    start = NOW_NS - 60 * SECOND_NS
    ids = {"trace_id": "ab" * 16, "start_ns": start}
    lines = [
        span(
            4,
            **ids | {"span_id": "d" * 16, "parent_span_id": "b" * 16, "start_ns": start + 3},
            kind="embedding",
        ),
        span(
            2,
            **ids | {"span_id": "b" * 16, "parent_span_id": "a" * 16, "start_ns": start + 1},
            input_messages=(),
        ),
        span(3, **ids | {"span_id": "c" * 16, "parent_span_id": "a" * 16, "start_ns": start + 2}),
        span(
            1,
            **ids | {"span_id": "a" * 16},
            kind="agent",
            cost_usd=None,
            cost_status=None,
            priced=False,
            name="root",
        ),
    ]
    late = content(lines[1], 1, input_messages=(message("user", "from a log"),))
    mine = alert(1, top_spans=(TopSpan("ab" * 16, "b" * 16, "2026-01-01T12:00:00Z"),))
    rest.apply(rest.log.spans([*lines, late]), rest.log.alert(mine), rest.log.alert(alert(2)))
    trace = rest.get(f"/api/v1/traces/{'AB' * 16}")
    assert [(node["span_id"][0], node["depth"], node["priced"]) for node in trace["spans"]] == [
        ("a", 0, False),
        ("b", 1, True),
        ("d", 2, True),
        ("c", 1, True),
    ]
    assert trace["spans"][0]["children"] == ["b" * 16, "c" * 16]
    assert trace["spans"][1]["input_messages"][0]["parts"][0]["content"] == "from a log"
    assert (trace["name"], trace["span_count"], trace["call_count"], trace["truncated"]) == (
        "root",
        4,
        3,
        False,
    )
    assert trace["cost_usd"] == pytest.approx(sum(line.cost_usd or 0 for line in lines))
    assert trace["input_tokens"] == 104 + 102 + 103
    assert (trace["error_count"], trace["worst_quality"]) == (0, None)
    assert [one["id"] for one in trace["alerts"]] == [mine.id]


def test_a_trace_id_of_two_projects_needs_the_project(rest: Rest) -> None:
    shared = {"trace_id": "cd" * 16, "start_ns": NOW_NS}
    rest.apply(
        rest.log.spans(
            [span(1, **shared), span(2, **shared, project="bank"), span(3, **shared, project="bank")]
        )
    )
    problem = rest.get(f"/api/v1/traces/{'cd' * 16}", expect=422)
    assert "bank, shop" in problem["detail"]
    assert rest.get(f"/api/v1/traces/{'cd' * 16}", project="bank")["span_count"] == 2
    assert rest.get(f"/api/v1/traces/{'cd' * 16}", project="mail", expect=404)["status"] == 404


def test_an_alert_is_the_record_as_it_stands_on_its_topic(rest: Rest) -> None:
    fill(rest)
    record = rest.client.get(f"/api/v1/alerts/{alert(1).id}").content
    assert msgspec.json.decode(record, type=Alert).answers == Answers("before", "after")
    snoozed = rest.get(f"/api/v1/alerts/{alert(2).id}")
    assert snoozed["snoozed_until"] == "2026-01-02T08:00:00.000Z"


def test_hostile_text_stays_json(rest: Rest) -> None:
    text = "<script>alert(1)</script>\x00\u2028\"'\\"
    rest.apply(rest.log.spans([span(1, start_ns=NOW_NS, name=text, input_messages=(message("user", text),))]))
    (item,) = rest.items("calls")
    assert item["name"] == item["input_messages"][0]["parts"][0]["content"] == text
    response = rest.client.get("/api/v1/calls")
    assert response.headers["content-type"] == "application/json"
    assert "default-src 'none'" in response.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/v1/calls?modle=x", 422, "modle: there is no such parameter here"),
        ("/api/v1/calls?limit=0", 422, "limit"),
        ("/api/v1/calls?limit=1001", 422, "limit"),
        ("/api/v1/calls?limit=ten", 422, "limit"),
        ("/api/v1/calls?since=yesterday", 422, "since: must be a time before now such as 15m"),
        ("/api/v1/calls?since=2026-01-01T00:00:00", 422, "time zone"),
        ("/api/v1/calls?until=-5m", 422, "until"),
        ("/api/v1/calls?min_cost=-1", 422, "min_cost"),
        ("/api/v1/calls?min_cost=nan", 422, "min_cost"),
        ("/api/v1/calls?min_duration_ms=inf", 422, "min_duration_ms"),
        ("/api/v1/calls?status=broken", 422, "status"),
        ("/api/v1/calls?max_quality=1.5", 422, "max_quality"),
        ("/api/v1/calls?max_quality=nan", 422, "max_quality"),
        ("/api/v1/traces?max_quality=bad", 422, "max_quality"),
        ("/api/v1/costs/breakdown?quality_reason=rude", 422, "quality_reason"),
        ("/api/v1/alerts?quality_reason=refusal", 422, "quality_reason: there is no such parameter here"),
        ("/api/v1/calls?order=random", 422, "order"),
        ("/api/v1/calls?text=a&since=8d", 422, "text: is looked for within 7 days at most"),
        ("/api/v1/traces?text=a&since=30d&until=20d", 422, "text: is looked for within 7 days"),
        ("/api/v1/sessions?text=a&since=1970-01-01T00:00:00Z", 422, "text: is looked for within"),
        ("/api/v1/traces/facets?text=a&since=8d", 422, "text: is looked for within"),
        ("/api/v1/calls?text=", 422, "text"),
        ("/api/v1/calls?attribute=", 422, "attribute"),
        ("/api/v1/calls?min_total_tokens=-1", 422, "min_total_tokens"),
        ("/api/v1/calls?max_input_tokens=9223372036854775808", 422, "max_input_tokens"),
        ("/api/v1/calls?cost_status=free", 422, "cost_status"),
        ("/api/v1/traces/facets?facet=mood", 422, "facet"),
        ("/api/v1/traces/facets?order=newest", 422, "order: there is no such parameter here"),
        ("/api/v1/sessions?state=open", 422, "state: there is no such parameter here"),
        ("/api/v1/sessions/s?since=1h", 422, "since: there is no such parameter here"),
        ("/api/v1/alerts/stats?cursor=x", 422, "cursor: there is no such parameter here"),
        ("/api/v1/sessions/none", 404, "No session none"),
        ("/api/v1/sessions/", 404, "No session"),
        ("/api/v1/calls?project=", 422, "project"),
        ("/api/v1/traces?state=open", 422, "state: there is no such parameter here"),
        ("/api/v1/costs/breakdown?group_by=user", 422, "'user' is none of project, service"),
        ("/api/v1/costs/timeline?interval=2h", 422, "interval"),
        ("/api/v1/costs/timeline?interval=1m&since=700d", 422, "more than one answer holds"),
        ("/api/v1/series?cursor=x", 422, "cursor: there is no such parameter here"),
        ("/api/v1/series?since=soon", 422, "since"),
        ("/api/v1/alerts?kind=latency", 422, "kind"),
        ("/api/v1/alerts/x?y=1", 422, "y: there is no such parameter here"),
        ("/health?y=1", 422, "y: there is no such parameter here"),
        ("/api/v1/alerts/none", 404, "No alert has this id"),
        ("/api/v1/traces/none", 404, "No trace none"),
        ("/api/v1/nothing", 404, "/openapi.json"),
    ],
)
def test_errors_are_problems(rest: Rest, path: str, status: int, words: str) -> None:
    problem = rest.get(path, expect=status)
    details = ProblemDetails.model_validate(problem)
    assert details.status == status
    assert words in details.detail
    if status == 422:
        assert details.errors
        assert "http" not in details.detail


def test_an_unknown_parameter_is_answered_with_the_valid_ones(rest: Rest) -> None:
    problem = rest.get("/api/v1/alerts", expect=422, color="red")
    assert problem["valid_parameters"] == sorted(
        [
            "state",
            "kind",
            "severity",
            "project",
            "service",
            "endpoint",
            "since",
            "until",
            "order",
            "limit",
            "cursor",
            "at_least",
        ]
    )


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused_as_problems(rest: Rest, method: str) -> None:
    response = rest.client.request(method, "/api/v1/calls")
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["allow"] == "GET"
    assert ProblemDetails.model_validate(response.json()).status == 405


def test_an_inner_error_is_a_problem_that_tells_nothing(rest: Rest) -> None:
    rest.store._connection.execute("DROP TABLE alerts")
    problem = rest.get("/api/v1/alerts", expect=500)
    assert "alerts" not in problem["detail"].lower().replace("/api/v1/alerts", "")


def test_without_a_file_to_read_the_answer_is_503(rest: Rest) -> None:
    rest.views._store = None
    response = rest.client.get("/api/v1/calls")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert ProblemDetails.model_validate(response.json()).detail
    ready = rest.client.get("/ready")
    assert ready.status_code == 503
    assert models.Readiness.model_validate(ready.json()).reasons


def test_metrics_count_what_was_applied(rest: Rest) -> None:
    rest.apply(rest.log.spans([span(1), span(1), b'say "no"']))
    response = rest.client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    assert "\nlumina_views_spans_total 1.0\n" in response.text
    assert "\nlumina_views_duplicates_total 1.0\n" in response.text
    assert '\nlumina_views_skipped_total{reason="line is no JSON record"} 1.0\n' in response.text


def test_the_root_links_to_what_there_is(rest: Rest) -> None:
    links = rest.get("/")
    assert "post" in rest.get("/openapi.json")["paths"][links["query"]]
    for name, path in links.items():
        if path.startswith("/") and name not in ("otlp", "query", "stream"):
            assert rest.client.get(path).status_code in (200, 503), path


PARAMETERS = [
    "project",
    "model",
    "status",
    "since",
    "until",
    "min_cost",
    "limit",
    "order",
    "cursor",
    "group_by",
    "attribute",
    "text",
    "tag",
    "min_total_tokens",
    "facet",
    "x",
]


@given(
    path=st.sampled_from(
        [
            *("/api/v1/calls", "/api/v1/traces", "/api/v1/costs/breakdown", "/api/v1/series"),
            *("/api/v1/alerts", "/api/v1/alerts/stats", "/api/v1/sessions", "/api/v1/sessions/x"),
            *("/api/v1/traces/facets", "/api/v1/calls/facets", "/api/v1/traces/x"),
        ]
    ),
    params=st.dictionaries(
        st.sampled_from(PARAMETERS),
        st.text(max_size=30)
        | st.sampled_from(
            ["1h", "newest", "ok", "5", "99999999999d", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
        )
        | st.integers().map(str)
        | st.floats().map(str),
        max_size=4,
    ),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_parameter_makes_it_fail(rest: Rest, path: str, params: dict[str, Any]) -> None:
    response = rest.client.get(path, params=params)
    assert response.status_code in (200, 404, 422), response.text


EXTREME = [
    span(1, start_ns=0, duration_ms=1e308, cost_usd=1e308, input_tokens=2**63 - 1, session_id="s"),
    span(2, session_id="s", start_ns=2**63 - 1, duration_ms=1e308, cost_usd=1e308, input_tokens=2**63 - 1),
    span(3, start_ns=0, duration_ms=-5.0, cost_usd=-1e308, input_tokens=-(2**63), trace_id=span(1).trace_id),
]


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/api/v1/{what}?since=1970-01-01T00:00:00Z&order={order}"
            for what in ("calls", "traces", "sessions")
            for order in ("newest", "oldest", "costliest", "slowest")
        ),
        "/api/v1/costs/breakdown?since=1970-01-01T00:00:00Z&group_by=project",
        "/api/v1/costs/timeline?since=1970-01-01T00:00:00Z&group_by=project&interval=1d",
        "/api/v1/series?since=1970-01-01T00:00:00Z",
        "/api/v1/traces/facets?since=1970-01-01T00:00:00Z&min_total_tokens=1",
        "/api/v1/calls/facets?since=1970-01-01T00:00:00Z&min_total_tokens=1",
        "/api/v1/sessions/s",
        f"/api/v1/traces/{span(1).trace_id}",
    ],
)
def test_extreme_values_of_spans_do_not_make_it_fail(rest: Rest, path: str) -> None:
    rest.apply(rest.log.spans(EXTREME))
    assert rest.get(path)


@given(st.integers(0, 2**63 - 1))
def test_times_go_out_as_they_came_in(ns: int) -> None:
    assert rfc3339(ns).endswith(f"{ns % SECOND_NS:09d}Z")
    whole = ns // 1000 * 1000
    assert moment(rfc3339(whole)[:-4] + "Z").resolve(0) == whole


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("15m", 900 * SECOND_NS),
        ("7d", 7 * 86_400 * SECOND_NS),
        ("1w", 7 * 86_400 * SECOND_NS),
    ],
)
def test_relative_times(text: str, ns: int) -> None:
    assert moment(text).resolve(NOW_NS) == NOW_NS - ns


def test_an_unescaped_plus_is_understood() -> None:
    assert moment("2026-01-01T14:00:00 02:00") == moment("2026-01-01T12:00:00Z")
