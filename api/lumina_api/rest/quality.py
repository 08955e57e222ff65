"""`/api/v1/quality/*`: what answers are worth, of those that were judged."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from lumina_api.rest.answer import answer
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.problem import REFUSED
from lumina_api.rest.sum_models import QualityBreakdown, QualityTimeline
from lumina_api.rest.sums import (
    Lines,
    QualityBreakdownParameters,
    TimelineParameters,
    bound,
    frame,
    groups_of,
    interval_of,
    named,
    place,
)
from lumina_api.views import sums
from lumina_api.views.queries import Row
from lumina_api.views.sums import Asked, Group, snapshot

router = APIRouter(
    prefix="/api/v1/quality", tags=["quality"], dependencies=[Depends(needs("read"))], responses=REFUSED
)


@router.get("/breakdown", response_model=QualityBreakdown)
def breakdown(
    request: Request,
    cursor: Cursor,
    caller: Caller,
    now: Now,
    asked: Annotated[QualityBreakdownParameters, Query()],
) -> Response:
    """Calls, judged ones, mean, p10, p50 and the share of bad answers by group, the worst mean first."""
    groups = groups_of(asked.group_by, of_scores=True)
    filters = narrowed(caller, asked.filters(now))
    below = _below(request)
    with snapshot(cursor):
        (whole,) = sums.quality(cursor, Asked(filters))
        rows = sums.quality(cursor, Asked(filters, groups), asked.limit) if groups else []
        bins = sums.Bins(cursor, Asked(filters, groups), "quality")
        of_groups = _looked_up(groups, bins.quantiles(), bins.low_share(below))
        if not bins.adds_up:
            bins = sums.Bins(cursor, Asked(filters), "quality")
        of_all = _looked_up((), bins.quantiles(whole=True), bins.low_share(below, whole=True))
    return answer(
        {
            **frame(filters),
            "quality_min": below,
            "group_by": groups,
            "totals": _item(whole, (), of_all),
            "items": [{**named(row, groups), **_item(row, groups, of_groups)} for row in rows],
        }
    )


@router.get("/timeline", response_model=QualityTimeline)
def timeline(
    request: Request, cursor: Cursor, caller: Caller, now: Now, asked: Annotated[TimelineParameters, Query()]
) -> Response:
    """The same over time, a line for each of the groups with the most judged calls."""
    groups = groups_of(asked.group_by)
    filters = narrowed(caller, asked.filters(now))
    interval = interval_of(asked.interval, filters, now)
    below = _below(request)
    with snapshot(cursor):
        whole = sums.quality(cursor, Asked(filters, groups))
        chosen = sorted(whole, key=lambda row: (-_judged(row), place(row, groups)))[: asked.limit]
        step_ns = bound(interval, filters, len(chosen), now)
        lines = Lines(chosen, groups)
        within = Asked(sums.only(filters, groups, chosen), groups, step_ns)
        bins = sums.Bins(cursor, within, "quality")
        known = _looked_up(groups, bins.quantiles(), bins.low_share(below))
        for row in sums.quality(cursor, within) if chosen else ():
            lines.add(row, _item(row, groups, known))
    return answer(
        {
            **frame(filters),
            "quality_min": below,
            "group_by": groups,
            "interval": interval,
            "items": lines.items(),
        }
    )


def _below(request: Request) -> float:
    return float(request.app.state.views.settings.quality_min)


_Looked = dict[tuple[object, ...], Row]


def _looked_up(groups: tuple[Group, ...], *rows: list[Row]) -> _Looked:
    """What is known of each group and step, by its key."""
    found: _Looked = {}
    for row in (row for some in rows for row in some):
        found.setdefault(_key(row, groups), {}).update(row)
    return found


def _key(row: Row, groups: tuple[Group, ...]) -> tuple[object, ...]:
    return (*place(row, groups), row.get("start_ns"))


def _item(row: Row, groups: tuple[Group, ...], looked_up: _Looked) -> dict[str, object]:
    """What goes out of a group's (and step's) row."""
    known = looked_up.get(_key(row, groups), {})
    return {
        "calls": row["calls"],
        "judged_calls": row["judged_calls"],
        "mean": row["mean"],
        "p10": known.get("p10"),
        "p50": known.get("p50"),
        "low_share": (known.get("low_share") or 0.0) if row["judged_calls"] else None,
    }


def _judged(row: Row) -> int:
    count = row["judged_calls"]
    return count if isinstance(count, int) else 0
