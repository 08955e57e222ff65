"""One session: whatever its id, with its traces page by page."""

import time
from typing import Any
from urllib.parse import quote

import pytest

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, score, span

NOW_NS = time.time_ns() - 60 * SECOND_NS
OLD_NS = NOW_NS - 5 * 86_400 * SECOND_NS


def turn(number: int, session: str = "s", **changes: Any) -> Any:
    """A trace of the session, one a second."""
    return span(number, session_id=session, **{"start_ns": NOW_NS + number * SECOND_NS} | changes)


@pytest.mark.parametrize("session", ["s", "a/b", "../x", "é☃ %", "?x=1&y", "#", "100%", "."])
def test_a_session_is_found_by_its_id_whatever_it_is(rest: Rest, session: str) -> None:
    rest.apply(rest.log.spans([turn(1, session), turn(2, session), turn(3, "other")]))
    path = f"/api/v1/sessions/{quote(session, safe='').replace('.', '%2E')}"
    assert rest.get(path)["session_id"] == session
    assert rest.get(path)["trace_count"] == 2


def test_a_session_has_all_of_its_traces_however_old(rest: Rest) -> None:
    turns = [turn(number, start_ns=OLD_NS + number * 3600 * SECOND_NS) for number in range(7)]
    child = span(
        50,
        trace_id=turns[0].trace_id,
        parent_span_id=turns[0].span_id,
        kind="tool",
        priced=False,
        cost_usd=None,
        start_ns=OLD_NS + 1,
    )
    rest.apply(rest.log.spans([*turns, child, turn(99, "other")]), rest.log.scores([score(child, 0.25)]))
    session = rest.get("/api/v1/sessions/s")
    assert [one["trace_id"] for one in session["traces"]] == [one.trace_id for one in turns]
    assert (session["trace_count"], session["call_count"], session["span_count"]) == (7, 7, 8)
    assert session["cost_usd"] == pytest.approx(sum(one.cost_usd for one in turns))
    assert session["worst_quality"] == session["traces"][0]["worst_quality"] == 0.25
    assert (session["first_ns"], session["last_ns"]) == (turns[0].start_ns, turns[-1].start_ns)


@pytest.mark.parametrize("order", ["newest", "oldest", "costliest", "slowest"])
def test_its_traces_are_paged(rest: Rest, order: str) -> None:
    rest.apply(rest.log.spans([turn(number) for number in range(10)]))
    whole = rest.get("/api/v1/sessions/s", order=order)["traces"]
    found: list[Any] = []
    following: dict[str, Any] = {}
    while True:
        page = rest.get("/api/v1/sessions/s", order=order, limit=3, **following)
        found += page["traces"]
        if page["next_cursor"] is None:
            break
        following = {"cursor": page["next_cursor"]}
    assert found == whole
    assert len(whole) == 10


def test_a_session_of_two_projects_needs_the_project(rest: Rest) -> None:
    rest.apply(rest.log.spans([turn(1), turn(2, project="bank"), turn(3, project="bank")]))
    assert "bank, shop" in rest.get("/api/v1/sessions/s", expect=422)["detail"]
    assert rest.get("/api/v1/sessions/s", project="bank")["trace_count"] == 2
    assert rest.get("/api/v1/sessions/s", project="mail", expect=404)["status"] == 404


def test_traces_without_a_session_are_none(rest: Rest) -> None:
    rest.apply(rest.log.spans([turn(1, "")]))
    assert rest.items("sessions") == []
    assert rest.get("/api/v1/sessions/", expect=404)["status"] == 404


def test_a_session_that_goes_on_stays_where_it_was_from_page_to_page(rest: Rest) -> None:
    rest.apply(rest.log.spans([turn(number, f"s{number}") for number in range(6)]))
    first = rest.get("/api/v1/sessions", limit=3)
    assert [one["session_id"] for one in first["items"]] == ["s5", "s4", "s3"]
    rest.apply(rest.log.spans([turn(100, "s1", start_ns=time.time_ns())]))
    second = rest.get("/api/v1/sessions", limit=3, cursor=first["next_cursor"])
    assert [one["session_id"] for one in second["items"]] == ["s2", "s1", "s0"]
    assert second["until"] == first["until"]
