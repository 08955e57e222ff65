"""What REST asks of the views: rows out of `views.sql`'s statements, filtered, ordered and paged.

A row is a dict of the statement's columns. Values from outside only ever go in as parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import duckdb

from lumina_schemas.views import part

Row = dict[str, object]
Order = Literal["newest", "oldest", "costliest", "slowest"]
Group = Literal["project", "service", "endpoint", "model", "provider"]

MS = 1_000_000
MINUTE_NS = 60_000 * MS

# A trace is put together from the spans around the asked time: from this long before to this long after.
TRACE_MARGIN_NS = 15 * MINUTE_NS

# The newest traces are looked for in the newest spans first: grouping a day of spans to show fifty traces
# costs 30 ms a million.
LADDER_NS = (15 * MINUTE_NS, 4 * 60 * MINUTE_NS)

# So many of a series' last calls tell whether prompts and answers come: enough to get over failed calls, few
# enough that a capture that was switched off shows soon.
LATEST_CALLS = 20

MAX_NS = 2**63 - 1

# What identifies a row where the order leaves two equal.
TIES = {
    "calls": ("span_id", "trace_id", "project"),
    "traces": ("trace_id", "project"),
    "alerts": ("id",),
}


@dataclass(frozen=True)
class Filters:
    """What a list is narrowed to, by the names of `views.sql`'s conditions; None and () mean anything."""

    project: tuple[str, ...] = ()
    service: tuple[str, ...] = ()
    endpoint: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    trace_id: str | None = None
    since: int | None = None
    until: int | None = None
    min_cost: float | None = None
    min_duration_ms: float | None = None
    max_quality: float | None = None
    quality_reason: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """One page: so many rows in an order, after the row with this key."""

    limit: int
    order: Order
    after: tuple[object, ...] | None = None


@dataclass(frozen=True)
class Condition:
    """A piece of SQL with the parameters that it names."""

    sql: str
    parameters: Mapping[str, object]


CALL_FILTERS = (
    *("project", "service", "endpoint", "model", "provider", "status", "trace_id"),
    *("since", "until", "min_cost", "min_duration_ms"),
)
_PLACE_FILTERS = ("project", "trace_id", "since", "until")
_SPAN_FILTERS = ("project", "service", "endpoint", "model", "provider", "trace_id")
_SERIES_FILTERS = ("project", "service", "endpoint", "since", "until")
_TRACE_FILTERS = ("status", "since", "until", "min_cost", "min_duration_ms")
_SCORE_FILTERS = ("max_quality", "quality_reason")
_ALERT_FILTERS = ("state", "kind", "severity", "project", "service", "endpoint")


def calls(cursor: duckdb.DuckDBPyConnection, filters: Filters, page: Page) -> list[Row]:
    """Leaf calls, with all columns and `model`."""
    where = _both(_calls(filters), _after("calls", page))
    judged = _where(filters, _SCORE_FILTERS).sql != "true"
    sql = part("calls_judged" if judged else "calls").format(
        where=where.sql, order=_order("calls", page.order)
    )
    return _rows(cursor, sql, {**where.parameters, "limit": page.limit})


def contents(cursor: duckdb.DuckDBPyConnection, span_ids: Sequence[str]) -> list[Row]:
    """Content lines of these spans, in the order of their source positions."""
    return _rows(cursor, part("contents"), {"span_ids": list(span_ids)}) if span_ids else []


