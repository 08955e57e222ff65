"""`/api/v1/traces`: traces in a list, and one with all its spans."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from lumina_api.rest.answer import answer, coverage, moment_of, optional_moment, raw, span_item
from lumina_api.rest.doors import Cursor, Now
from lumina_api.rest.models import TraceDetail, TraceList
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.parameters import SpanListParameters, TraceParameters
from lumina_api.rest.problem import Problem
from lumina_api.views import queries
from lumina_api.views.contents import whole
from lumina_api.views.queries import Filters, Page, Row
from lumina_api.views.tree import Link, tree

# A trace of more spans is a defect of its sender or a whole day in one trace; no screen shows it.
MOST_SPANS = 10_000

router = APIRouter(prefix="/api/v1", tags=["traces"])


@router.get("/traces", response_model=TraceList)
def traces(cursor: Cursor, now: Now, asked: Annotated[SpanListParameters, Query()]) -> Response:
    """Traces with their sums.

    A trace is listed when one of its spans matches project, service, endpoint, model, provider and quality
    at once, and the trace as a whole matches time, status, cost and duration. Its sums are over its spans up
    to 15 minutes outside of the asked time.
    """
    filters, page = page_of("traces", asked.cursor, asked.filters(now), asked.order, asked.limit)
    rows, following = next_cursor("traces", queries.traces(cursor, filters, page, now), filters, page)
    return answer(
        {
            "items": [_summary(row) for row in rows],
            "next_cursor": following,
            "since": optional_moment(filters.since),
            "until": optional_moment(filters.until),
        }
    )


@router.get("/traces/{trace_id}", response_model=TraceDetail)
def trace(
    cursor: Cursor,
    now: Now,
    trace_id: Annotated[str, Path(max_length=64, description="32 hex digits")],
    asked: Annotated[TraceParameters, Query()],
) -> Response:
    """One trace: its spans, parents before children, its sums, and the alerts that show it as evidence."""
    trace_id = trace_id.lower()
    project = asked.project or _project(cursor, trace_id)
    rows = queries.trace(cursor, trace_id, project, MOST_SPANS + 1)
    only = Filters(project=(project,), trace_id=trace_id)
    summaries = queries.traces(cursor, only, Page(1, "newest"), now)
    if not rows or not summaries:
        raise _unknown(trace_id, project)
    truncated = len(rows) > MOST_SPANS
    rows = rows[:MOST_SPANS]
    rows = whole(cursor, rows)
    nodes = tree([Link(str(row["span_id"]), str(row["parent_span_id"])) for row in rows])
    calls = [row for row in rows if row["priced"]]
    return answer(
        {
            **_summary(summaries[0]),
            "input_tokens": _sum(calls, "input_tokens"),
            "output_tokens": _sum(calls, "output_tokens"),
            "spans": [
                span_item(rows[node.row]) | {"depth": node.depth, "children": node.children} for node in nodes
            ],
            "alerts": [raw(record) for record in queries.trace_alerts(cursor, trace_id, project)],
            "truncated": truncated,
        }
    )


def _project(cursor: Cursor, trace_id: str) -> str:
    projects = queries.trace_projects(cursor, trace_id)
    if not projects:
        raise _unknown(trace_id, None)
    if len(projects) > 1:
        raise Problem(
            422,
            f"Several projects have spans of this trace: {', '.join(projects[:10])}. Name one by ?project=.",
            [("project", "is needed for this trace")],
            ["project"],
        )
    return projects[0]


def _unknown(trace_id: str, project: str | None) -> Problem:
    where = f" in project {project}" if project is not None else ""
    return Problem(
        404,
        f"No trace {trace_id}{where}. It may not have arrived yet (a second is normal), may be erased, "
        "or lie further back than the log.",
    )


def _summary(row: Row) -> dict[str, object]:
    shown = {name: value for name, value in row.items() if name != "priced_calls"}
    return shown | {
        "start": moment_of(row),
        "coverage": coverage(row["priced_calls"], row["call_count"]),
    }


def _sum(rows: list[Row], name: str) -> int:
    return sum(value for row in rows if isinstance(value := row[name], int))
