"""What REST asks of the views: rows out of `views.sql`'s statements, filtered, ordered and paged.

A row is a dict of the statement's columns. Values from outside only ever go in as parameters.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import duckdb

from lumina_api.views.filters import (
    ANYTHING,
    MAX_NS,
    TRACE_FILTERS,
    Condition,
    Filters,
    both,
    looks_up,
    matching,
    of_alerts,
    of_calls,
    where_of,
)
from lumina_schemas.views import part

Row = dict[str, object]
Order = Literal["newest", "oldest", "costliest", "slowest"]

MS = 1_000_000
MINUTE_NS = 60_000 * MS

# A trace is put together from the spans around the asked time: from this long before to this long after.
TRACE_MARGIN_NS = 15 * MINUTE_NS

# The newest traces are looked for in the newest spans first: grouping a day of spans to show fifty traces
# costs 30 ms a million.
LADDER_NS = (15 * MINUTE_NS, 4 * 60 * MINUTE_NS)


# What identifies a row where the order leaves two equal.
TIES = {
    "calls": ("span_id", "trace_id", "project"),
    "traces": ("trace_id", "project"),
    "sessions": ("session_id", "project"),
    "alerts": ("id",),
    "settings": ("id",),
    "marks": ("id",),
    "audit": ("id",),
}

# The column of time by which these are listed; all others by `start_ns`.
_TIMES = {
    "alerts": "opened_ns",
    "settings": "written_ns",
    "marks": "at_ns",
    "audit": "at_ns",
    "sessions.newest": "last_ns",
    "sessions.oldest": "first_ns",
}


@dataclass(frozen=True)
class Page:
    """One page: so many rows in an order, after the row with this key."""

    limit: int
    order: Order
    after: tuple[object, ...] | None = None


def calls(cursor: duckdb.DuckDBPyConnection, filters: Filters, page: Page) -> list[Row]:
    """Leaf calls, with all columns and `model`."""
    where = both(of_calls(filters), after("calls", page))
    sql = part("calls_looked_up" if looks_up(filters) else "calls").format(
        where=where.sql, order=order_of("calls", page.order)
    )
    return rows_of(cursor, sql, {**where.parameters, "limit": page.limit})


def contents(cursor: duckdb.DuckDBPyConnection, span_ids: Sequence[str]) -> list[Row]:
    """Content lines of these spans, in the order of their source positions."""
    return rows_of(cursor, part("contents"), {"span_ids": list(span_ids)}) if span_ids else []


def others(cursor: duckdb.DuckDBPyConnection, calls: Sequence[Row]) -> list[Row]:
    """Further spans of these calls, by start."""
    starts = [start for row in calls if isinstance(start := row["start_ns"], int)]
    if not starts:
        return []
    return rows_of(
        cursor,
        part("others"),
        {
            "span_ids": [row["span_id"] for row in calls],
            "first_ns": max(0, min(starts) - TRACE_MARGIN_NS),
            "last_ns": min(MAX_NS, max(starts) + TRACE_MARGIN_NS),
        },
    )


def scores(cursor: duckdb.DuckDBPyConnection, spans: Sequence[Row]) -> list[Row]:
    """Scores of these spans: their keys, `quality`, `quality_tier` and `quality_reason`."""
    starts = [start for row in spans if isinstance(start := row["start_ns"], int)]
    if not starts:
        return []
    span_ids = [row["span_id"] for row in spans]
    between = {"first_ns": min(starts), "last_ns": max(starts)}
    return rows_of(cursor, part("scores"), {"span_ids": span_ids, **between})


def traces(cursor: duckdb.DuckDBPyConnection, filters: Filters, page: Page, now_ns: int) -> list[Row]:
    """Traces: start, duration, status and sums over all their spans.

    A trace is listed when one of its spans matches all that is asked of spans at once (`filters.of_spans`),
    and the trace itself matches project, time, status, cost, duration and tokens.
    """
    where = both(where_of(filters, TRACE_FILTERS), after("traces", page))
    rows: list[Row] = []
    for since in _ladder(filters, page, now_ns):
        floor = Condition("start_ns >= $floor", {"floor": since or 0})
        bounded = both(where, floor)
        match = matching(replace(filters, since=since))
        sql = part("traces").format(
            shown=part("traces.shown"),
            where=bounded.sql,
            match=match.sql,
            order=order_of("traces", page.order),
        )
        rows = rows_of(cursor, sql, {**bounded.parameters, **match.parameters, "limit": page.limit})
        if len(rows) >= page.limit:
            break
    return rows


@dataclass(frozen=True)
class Place:
    """Where the spans of a trace lie: in which project, and between which times (ns)."""

    project: str
    first_ns: int
    last_ns: int


def places(cursor: duckdb.DuckDBPyConnection, trace_id: str) -> list[Place]:
    """Where spans of this trace lie, one place a project."""
    return [Place(*row) for row in cursor.execute(part("trace_places"), {"trace_id": trace_id}).fetchall()]


def trace(cursor: duckdb.DuckDBPyConnection, trace_id: str, place: Place, limit: int) -> list[Row]:
    """Spans of one trace by start, with all columns and `model`."""
    values = {"project": place.project, "first_ns": place.first_ns, "last_ns": place.last_ns}
    return rows_of(cursor, part("trace"), {"trace_id": trace_id, "limit": limit, **values})


def trace_alerts(cursor: duckdb.DuckDBPyConnection, trace_id: str, project: str) -> list[str]:
    """Records of the alerts that show this trace as evidence."""
    rows = cursor.execute(part("trace_alerts"), {"trace_id": trace_id, "project": project}).fetchall()
    return [record for (record,) in rows]


def alerts(cursor: duckdb.DuckDBPyConnection, filters: Filters, page: Page) -> list[Row]:
    """Alerts: `id`, `opened_ns` and the whole `record`."""
    where = both(of_alerts(filters), after("alerts", page))
    sql = part("alerts").format(where=where.sql, order=order_of("alerts", page.order))
    return rows_of(cursor, sql, {**where.parameters, "limit": page.limit})


def alert(cursor: duckdb.DuckDBPyConnection, alert_id: str) -> str | None:
    """Record of one alert."""
    row = cursor.execute(part("alert"), {"id": alert_id}).fetchone()
    return row[0] if row else None


def key(what: str, order: Order, row: Row) -> tuple[object, ...]:
    """The key of a row in an order: `Page.after` of the page that follows it."""
    if order == "costliest":
        cost = row["cost_usd"]
        first: object = -1.0 if cost is None else cost
    elif order == "slowest":
        first = row["duration_ms"]
    else:
        first = row[_TIMES.get(f"{what}.{order}") or _TIMES.get(what, "start_ns")]
    return (first, *(row[name] for name in TIES[what]))


def rows_of(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object]) -> list[Row]:
    """The rows of a statement, by its columns."""
    result = cursor.execute(sql, dict(parameters))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def order_of(what: str, order: Order) -> str:
    """ORDER BY of a list: never are two rows equal in it."""
    expression, direction = _direction(what, order)
    return ", ".join(f"{column} {direction}" for column in (expression, *TIES[what]))


def after(what: str, page: Page) -> Condition:
    """Rows behind the page's key. The first comparison alone lets DuckDB skip row groups."""
    if page.after is None:
        return ANYTHING
    expression, direction = _direction(what, page.order)
    sign = "<" if direction == "DESC" else ">"
    columns = ", ".join((expression, *TIES[what]))
    names = [f"after_{index}" for index in range(len(page.after))]
    values = ", ".join(f"${name}" for name in names)
    sql = f"{expression} {sign}= $after_0 AND ({columns}) {sign} ({values})"
    return Condition(sql, dict(zip(names, page.after, strict=True)))


def _direction(what: str, order: Order) -> tuple[str, str]:
    expression, _, direction = part(f"order.{what}.{order}").rpartition(" ")
    return expression, direction


def _ladder(filters: Filters, page: Page, now_ns: int) -> list[int | None]:
    """Since when to look, one after the other until the page is full; the last is what was asked."""
    if page.order != "newest" or filters.trace_id is not None:
        return [filters.since]
    top = now_ns
    if filters.until is not None:
        top = min(top, filters.until)
    if page.after is not None and isinstance(page.after[0], int):
        top = min(top, page.after[0])
    floor = filters.since or 0
    return [*(top - width for width in LADDER_NS if top - width > floor), filters.since]