def others(cursor: duckdb.DuckDBPyConnection, calls: Sequence[Row]) -> list[Row]:
    """Further spans of these calls, by start."""
    starts = [start for row in calls if isinstance(start := row["start_ns"], int)]
    if not starts:
        return []
    return _rows(
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
    return _rows(cursor, part("scores"), {"span_ids": span_ids, **between})


def traces(cursor: duckdb.DuckDBPyConnection, filters: Filters, page: Page, now_ns: int) -> list[Row]:
    """Traces: start, duration, status and sums over their spans.

    A trace is listed when one of its spans matches project, service, endpoint, model, provider and quality
    at once, and the trace itself matches time, status, cost and duration.
    """
    where = _both(_where(filters, _TRACE_FILTERS), _after("traces", page))
    rows: list[Row] = []
    for since in _ladder(filters, page, now_ns):
        around = Filters(
            project=filters.project,
            trace_id=filters.trace_id,
            since=None if since is None else max(0, since - TRACE_MARGIN_NS),
            until=None if filters.until is None else min(MAX_NS, filters.until + TRACE_MARGIN_NS),
        )
        spans = _where(around, _PLACE_FILTERS, suffix="_around")
        match = _both(_where(filters, _SPAN_FILTERS), _scored(filters, spans))
        floor = Condition("start_ns >= $floor", {"floor": since or 0})
        bounded = _both(where, floor)
        sql = part("traces").format(
            spans=spans.sql, match=match.sql, where=bounded.sql, order=_order("traces", page.order)
        )
        values = {**spans.parameters, **match.parameters, **bounded.parameters, "limit": page.limit}
        rows = _rows(cursor, sql, values)
        if len(rows) >= page.limit:
            break
    return rows


def trace_projects(cursor: duckdb.DuckDBPyConnection, trace_id: str) -> list[str]:
    """Projects that have spans of this trace."""
    rows = cursor.execute(part("trace_projects"), {"trace_id": trace_id}).fetchall()
    return [project for (project,) in rows]


def trace(cursor: duckdb.DuckDBPyConnection, trace_id: str, project: str, limit: int) -> list[Row]:
    """Spans of one trace by start, with all columns and `model`."""
    return _rows(cursor, part("trace"), {"trace_id": trace_id, "project": project, "limit": limit})


def trace_alerts(cursor: duckdb.DuckDBPyConnection, trace_id: str, project: str) -> list[str]:
    """Records of the alerts that show this trace as evidence."""
    rows = cursor.execute(part("trace_alerts"), {"trace_id": trace_id, "project": project}).fetchall()
    return [record for (record,) in rows]


def costs(
    cursor: duckdb.DuckDBPyConnection, filters: Filters, groups: Sequence[Group], limit: int
) -> list[Row]:
    """Sums of calls, tokens and cost by group, the dearest first; without groups one row."""
    where = _calls(filters)
    ties = "".join(f", {part(f'group.{group}')}" for group in groups)
    sql = part("costs").format(groups=_groups(groups), measures=part("measures"), where=where.sql, ties=ties)
    return _rows(cursor, sql, {**where.parameters, "limit": limit})


def costs_timeline(
    cursor: duckdb.DuckDBPyConnection,
    filters: Filters,
    groups: Sequence[Group],
    step_ns: int,
    only: Iterable[Row],
) -> list[Row]:
    """The same sums by time, in steps from the epoch, for the groups of the rows `only`."""
    where = _calls(filters)
    wanted = [tuple(row[group] for group in groups) for row in only]
    top = Condition("true", {})
    if groups and not wanted:
        return []
    if groups:
        names = ", ".join(f"$top_{group}" for group in groups)
        columns = ", ".join(part(f"group.{group}") for group in groups)
        top = Condition(
            f"({columns}) IN (SELECT ({', '.join(f'unnest({name})' for name in names.split(', '))}))",
            {f"top_{group}": [row[index] for row in wanted] for index, group in enumerate(groups)},
        )
    sql = part("costs_timeline").format(
        groups=_groups(groups), measures=part("measures"), where=where.sql, top=top.sql
    )
    return _rows(cursor, sql, {**where.parameters, **top.parameters, "step_ns": step_ns})


def series(cursor: duckdb.DuckDBPyConnection, filters: Filters, limit: int) -> list[Row]:
    """Series with calls, the lately used first: their calls, the last one, whether content is captured."""
    where = _where(filters, _SERIES_FILTERS)
    sql = part("series").format(where=where.sql, told=part("told"))
    return _rows(cursor, sql, {**where.parameters, "limit": limit, "latest": LATEST_CALLS})


def alerts(cursor: duckdb.DuckDBPyConnection, filters: Filters, page: Page) -> list[Row]:
    """Alerts: `id`, `opened_ns` and the whole `record`."""
    opened = _both(
        _named("opened_since", "since", filters.since), _named("opened_until", "until", filters.until)
    )
    where = _both(_where(filters, _ALERT_FILTERS), opened, _after("alerts", page))
    sql = part("alerts").format(where=where.sql, order=_order("alerts", page.order))
    return _rows(cursor, sql, {**where.parameters, "limit": page.limit})


def alert(cursor: duckdb.DuckDBPyConnection, alert_id: str) -> str | None:
    """Record of one alert."""
    row = cursor.execute(part("alert"), {"id": alert_id}).fetchone()
    return row[0] if row else None


def key(what: str, order: Order, row: Row) -> tuple[object, ...]:
    """The key of a row in an order: `Page.after` of the page that follows it."""
    if what == "alerts":
        first: object = row["opened_ns"]
    elif order == "costliest":
        cost = row["cost_usd"]
        first = -1.0 if cost is None else cost
    else:
        first = row["duration_ms"] if order == "slowest" else row["start_ns"]
    return (first, *(row[name] for name in TIES[what]))


def _rows(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: Mapping[str, object]) -> list[Row]:
    result = cursor.execute(sql, dict(parameters))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def _where(filters: Filters, names: Iterable[str], suffix: str = "") -> Condition:
    return _both(*(_named(name, name, getattr(filters, name), suffix) for name in names))


def _calls(filters: Filters) -> Condition:
    """What a call must fulfil."""
    return _both(_where(filters, CALL_FILTERS), _scored(filters, _where(filters, _PLACE_FILTERS)))


def _scored(filters: Filters, place: Condition) -> Condition:
    """What the score of a span must fulfil; `place` narrows the scores that are looked through."""
    asked = _where(filters, _SCORE_FILTERS)
    if asked.sql == "true":
        return asked
    within = _both(asked, place)
    return Condition(part("condition.scored").format(where=within.sql), within.parameters)


def _named(condition: str, parameter: str, value: object, suffix: str = "") -> Condition:
    if value is None or value == ():
        return Condition("true", {})
    sql = part(f"condition.{condition}").replace(f"${parameter}", f"${parameter}{suffix}")
    return Condition(sql, {f"{parameter}{suffix}": list(value) if isinstance(value, tuple) else value})


def _both(*conditions: Condition) -> Condition:
    asked = [condition for condition in conditions if condition.sql != "true"]
    parameters: dict[str, object] = {}
    for condition in asked:
        parameters |= condition.parameters
    return Condition(" AND ".join(condition.sql for condition in asked) or "true", parameters)


def _direction(what: str, order: Order) -> tuple[str, str]:
    expression, _, direction = part(f"order.{what}.{order}").rpartition(" ")
    return expression, direction


def _order(what: str, order: Order) -> str:
    expression, direction = _direction(what, order)
    return ", ".join(f"{column} {direction}" for column in (expression, *TIES[what]))


def _after(what: str, page: Page) -> Condition:
    """Rows behind the page's key. The first comparison alone lets DuckDB skip row groups."""
    if page.after is None:
        return Condition("true", {})
    expression, direction = _direction(what, page.order)
    sign = "<" if direction == "DESC" else ">"
    columns = ", ".join((expression, *TIES[what]))
    names = [f"after_{index}" for index in range(len(page.after))]
    values = ", ".join(f"${name}" for name in names)
    sql = f"{expression} {sign}= $after_0 AND ({columns}) {sign} ({values})"
    return Condition(sql, dict(zip(names, page.after, strict=True)))


def _groups(groups: Sequence[Group]) -> str:
    return "".join(f"{part(f'group.{group}')}, " for group in groups)


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
