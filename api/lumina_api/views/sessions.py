"""Sessions: the conversations that traces belong to, summed up from the rows of traces."""

import duckdb

from lumina_api.views.filters import SUM_FILTERS, TIME_FILTERS, Condition, Filters, both, matching, where_of
from lumina_api.views.queries import Page, Row, after, order_of, rows_of
from lumina_schemas.views import part


def sessions(cursor: duckdb.DuckDBPyConnection, filters: Filters, page: Page) -> list[Row]:
    """Sessions with sums over their traces that began in the asked time.

    A session is listed when one span of one of these traces matches all that is asked of spans at once, and
    the session as a whole matches status, cost, duration and tokens.
    """
    traces = where_of(filters, ("project", *TIME_FILTERS))
    # A trace has one session, though perhaps on its root alone: it is asked of the session, not of a span.
    whole = both(where_of(filters, ("session_id", *SUM_FILTERS)), after("sessions", page))
    match = both(where_of(filters, ("trace_id",)), matching(filters.without("session_id")))
    if match.asks:
        match = Condition(part("sessions.match").format(match=match.sql), match.parameters)
    sql = part("sessions").format(
        traces=traces.sql, where=whole.sql, match=match.sql, order=order_of("sessions", page.order)
    )
    values = {**traces.parameters, **whole.parameters, **match.parameters, "limit": page.limit}
    return rows_of(cursor, sql, values)


def session_projects(cursor: duckdb.DuckDBPyConnection, session_id: str) -> list[str]:
    """Projects that have traces of this session."""
    rows = cursor.execute(part("session_projects"), {"session_id": session_id}).fetchall()
    return [project for (project,) in rows]
