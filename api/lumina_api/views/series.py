"""Series: which there are, and what the calls of one were, step by step, against what was usual before."""

from typing import Literal

import duckdb
import msgspec
from msgspec import Struct

from lumina_api.views import decided_queries
from lumina_api.views.filters import Filters, where_of
from lumina_api.views.queries import Page, Row, rows_of
from lumina_schemas.views import part

# So many of a series' last calls tell whether prompts and answers come: enough to get over failed calls, few
# enough that a capture that was switched off shows soon.
LATEST_CALLS = 20

MOST_MARKS = 1_000
"""Marks of a time that are looked through."""

USUAL_NS = 7 * 86_400 * 10**9
"""What is usual is told by so long before each step, as detection learns it."""

Measure = Literal["cost_usd", "latency_ms", "tokens"]
SCALES: dict[Measure, float] = {"cost_usd": 1e-6, "latency_ms": 1.0, "tokens": 1.0}

_FILTERS = ("project", "service", "endpoint", "since", "until")


def series(cursor: duckdb.DuckDBPyConnection, filters: Filters, limit: int) -> list[Row]:
    """Series with calls, the lately used first: their calls, the last one, whether content is captured."""
    where = where_of(filters, _FILTERS)
    sql = part("series").format(where=where.sql, told=part("told"))
    return rows_of(cursor, sql, {**where.parameters, "limit": limit, "latest": LATEST_CALLS})


def place(cursor: duckdb.DuckDBPyConnection, series_id: str, since_ns: int) -> tuple[str, str, str] | None:
    """Project, service and endpoint of a series with spans since a time."""
    found = cursor.execute(part("series.place"), {"series_id": series_id, "first_ns": since_ns}).fetchone()
    return (str(found[0]), str(found[1]), str(found[2])) if found else None


def bands(
    cursor: duckdb.DuckDBPyConnection,
    place: tuple[str, str, str],
    measure: Measure,
    between: tuple[int, int],
    step_ns: int,
) -> list[Row]:
    """Quantiles of a measure in each step that has calls, and of the seven days before the step."""
    first, last = between
    project, service, endpoint = place
    where = where_of(
        Filters(project=(project,), service=(service,), endpoint=(endpoint,)),
        ("project", "service", "endpoint"),
    )
    rows = rows_of(
        cursor,
        part("series.bands").format(value=part(f"series.{measure}"), where=where.sql),
        {
            **where.parameters,
            "step_ns": step_ns,
            "first_ns": first,
            "before_ns": max(0, first // step_ns * step_ns - USUAL_NS),
            "last_ns": last,
            "usual_ns": USUAL_NS,
        },
    )
    scaled = ("p10", "p50", "p95", "usual_p50", "usual_p95")
    return [
        {
            name: value * SCALES[measure] if name in scaled and isinstance(value, float) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def marks(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> list[str]:
    """Records of the marks that are for this series or more, the latest first."""
    page = Page(MOST_MARKS, "newest")
    found = [str(row["record"]) for row in decided_queries.marks(cursor, filters, common=True, page=page)]
    return [record for record in found if _is_for(_PLACE.decode(record), filters)]


class _Place(Struct):
    service: str = ""
    endpoint: str = ""


_PLACE = msgspec.json.Decoder(_Place)


def _is_for(place: _Place, filters: Filters) -> bool:
    """An empty name stands for all."""
    return place.service in ("", *filters.service) and place.endpoint in ("", *filters.endpoint)


def open_alerts(cursor: duckdb.DuckDBPyConnection, series_id: str, project: str) -> list[str]:
    """Records of the alerts of a series that are not resolved."""
    found = cursor.execute(part("series.alerts"), {"series_id": series_id, "project": project}).fetchall()
    return [record for (record,) in found]
