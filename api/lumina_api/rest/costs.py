"""`/api/v1/costs`: what calls cost, by group and over time, and for how many of them that is known."""

from typing import Annotated, get_args

from fastapi import APIRouter, Query, Response

from lumina_api.rest.answer import answer, coverage, moment_of, optional_moment
from lumina_api.rest.doors import Cursor, Now
from lumina_api.rest.models import Costs
from lumina_api.rest.parameters import GROUPS, CostParameters
from lumina_api.rest.problem import Problem, wrong_parameter
from lumina_api.views import queries
from lumina_api.views.queries import Filters, Group, Row

STEPS_S = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "6h": 21_600, "1d": 86_400}
NS = 1_000_000_000

# What one answer may hold: more is no chart and no table.
MOST_STEPS = 50_000

router = APIRouter(prefix="/api/v1", tags=["costs"])


@router.get("/costs", response_model=Costs, response_model_exclude_none=True)
def costs(cursor: Cursor, now: Now, asked: Annotated[CostParameters, Query()]) -> Response:
    """Sums of cost, calls and tokens, in all and by group, the dearest first."""
    groups = _groups(asked.group_by)
    filters = asked.filters(now)
    body: dict[str, object] = {
        "group_by": groups,
        "interval": asked.interval,
        "since": optional_moment(filters.since),
        "until": optional_moment(filters.until),
    }
    (totals,) = queries.costs(cursor, filters, (), 1)
    body["totals"] = _sums(totals)
    rows = queries.costs(cursor, filters, groups, asked.limit) if groups else []
    items = [{**{group: row[group] for group in groups}, **_sums(row)} for row in rows]
    body["items"] = items
    if asked.interval is not None:
        step_ns = STEPS_S[asked.interval] * NS
        _bound(filters, step_ns, len(items), now)
        body["timeline"] = [_step(row) for row in queries.costs_timeline(cursor, filters, (), step_ns, ())]
        timelines: dict[tuple[object, ...], list[dict[str, object]]] = {
            tuple(row[group] for group in groups): [] for row in rows
        }
        for row in queries.costs_timeline(cursor, filters, groups, step_ns, rows) if groups else ():
            timelines[tuple(row[group] for group in groups)].append(_step(row))
        for item, timeline in zip(items, timelines.values(), strict=True):
            item["timeline"] = timeline
    return answer(body)


def _groups(asked: list[str]) -> list[Group]:
    names = [name.strip() for entry in asked for name in entry.split(",")]
    if wrong := [name for name in names if name not in GROUPS]:
        raise wrong_parameter(
            "group_by", f"{', '.join(map(repr, wrong[:3]))} is none of {', '.join(get_args(Group))}"
        )
    return [group for group in GROUPS if group in names]


def _bound(filters: Filters, step_ns: int, items: int, now: int) -> None:
    since = filters.since or 0
    until = filters.until if filters.until is not None else now
    steps = max(0, until - since) // step_ns + 1
    if steps * (items + 1) > MOST_STEPS:
        raise Problem(
            422,
            f"interval: {steps} steps for {items} items are more than one answer holds ({MOST_STEPS}). "
            "Ask for a longer interval, a shorter time, or a lower limit.",
            [("interval", "too short for this time and limit")],
        )


def _sums(row: Row) -> dict[str, object]:
    sums = {name: value for name, value in row.items() if name not in (*GROUPS, "start_ns", "sampled")}
    return sums | {"coverage": coverage(row["priced_calls"], row["calls"]), "sampling": _sampling(row)}


def _sampling(row: Row) -> str | None:
    """In words, that sums stand for more calls than were seen."""
    seen, stands_for = row["seen_calls"], row["calls"]
    assert isinstance(seen, int)
    assert isinstance(stands_for, int)
    if not row["sampled"] or not stands_for:
        return None
    return f"estimated from {min(seen / stands_for, 1.0) * 100:.3g} % sampled"


def _step(row: Row) -> dict[str, object]:
    return {"start": moment_of(row), "start_ns": row["start_ns"], **_sums(row)}
