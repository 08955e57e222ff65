"""`/api/v1/errors`: which calls fail, of what, how often, and since when."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from lumina_api.rest.answer import answer
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.problem import REFUSED
from lumina_api.rest.sum_models import Errors
from lumina_api.rest.sums import ErrorParameters, bound, frame, groups_of, interval_of, named, step_of
from lumina_api.views import sums
from lumina_api.views.queries import Row
from lumina_api.views.sums import Asked, Group, snapshot

router = APIRouter(
    prefix="/api/v1", tags=["errors"], dependencies=[Depends(needs("read"))], responses=REFUSED
)


@router.get("/errors", response_model=Errors)
def errors(cursor: Cursor, caller: Caller, now: Now, asked: Annotated[ErrorParameters, Query()]) -> Response:
    """Failed calls by type of error and group, the most frequent first; and their share over time."""
    groups = groups_of(asked.group_by)
    filters = narrowed(caller, asked.filters(now))
    interval = interval_of(asked.interval, filters, now)
    step_ns = bound(interval, filters, 1, now)
    with snapshot(cursor):
        (totals,) = sums.costs(cursor, Asked(filters))
        rows = sums.errors(cursor, filters, groups, asked.limit)
        steps = sums.costs(cursor, Asked(filters, (), step_ns))
    failed = totals["errors"]
    return answer(
        {
            **frame(filters),
            "group_by": groups,
            "calls": totals["calls"],
            "errors": failed,
            "share": _share(failed, totals["calls"]),
            "items": [_item(row, groups, failed) for row in rows],
            "interval": interval,
            "timeline": [
                {
                    **step_of(step),
                    "calls": step["calls"],
                    "errors": step["errors"],
                    "share": _share(step["errors"], step["calls"]),
                }
                for step in steps
            ],
        }
    )


def _item(row: Row, groups: tuple[Group, ...], failed: object) -> dict[str, object]:
    first_ns, last_ns = row["first_ns"], row["last_ns"]
    assert isinstance(first_ns, int)
    assert isinstance(last_ns, int)
    return {
        **named(row, groups),
        "error": row["error"],
        "errors": row["errors"],
        "share": _share(row["errors"], failed),
        "first": rfc3339(first_ns),
        "last": rfc3339(last_ns),
        "message": row["message"],
        "trace_ids": row["trace_ids"],
    }


def _share(some: object, of: object) -> float | None:
    assert isinstance(some, int)
    assert isinstance(of, int)
    return some / of if of else None
