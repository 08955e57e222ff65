"""`/api/v1/costs/*`: what calls cost, for how many of them that is known, and why it changed."""

from dataclasses import replace
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from lumina_api.rest.answer import answer, coverage, span_item
from lumina_api.rest.cost_change import Prices, cache_savings, change_of
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.parameters import Limit, SpanParameters
from lumina_api.rest.price_book import book_of
from lumina_api.rest.problem import REFUSED
from lumina_api.rest.sum_models import CostBreakdown, CostSummary, CostTimeline, CostTop
from lumina_api.rest.sums import (
    BreakdownParameters,
    Lines,
    TimelineParameters,
    bound,
    frame,
    groups_of,
    interval_of,
    named,
    step_of,
)
from lumina_api.views import queries, sums
from lumina_api.views.contents import whole
from lumina_api.views.queries import Page, Row
from lumina_api.views.sums import GROUPS, Asked, snapshot

router = APIRouter(
    prefix="/api/v1/costs", tags=["costs"], dependencies=[Depends(needs("read"))], responses=REFUSED
)

_HIDDEN = {*GROUPS, "trace_id", "start_ns", "sampled"}


@router.get("/summary", response_model=CostSummary)
def summary(
    request: Request, cursor: Cursor, caller: Caller, now: Now, asked: Annotated[SpanParameters, Query()]
) -> Response:
    """What the calls of a time cost, what those of the same time before it did, and why that differs.

    The parts of the change add up to the whole of it.
    """
    filters = narrowed(caller, asked.filters(now))
    until = min(now, filters.until) if filters.until is not None else now
    since = filters.since or 0
    former = replace(filters, since=max(0, since - max(0, until - since)), until=since)
    with snapshot(cursor):
        (totals,) = sums.costs(cursor, Asked(filters))
        (before,) = sums.costs(cursor, Asked(former))
        models, models_before = sums.models(cursor, filters), sums.models(cursor, former)
        prices = Prices(book_of(cursor, request.app.state.views.settings.prices_file), until)
    saved = cache_savings(models, totals, prices)
    return answer(
        {
            **frame(filters),
            "totals": cost_sums(totals),
            "before": {**frame(former), **cost_sums(before)},
            "change": change_of(models_before, models, prices),
            "cache_savings_usd": saved.usd,
            "cache_savings_coverage": saved.coverage,
        }
    )


@router.get("/breakdown", response_model=CostBreakdown)
def breakdown(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[BreakdownParameters, Query()]
) -> Response:
    """Cost, calls and tokens by group, the dearest first, and each group's share of the whole."""
    groups = groups_of(asked.group_by)
    filters = narrowed(caller, asked.filters(now))
    with snapshot(cursor):
        totals, rows = sums.costs_by_group(cursor, Asked(filters, groups), asked.limit)
    return answer(
        {
            **frame(filters),
            "group_by": groups,
            "totals": cost_sums(totals),
            "items": [{**named(row, groups), **cost_sums(row), "share": _share(row, totals)} for row in rows],
        }
    )


@router.get("/timeline", response_model=CostTimeline)
def timeline(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[TimelineParameters, Query()]
) -> Response:
    """Cost, calls and tokens over time, a line for each of the dearest groups; no steps without calls."""
    groups = groups_of(asked.group_by)
    filters = narrowed(caller, asked.filters(now))
    interval = interval_of(asked.interval, filters, now)
    with snapshot(cursor):
        chosen: list[Row] = [{}]  # the one line of all calls
        if groups:
            chosen = sums.costs(cursor, Asked(filters, groups), asked.limit)
        step_ns = bound(interval, filters, len(chosen), now)
        lines = Lines(chosen, groups)
        within = sums.only(filters, groups, chosen)
        for row in sums.costs(cursor, Asked(within, groups, step_ns)) if chosen else ():
            lines.add(row, cost_sums(row))
    return answer(
        {
            **frame(filters),
            "group_by": groups,
            "interval": interval,
            "items": lines.items(),
        }
    )


class TopParameters(SpanParameters):
    """What costs most."""

    by: Literal[
        "call",
        "trace",
        "project",
        "service",
        "endpoint",
        "environment",
        "provider",
        "model",
        "prompt_name",
        "prompt_version",
        "user_id",
        "session_id",
        "tag",
    ] = Field(
        default="call",
        description="Of what: calls, traces, or a group. A call counts under each of its tags.",
        examples=["user_id"],
    )
    limit: Limit = 10


@router.get("/top", response_model=CostTop)
def top(cursor: Cursor, caller: Caller, now: Now, asked: Annotated[TopParameters, Query()]) -> Response:
    """The dearest calls, traces or values of a group, each with its share of the whole."""
    filters = narrowed(caller, asked.filters(now))
    with snapshot(cursor):
        (totals,) = sums.costs(cursor, Asked(filters))
        page = Page(asked.limit, "costliest")
        if asked.by == "call":
            rows = queries.calls(cursor, filters, page)
            items = [span_item(row) for row in whole(cursor, rows)]
        elif asked.by == "trace":
            rows = sums.traces(cursor, filters, asked.limit)
            items = [{**step_of(row), **_trace_of(row), **cost_sums(row)} for row in rows]
        else:
            rows = sums.costs(cursor, Asked(filters, groups_of([asked.by])), asked.limit)
            items = [{"value": row[asked.by], **_prompt_of(row, asked.by), **cost_sums(row)} for row in rows]
    shares = [_share(row, totals) for row in rows]
    return answer(
        {
            **frame(filters),
            "by": asked.by,
            "totals": cost_sums(totals),
            "items": [{"share": share, asked.by: item} for share, item in zip(shares, items, strict=True)],
        }
    )


def cost_sums(row: Row) -> dict[str, object]:
    """Sums as they go out: with their coverage, and a word where they are estimated from samples."""
    shown = {name: value for name, value in row.items() if name not in _HIDDEN}
    return shown | {"coverage": coverage(row["priced_calls"], row["calls"]), "sampling": _sampling(row)}


def _trace_of(row: Row) -> dict[str, object]:
    return {name: row[name] for name in ("project", "trace_id", "service")}


def _prompt_of(row: Row, by: str) -> dict[str, object]:
    """Of a version the prompt that has it."""
    return {"prompt_name": row["prompt_name"]} if by == "prompt_version" else {}


def _sampling(row: Row) -> str | None:
    """In words, that sums stand for more calls than were seen."""
    seen, stands_for = row["seen_calls"], row["calls"]
    assert isinstance(seen, int)
    assert isinstance(stands_for, int)
    if not row["sampled"] or not stands_for:
        return None
    return f"estimated from {min(seen / stands_for, 1.0) * 100:.3g} % sampled"


def _share(row: Row, totals: Row) -> float | None:
    whole_cost, cost = totals["cost_usd"], row["cost_usd"]
    if not isinstance(whole_cost, float) or not isinstance(cost, float) or not whole_cost:
        return None
    return cost / whole_cost
