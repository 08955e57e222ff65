"""`/api/v1/traces`: traces in a list, and one with all its spans."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from lumina_api.rest.answer import answer, optional_moment, raw, span_item, trace_item
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.models import TraceDetail, TraceList
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.parameters import SpanListParameters, TraceParameters
from lumina_api.rest.problem import REFUSED, UNKNOWN, Problem
from lumina_api.views import queries
from lumina_api.views.contents import whole
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page, Place
from lumina_api.views.tree import Link, tree

# A trace of more spans is a defect of its sender or a whole day in one trace; no screen shows it.
MOST_SPANS = 10_000

router = APIRouter(
    prefix="/api/v1", tags=["traces"], dependencies=[Depends(needs("read"))], responses=REFUSED
)


@router.get("/traces", response_model=TraceList)
def traces(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[SpanListParameters, Query()]
) -> Response:
    """Traces with their sums.

    A trace is listed when one of its spans matches project, service, endpoint, model, text and all else that
    is asked of spans at once, and the trace as a whole matches time, status, cost, duration and tokens.
    """
    filters, page = page_of(
        "traces", asked.cursor, narrowed(caller, asked.filters(now)), asked.order, asked.limit
    )
    rows, following = next_cursor("traces", queries.traces(cursor, filters, page, now), filters, page)
    return answer(
        {
            "items": [trace_item(row) for row in rows],
            "next_cursor": following,
            "since": optional_moment(filters.since),
            "until": optional_moment(filters.until),
        }
    )


@router.get("/traces/{trace_id}", response_model=TraceDetail, responses=UNKNOWN)
def trace(
    cursor: Cursor,
    caller: Caller,
    now: Now,
    trace_id: Annotated[str, Path(max_length=64, description="32 hex digits")],
    asked: Annotated[TraceParameters, Query()],
) -> Response:
    """One trace: its spans, parents before children, its sums, and the alerts that show it as evidence."""
    trace_id = trace_id.lower()
    place = _place(cursor, caller, trace_id, asked.project)
    project = place.project
    rows = queries.trace(cursor, trace_id, place, MOST_SPANS + 1)
    # Its time lets the row be found without a look at all ids.
    only = Filters(project=(project,), trace_id=trace_id, since=place.first_ns, until=place.last_ns + 1)
    summaries = queries.traces(cursor, only, Page(1, "newest"), now)
    if not rows or not summaries:
        raise _unknown(trace_id, project)
    truncated = len(rows) > MOST_SPANS
    rows = rows[:MOST_SPANS]
    rows = whole(cursor, rows)
    nodes = tree([Link(str(row["span_id"]), str(row["parent_span_id"])) for row in rows])
    return answer(
        {
            **trace_item(summaries[0]),
            "spans": [
                span_item(rows[node.row]) | {"depth": node.depth, "children": node.children} for node in nodes
            ],
            "alerts": [raw(record) for record in queries.trace_alerts(cursor, trace_id, project)],
            "truncated": truncated,
        }
    )


def _place(cursor: Cursor, caller: Caller, trace_id: str, project: str | None) -> Place:
    places = [place for place in queries.places(cursor, trace_id) if caller.sees(place.project)]
    if project is not None:
        places = [place for place in places if place.project == project]
    if not places:
        raise _unknown(trace_id, project)
    if len(places) > 1:
        named = ", ".join(place.project for place in places[:10])
        raise Problem(
            422,
            f"Several projects have spans of this trace: {named}. Name one by ?project=.",
            [("project", "is needed for this trace")],
            ["project"],
        )
    return places[0]


def _unknown(trace_id: str, project: str | None) -> Problem:
    where = f" in project {project}" if project is not None else ""
    return Problem(
        404,
        f"No trace {trace_id}{where}. It may not have arrived yet (a second is normal), may be erased, "
        "or lie further back than the log.",
    )
