"""Pages: complete, without overlap, also while rows arrive; a cursor that does not fit is said so."""

import time
from typing import Any

import pytest
from msgspec import structs

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, alert, mixed_spans, span

NOW_NS = time.time_ns()
SPANS = [
    # A session for every other trace.
    structs.replace(one, session_id="" if int(one.trace_id, 16) % 2 else one.trace_id[:8])
    for one in mixed_spans(300, seed=3, newest_ns=NOW_NS - 3600 * SECOND_NS)
]
IDS = {"calls": "span_id", "traces": "trace_id", "sessions": "session_id", "alerts": "id"}


def fill(rest: Rest) -> None:
    rest.apply(rest.log.spans(SPANS))
    # Ties: every alert opened at one of three times.
    rest.apply(*(rest.log.alert(alert(n, opened_at=f"2026-01-01T12:0{n % 3}:00Z")) for n in range(40)))


def pages(rest: Rest, resource: str, between: Any = lambda: None, **params: Any) -> list[list[str]]:
    found: list[list[str]] = []
    cursor: str | None = None
    while True:
        asked = params if cursor is None else {**params, "cursor": cursor}
        answer = rest.get(f"/api/v1/{resource}", **asked)
        found.append([item[IDS[resource]] for item in answer["items"]])
        cursor = answer["next_cursor"]
        if cursor is None:
            return found
        between()


def flat(found: list[list[str]]) -> list[str]:
    return [one for page in found for one in page]


@pytest.mark.parametrize(
    ("resource", "order"),
    [
        *(("calls", order) for order in ("newest", "oldest", "costliest", "slowest")),
        *(("traces", order) for order in ("newest", "oldest", "costliest", "slowest")),
        *(("sessions", order) for order in ("newest", "oldest", "costliest", "slowest")),
        *(("alerts", order) for order in ("newest", "oldest")),
    ],
)
@pytest.mark.parametrize("limit", [1, 7, 1000])
def test_pages_are_the_whole_list(rest: Rest, resource: str, order: str, limit: int) -> None:
    fill(rest)
    if limit == 1:
        rest.store._connection.execute("DELETE FROM spans WHERE src_offset > 40")
    whole = flat(pages(rest, resource, limit=1000, order=order))
    found = pages(rest, resource, limit=limit, order=order)
    assert flat(found) == whole
    assert len(whole) == len(set(whole)) > 9
    assert all(len(page) == limit for page in found[:-1])
    assert found[-1]


@pytest.mark.parametrize("resource", ["calls", "traces", "sessions", "alerts"])
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_rows_that_arrive_meanwhile_shift_nothing(rest: Rest, resource: str, order: str) -> None:
    fill(rest)
    before = flat(pages(rest, resource, limit=1000, order=order))
    arrived = iter(range(1000, 100_000))

    def arrive() -> None:
        number = next(arrived)
        rest.apply(rest.log.spans([span(number, start_ns=NOW_NS - number)]))
        rest.apply(rest.log.spans([span(-number, start_ns=NOW_NS - 23 * 3600 * SECOND_NS + number)]))
        rest.apply(rest.log.alert(alert(number, opened_at="2027-01-01T12:00:00Z")))

    found = flat(pages(rest, resource, arrive, limit=10, order=order))
    assert len(found) == len(set(found))
    assert [one for one in found if one in set(before)] == before


def test_since_does_not_move_from_page_to_page(rest: Rest) -> None:
    fill(rest)
    first = rest.get("/api/v1/calls", limit=5, since="23h")
    second = rest.get("/api/v1/calls", limit=5, since="23h", cursor=first["next_cursor"])
    assert second["since"] == first["since"]


@pytest.mark.parametrize(
    "cursor",
    ["x", "", "WyJ4Il0=", "ä", "W10=", "bnVsbA==", "WyJhIixudWxsLG51bGwsWyJ4IiwieSIsInoiLCJ3Il1d", "=" * 50],
)
def test_what_is_no_cursor_is_said(rest: Rest, cursor: str) -> None:
    problem = rest.get("/api/v1/calls", expect=422, cursor=cursor)
    assert [error["parameter"] for error in problem["errors"]] == ["cursor"]


@pytest.mark.parametrize("change", [{"order": "oldest"}, {"project": "bank"}, {"min_cost": 0}])
def test_a_cursor_of_another_list_is_said(rest: Rest, change: dict[str, Any]) -> None:
    fill(rest)
    cursor = rest.get("/api/v1/calls", limit=5, project="shop")["next_cursor"]
    problem = rest.get(
        "/api/v1/calls", expect=422, **({"limit": 5, "project": "shop", "cursor": cursor} | change)
    )
    assert "other parameters" in problem["detail"]
    problem = rest.get("/api/v1/traces", expect=422, limit=5, project="shop", cursor=cursor)
    assert problem["errors"][0]["parameter"] == "cursor"


def test_the_limit_may_change_from_page_to_page(rest: Rest) -> None:
    fill(rest)
    first = rest.get("/api/v1/calls", limit=5)
    rest_of_them = rest.items("calls", limit=1000, cursor=first["next_cursor"])
    assert len(first["items"]) + len(rest_of_them) == sum(span.priced for span in SPANS)
