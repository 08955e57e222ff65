"""`/api/v1/sessions`: conversations in a list, and one with its traces."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from lumina_api.rest.answer import answer, coverage, optional_moment, trace_item
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.models import SessionDetail, SessionList
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.parameters import SessionListParameters, SessionParameters
from lumina_api.rest.problem import REFUSED, UNKNOWN, Problem
from lumina_api.views import queries
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page, Row
from lumina_api.views.sessions import session_projects
from lumina_api.views.sessions import sessions as sessions_of

router = APIRouter(
    prefix="/api/v1", tags=["sessions"], dependencies=[Depends(needs("read"))], responses=REFUSED
)


@router.get("/sessions", response_model=SessionList)
def sessions(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[SessionListParameters, Query()]
) -> Response:
    """Sessions with sums over their traces that began in the asked time.

    A session is listed when one span of these traces matches project, service, endpoint, model and all else
    that is asked of spans at once, and the session as a whole matches status, cost, duration and tokens.
    """
    filters = narrowed(caller, asked.filters(now))
    # A session that goes on would wander from page to page: all pages show it as it was at the first.
    filters = replace(filters, until=now if filters.until is None else filters.until)
    filters, page = page_of("sessions", asked.cursor, filters, asked.order, asked.limit)
    rows, following = next_cursor("sessions", sessions_of(cursor, filters, page), filters, page)
    return answer(
        {
            "items": [_item(row) for row in rows],
            "next_cursor": following,
            "since": optional_moment(filters.since),
            "until": optional_moment(filters.until),
        }
    )


# An id may hold a slash.
@router.get("/sessions/{session_id:path}", response_model=SessionDetail, responses=UNKNOWN)
def session(
    cursor: Cursor,
    caller: Caller,
    now: Now,
    session_id: Annotated[str, Path(max_length=1000, description="The session's id")],
    asked: Annotated[SessionParameters, Query()],
) -> Response:
    """One session over all of its time, with its traces page by page."""
    project = _project(cursor, caller, session_id, asked.project)
    only = Filters(project=(project,), session_id=(session_id,))
    found = sessions_of(cursor, only, Page(1, "newest"))
    if not found or not session_id:
        raise _unknown(session_id)
    item = _item(found[0])
    first_ns, last_ns = found[0]["first_ns"], found[0]["last_ns"]
    assert isinstance(first_ns, int)
    assert isinstance(last_ns, int)
    within = replace(only, since=first_ns, until=last_ns + 1)
    filters, page = page_of("traces", asked.cursor, within, asked.order, asked.limit)
    rows, following = next_cursor("traces", queries.traces(cursor, filters, page, now), filters, page)
    return answer(item | {"traces": [trace_item(row) for row in rows], "next_cursor": following})


def _project(cursor: Cursor, caller: Caller, session_id: str, asked: str | None) -> str:
    projects = [project for project in session_projects(cursor, session_id) if caller.sees(project)]
    if asked is not None and asked in projects:
        return asked
    if asked is not None or not projects:
        raise _unknown(session_id)
    if len(projects) > 1:
        raise Problem(
            422,
            f"Several projects have traces of this session: {', '.join(projects[:10])}. "
            "Name one by ?project=.",
            [("project", "is needed for this session")],
            ["project"],
        )
    return projects[0]


def _unknown(session_id: str) -> Problem:
    return Problem(
        404,
        f"No session {session_id}. It may not have arrived yet (a second is normal), may be erased, "
        "or lie further back than the log.",
    )


def _item(row: Row) -> dict[str, object]:
    shown = {name: value for name, value in row.items() if name != "priced_calls"}
    moments = {name: rfc3339(ns) for name in ("first", "last") if isinstance(ns := row[f"{name}_ns"], int)}
    return shown | moments | {"coverage": coverage(row["priced_calls"], row["call_count"])}
