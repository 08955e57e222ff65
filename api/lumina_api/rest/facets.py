"""`/api/v1/traces/facets` and `/api/v1/calls/facets`: what their lists could be narrowed to next."""

from collections.abc import Callable
from typing import Annotated

import duckdb
from fastapi import APIRouter, Depends, Query, Response

from lumina_api.rest.answer import answer, optional_moment
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.models import Facets
from lumina_api.rest.parameters import FacetParameters
from lumina_api.rest.problem import REFUSED
from lumina_api.views.facets import FACETS, Facet, calls_facet, traces_facet
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Row

router = APIRouter(prefix="/api/v1", dependencies=[Depends(needs("read"))], responses=REFUSED)

Count = Callable[[duckdb.DuckDBPyConnection, Facet, Filters, int], list[Row]]


@router.get("/traces/facets", response_model=Facets, response_model_exclude_none=True, tags=["traces"])
def facets_of_traces(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[FacetParameters, Query()]
) -> Response:
    """Values of each facet, the most frequent first: `count` is how many traces the list has when it is
    narrowed to this value, and to everything else that is asked here.
    """
    return _facets(cursor, traces_facet, narrowed(caller, asked.filters(now)), asked)


@router.get("/calls/facets", response_model=Facets, response_model_exclude_none=True, tags=["calls"])
def facets_of_calls(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[FacetParameters, Query()]
) -> Response:
    """The same for calls."""
    return _facets(cursor, calls_facet, narrowed(caller, asked.filters(now)), asked)


def _facets(
    cursor: duckdb.DuckDBPyConnection, count: Count, filters: Filters, asked: FacetParameters
) -> Response:
    wanted = [facet for facet in FACETS if not asked.facet or facet in asked.facet]
    return answer(
        {
            "facets": {facet: count(cursor, facet, filters, asked.limit) for facet in wanted},
            "since": optional_moment(filters.since),
            "until": optional_moment(filters.until),
        }
    )
