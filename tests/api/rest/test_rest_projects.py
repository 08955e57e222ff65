"""A key of one project sees nothing of another in any list, whatever it asks for."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, alert, score, span
from lumina_api.access.principal import PRINCIPAL, Principal

NOW_NS = time.time_ns() - 60 * SECOND_NS
HIDDEN = "shop"
SHARED = {"trace_id": "ab" * 16, "session_id": "both"}
SPANS = [
    span(number, project=project, start_ns=NOW_NS + number, service=f"{project}'s", **more)
    for number, (project, more) in enumerate(
        [
            ("bank", {"session_id": "b"}),
            ("bank", SHARED),
            (HIDDEN, SHARED),
            (HIDDEN, {"session_id": "h", "trace_id": "cd" * 16}),
        ]
    )
]
ALERTS = [alert(1, project="bank"), alert(2, project=HIDDEN)]
LISTS = ["calls", "traces", "sessions", "alerts"]
COUNTS = ["traces/facets", "calls/facets", "alerts/stats"]
SUMS = ["costs/summary", "costs/breakdown", "costs/top", "latency/breakdown", "quality/breakdown"]
LINES = ["costs/timeline", "latency/timeline", "quality/timeline"]
EVERYTHING = [*LISTS, *COUNTS, *SUMS, *LINES, "errors", "series"]


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    running = Rest(Path(tmp_path_factory.mktemp("projects")) / "views.duckdb")
    running.apply(
        running.log.spans(SPANS),
        running.log.scores([score(one) for one in SPANS]),
        *(running.log.alert(one) for one in ALERTS),
    )
    as_caller(running, Principal("k1", frozenset({"read"}), "bank"))
    yield running
    running.store.close()


def as_caller(rest: Rest, caller: Principal) -> None:
    """Requests come from this caller from now on."""
    app = rest.client.app

    async def known(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, PRINCIPAL: caller}, receive, send)

    rest.client = TestClient(known, raise_server_exceptions=False)


@pytest.mark.parametrize("resource", LISTS)
@pytest.mark.parametrize("asked", [{}, {"project": "bank"}])
def test_lists_show_the_own_project_alone(rest: Rest, resource: str, asked: dict[str, Any]) -> None:
    items = rest.items(resource, **asked)
    assert {item["project"] for item in items} == {"bank"}


@pytest.mark.parametrize("resource", EVERYTHING)
@pytest.mark.parametrize("asked", [[HIDDEN], ["bank", HIDDEN], ["nobody's"]])
def test_to_ask_for_another_project_is_refused(rest: Rest, resource: str, asked: list[str]) -> None:
    problem = rest.get(f"/api/v1/{resource}", expect=403, project=asked)
    assert "is of project bank" in problem["detail"]


@pytest.mark.parametrize("resource", COUNTS)
def test_counts_are_of_the_own_project_alone(rest: Rest, resource: str) -> None:
    body = rest.get(f"/api/v1/{resource}")
    if resource == "alerts/stats":
        assert body["alerts"] == 1
    else:
        assert body["facets"]["service"] == [{"value": "bank's", "count": 2}]
        assert body["facets"]["quality_reason"] == [{"value": "refusal", "count": 2}]


@pytest.mark.parametrize("resource", SUMS)
def test_sums_are_of_the_own_project_alone(rest: Rest, resource: str) -> None:
    by: dict[str, Any] = {} if "top" in resource or "summary" in resource else {"group_by": "project"}
    body = rest.get(f"/api/v1/{resource}", **by)
    assert body["totals"]["calls"] == 2
    if by:
        assert {item["project"] for item in body["items"]} == {"bank"}
    if "top" in resource:
        assert {item["call"]["project"] for item in body["items"]} == {"bank"}


@pytest.mark.parametrize("resource", LINES)
def test_lines_are_of_the_own_project_alone(rest: Rest, resource: str) -> None:
    (line,) = rest.items(resource, group_by="project")
    assert line["project"] == "bank"
    assert sum(step["calls"] for step in line["timeline"]) == 2


def test_errors_and_series_are_of_the_own_project_alone(rest: Rest) -> None:
    assert rest.get("/api/v1/errors")["calls"] == 2
    assert {item["project"] for item in rest.items("series")} == {"bank"}


@pytest.mark.parametrize(
    "path",
    [
        f"/api/v1/traces/{'cd' * 16}",
        f"/api/v1/traces/{'cd' * 16}?project={HIDDEN}",
        f"/api/v1/traces/{'ab' * 16}?project={HIDDEN}",
        "/api/v1/sessions/h",
        f"/api/v1/sessions/h?project={HIDDEN}",
        f"/api/v1/sessions/both?project={HIDDEN}",
        f"/api/v1/alerts/{ALERTS[1].id}",
        f"/api/v1/series/{SPANS[2].series_id}",
    ],
)
def test_what_is_of_another_project_is_not_there(rest: Rest, path: str) -> None:
    assert rest.get(path, expect=404)["title"] == "Not found"


def test_what_two_projects_share_is_shown_by_the_own_part(rest: Rest) -> None:
    """Nor does it say that there is another part."""
    assert rest.get(f"/api/v1/traces/{'ab' * 16}")["span_count"] == 1
    assert rest.get("/api/v1/sessions/both")["span_count"] == 1
    assert rest.get(f"/api/v1/alerts/{ALERTS[0].id}")["project"] == "bank"


def test_a_key_that_only_sends_reads_nothing(tmp_path: Path) -> None:
    running = Rest(tmp_path / "views.duckdb")
    as_caller(running, Principal("k2", frozenset({"ingest"}), "bank"))
    try:
        for resource in [*EVERYTHING, "traces/x", "sessions/x", "alerts/x", f"series/{'0' * 16}"]:
            assert "scope `read`" in running.get(f"/api/v1/{resource}", expect=403)["detail"]
    finally:
        running.store.close()
