"""What every handler needs: who asks, the views, a cursor on them, and the time of the request."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import duckdb
from fastapi import Depends, Query, Request

from lumina_api.access.principal import PRINCIPAL, Principal
from lumina_api.rest.parameters import AT_LEAST, BareParameters, NoParameters
from lumina_api.rest.problem import Problem, wrong_parameter
from lumina_api.views import Views
from lumina_api.views.filters import Filters
from lumina_api.views.freshness import LogPosition
from lumina_api.views.reader import TOPICS
from lumina_schemas.key import Scope


def views_of(request: Request) -> Views:
    """The views of this process."""
    views = request.app.state.views
    assert isinstance(views, Views)
    return views


FRESH_WITHIN_S = 5.0
"""How long a write waits for the views, and a read with `at_least`."""


async def fresh(request: Request) -> None:
    """Wait until the views show what `at_least` asks for. Raises Problem: 503 where they do not in time, 422
    where they never will.
    """
    texts = [text for text in request.query_params.getlist("at_least")[:50] if re.fullmatch(AT_LEAST, text)]
    if not texts:
        return  # malformed ones are refused with the other parameters
    views = views_of(request)
    wanted = [position_of(text, views) for text in texts]
    if await views.reached(wanted, FRESH_WITHIN_S):
        return
    for text, (topic, partition, offset) in zip(texts, wanted, strict=True):
        following = views.next_offset(topic, partition)
        if following <= offset:
            name = text.rpartition(":")[0].rpartition(":")[0]
            far = f"up to offset {following - 1}" if following else "nothing yet"
            raise Problem(
                503,
                f"The views have read {far} of {name}, partition {partition}: offset {offset} is not there "
                f"after {FRESH_WITHIN_S:g} s. Ask again; `/ready` says how far they are.",
                headers={"Retry-After": "1"},
            )


def position_of(text: str, views: Views) -> LogPosition:
    """A position `topic:partition:offset` by the full name of its topic. Raises Problem 422 for other topics
    than the views read.
    """
    name, partition, offset = text.rsplit(":", 2)
    names = {views.settings.topic(topic): topic for topic in TOPICS}
    if name not in names:
        raise wrong_parameter("at_least", f"the views read {', '.join(names)}, and not {name}")
    return LogPosition(names[name], int(partition), int(offset))


def cursor_of(
    views: Annotated[Views, Depends(views_of)], _: Annotated[None, Depends(fresh)]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A cursor for one request, as fresh as `at_least` asks. Raises ViewsAway, which becomes a 503."""
    with views.cursor() as cursor:
        yield cursor


def now_ns() -> int:
    """Unix time in ns, for relative times."""
    return time.time_ns()


def no_parameters(parameters: Annotated[NoParameters, Query()]) -> None:
    """Refuses query parameters on paths that read the views and take none but `at_least`."""


def bare(parameters: Annotated[BareParameters, Query()]) -> None:
    """Refuses query parameters on paths that take none."""


def caller_of(request: Request) -> Principal:
    """Who asks. The gate has found out, or the request fails: nobody is let in by oversight."""
    caller = request.scope[PRINCIPAL]
    assert isinstance(caller, Principal)
    return caller


def needs(scope: Scope) -> Callable[[Principal], None]:
    """A dependency that refuses callers without this scope: `dependencies=[Depends(needs("write"))]`."""

    def check(caller: Caller) -> None:
        if not caller.may(scope):
            raise Problem(
                403, f"This needs a key with the scope `{scope}`; `{caller.name}` does not have it."
            )

    return check


def seen_projects(caller: Principal, asked: Sequence[str]) -> tuple[str, ...]:
    """The projects to look at: what was asked, within what the caller sees; () is all.

    Raises Problem 403 where another project than the key's was asked for.
    """
    if hidden := [project for project in asked if not caller.sees(project)]:
        raise Problem(
            403,
            f"The key `{caller.name}` is of project {caller.project} and sees no other: "
            f"leave out project {hidden[0]}.",
        )
    return (caller.project,) if caller.project else tuple(asked)


def narrowed(caller: Principal, filters: Filters) -> Filters:
    """The filters within what the caller sees. Raises Problem 403 as `seen_projects` does."""
    return replace(filters, project=seen_projects(caller, filters.project))


Caller = Annotated[Principal, Depends(caller_of)]
AnyViews = Annotated[Views, Depends(views_of)]
Cursor = Annotated[duckdb.DuckDBPyConnection, Depends(cursor_of)]
Now = Annotated[int, Depends(now_ns)]
