"""`/api/v1/latency/*`: how long calls take, and until their first token; percentiles within 1 %."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from lumina_api.rest.answer import answer
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.problem import REFUSED
from lumina_api.rest.sum_models import LatencyBreakdown, LatencyTimeline
from lumina_api.rest.sums import (
    BreakdownParameters,
    Lines,
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
from lumina_api.views.sums import QUANTILES, Asked, snapshot

router = APIRouter(
    prefix="/api/v1/latency", tags=["latency"], dependencies=[Depends(needs("read"))], responses=REFUSED
)

_NOTHING: Row = {"n": 0} | {f"p{q}": None for q in QUANTILES["duration"]}


@router.get("/breakdown", response_model=LatencyBreakdown)
def breakdown(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[BreakdownParameters, Query()]
) -> Response:
    """Percentiles of duration and time to first token by group, the slowest p95 first."""
    groups = groups_of(asked.group_by)
    filters = narrowed(caller, asked.filters(now))
    with snapshot(cursor):
        durations, whole = _slowest(cursor, Asked(filters, groups), "duration", asked.limit)
        ttft, whole_ttft = _slowest(cursor, Asked(filters, groups), "ttft", None)
    first = {place(row, groups): row for row in ttft}
    items = [_item(row, first.get(place(row, groups)), groups) for row in durations if groups]
    return answer(
        {**frame(filters), "group_by": groups, "totals": _item(whole, whole_ttft, ()), "items": items}
    )


@router.get("/timeline", response_model=LatencyTimeline)
def timeline(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[TimelineParameters, Query()]
) -> Response:
    """The same over time, a line for each of the groups with the most calls."""
    groups = groups_of(asked.group_by)
    filters = narrowed(caller, asked.filters(now))
    interval = interval_of(asked.interval, filters, now)
    with snapshot(cursor):
        chosen = sums.quantiles(cursor, Asked(filters, groups), "duration", "n", asked.limit)
        step_ns = bound(interval, filters, len(chosen), now)
        lines = Lines(chosen, groups)
        within = sums.only(filters, groups, chosen)
        for row, ttft in _pairs(cursor, Asked(within, groups, step_ns)) if chosen else ():
            lines.add(row, _item(row, ttft, ()))
    return answer(
        {
            **frame(filters),
            "group_by": groups,
            "interval": interval,
            "items": lines.items(),
        }
    )


def _slowest(cursor: Cursor, asked: Asked, measure: sums.Measure, limit: int | None) -> tuple[list[Row], Row]:
    """A measure of the groups with the largest p95, and of all together."""
    bins = sums.Bins(cursor, asked, measure)
    rows = bins.quantiles("p95", limit)
    if not bins.adds_up:
        bins = sums.Bins(cursor, replace(asked, groups=()), measure)
    (whole,) = bins.quantiles(whole=True) or [_NOTHING]
    return rows, whole


def _pairs(cursor: Cursor, asked: Asked) -> list[tuple[Row, Row | None]]:
    """Durations, and the time to first token of the same group and step."""

    def key(row: Row) -> tuple[object, ...]:
        return (*place(row, asked.groups), row.get("start_ns"))

    ttft = {key(row): row for row in sums.quantiles(cursor, asked, "ttft")}
    durations = sums.quantiles(cursor, asked, "duration")
    durations.sort(key=lambda row: int(row.get("start_ns") or 0))  # type: ignore[call-overload]
    return [(row, ttft.get(key(row))) for row in durations]


def _item(row: Row, ttft: Row | None, groups: tuple[sums.Group, ...]) -> dict[str, object]:
    duration, first = _NOTHING | row, _NOTHING | (ttft or {})
    return {
        **named(row, groups),
        "calls": duration["n"] or 0,
        **{f"p{q}_ms": duration[f"p{q}"] for q in QUANTILES["duration"]},
        "ttft_calls": first["n"] or 0,
        **{f"ttft_p{q}_ms": first[f"p{q}"] for q in QUANTILES["ttft"]},
    }
