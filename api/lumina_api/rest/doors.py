"""What every handler needs: the views, a cursor on them, and the time of the request."""

import time
from collections.abc import Iterator
from typing import Annotated

import duckdb
from fastapi import Depends, Query, Request

from lumina_api.rest.parameters import NoParameters
from lumina_api.views import Views


def views_of(request: Request) -> Views:
    """The views of this process."""
    views = request.app.state.views
    assert isinstance(views, Views)
    return views


def cursor_of(views: Annotated[Views, Depends(views_of)]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor for one request. Raises ViewsAway, which becomes a 503."""
    with views.cursor() as cursor:
        yield cursor


def now_ns() -> int:
    """Unix time in ns, for relative times."""
    return time.time_ns()


def no_parameters(parameters: Annotated[NoParameters, Query()]) -> None:
    """Refuses query parameters on paths that take none."""


AnyViews = Annotated[Views, Depends(views_of)]
Cursor = Annotated[duckdb.DuckDBPyConnection, Depends(cursor_of)]
Now = Annotated[int, Depends(now_ns)]
