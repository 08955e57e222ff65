"""Facets: the values that a list could be narrowed to next, and how many items it would have then."""

from typing import Literal, get_args

import duckdb

from lumina_api.views.filters import (
    PLACE_FILTERS,
    TRACE_FILTERS,
    Filters,
    around,
    both,
    matching,
    of_calls,
    of_spans,
    where_of,
)
from lumina_api.views.queries import Row, rows_of
from lumina_schemas.views import part

Facet = Literal[
    "service",
    "endpoint",
    "model",
    "provider",
    "status",
    "environment",
    "prompt_name",
    "prompt_version",
    "tag",
    "user_id",
    "cost_status",
    "quality_reason",
]
FACETS: tuple[Facet, ...] = get_args(Facet)

# What no filter takes empty has no empty value to choose.
_NAMED = ("service", "endpoint", "model", "provider", "tag")


def calls_facet(cursor: duckdb.DuckDBPyConnection, facet: Facet, filters: Filters, limit: int) -> list[Row]:
    """`value` and `count` of calls, the most frequent first, whatever `filters` say of this facet."""
    others = filters.without(facet)
    asked, place = of_calls(others), where_of(others, PLACE_FILTERS)
    sql = part("facets.calls").format(
        value=part(f"facet.{facet}"),
        spans=_spans(facet, place.sql),
        where=asked.sql,
        shown=_shown(facet),
    )
    return rows_of(cursor, sql, {**place.parameters, **asked.parameters, "limit": limit})


def traces_facet(cursor: duckdb.DuckDBPyConnection, facet: Facet, filters: Filters, limit: int) -> list[Row]:
    """The same for traces."""
    others = filters.without(facet)
    place = around(others)
    match = of_spans(others, place)
    whole = where_of(others, TRACE_FILTERS)
    sql = part("facets.traces.status" if facet == "status" else "facets.traces").format(
        value=part(f"facet.{facet}"),
        spans=_spans(facet, place.sql),
        around=place.sql,
        match=match.sql,
        matching=matching(others).sql,
        whole=part("traces.shown"),
        where=whole.sql,
        shown=_shown(facet),
    )
    asked = matching(others) if facet == "status" else both(place, match)
    return rows_of(cursor, sql, {**asked.parameters, **whole.parameters, "limit": limit})


def _spans(facet: Facet, place: str) -> str:
    return part("facets.judged").format(place=place) if facet == "quality_reason" else "spans"


def _shown(facet: Facet) -> str:
    return "value <> ''" if facet in _NAMED else "value IS NOT NULL"
