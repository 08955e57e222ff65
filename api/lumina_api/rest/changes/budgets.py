"""`/api/v1/budgets`: what a project, or a service of it, may cost in a day or a month, and has cost."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import duckdb
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import Body, documented, record_of
from lumina_api.rest.changes.change import PENDING, UNTYPED, Change
from lumina_api.rest.changes.parameters import SettingParameters
from lumina_api.rest.changes.projects import retention_days
from lumina_api.rest.changes.setting import (
    Item,
    Kind,
    found,
    item_model,
    item_of,
    list_model,
    page,
    remove_one,
    set_one,
)
from lumina_api.rest.doors import AnyViews, Caller, Cursor, Now, bare, needs, no_parameters
from lumina_api.rest.moment import NS, rfc3339
from lumina_api.rest.problem import REFUSED, UNKNOWN
from lumina_api.views import Views, decided_queries
from lumina_api.views.queries import Row
from lumina_schemas.budget import BUDGET_VERSION, Budget, Period

router = APIRouter(prefix="/api/v1", tags=["budgets"])

KIND = Kind("budgets", "budget", Budget)
BudgetItem = item_model(
    "BudgetItem",
    Budget,
    period_start=(str | None, Field(description="Begin of the running period, UTC")),
    period_end=(str | None, Field(description="Begin of the next one, UTC")),
    spent_usd=(
        float | None,
        Field(description="Cost of the period's calls so far, where it is known; sampled calls weighed"),
    ),
    percent=(float | None, Field(description="The same, in percent of the budget")),
    complete=(
        bool | None,
        Field(description="Whether the views go back to the begin of the period; else it has cost more"),
    ),
)
BudgetList = list_model("BudgetList", BudgetItem)

BudgetId = Annotated[
    str,
    Path(
        min_length=1, max_length=100, description="The budget's id, a name of your choice", examples=["shop"]
    ),
]
EXAMPLES = {
    "a month": {"project": "shop", "period": "month", "usd": 2000},
    "a service's day": {"project": "shop", "service": "checkout", "period": "day", "usd": 50},
}


@router.get("/budgets", response_model=BudgetList, dependencies=[Depends(needs("read"))], responses=REFUSED)
def budgets(
    cursor: Cursor, caller: Caller, views: AnyViews, now: Now, asked: Annotated[SettingParameters, Query()]
) -> Response:
    """Budgets with what their running period has cost, the last written first."""
    rows, following = page(KIND, cursor, asked, caller)
    return answer({"items": _items(cursor, rows, views, now), "next_cursor": following})


@router.get(
    "/budgets/{budget_id:path}",
    response_model=BudgetItem,
    dependencies=[Depends(needs("read")), Depends(no_parameters)],
    responses=REFUSED | UNKNOWN,
)
def budget(cursor: Cursor, caller: Caller, views: AnyViews, now: Now, budget_id: BudgetId) -> Response:
    """One budget with what its running period has cost."""
    (item,) = _items(cursor, [found(KIND, cursor, budget_id, caller)], views, now)
    return answer(item)


@router.put(
    "/budgets/{budget_id:path}",
    response_model=BudgetItem,
    dependencies=[Depends(needs("write")), Depends(bare)],
    responses=PENDING | REFUSED | UNTYPED,
    openapi_extra=documented(Budget, EXAMPLES),
)
async def set_budget(change: Change, now: Now, budget_id: BudgetId, body: Body) -> Response:
    """Set a budget. Alerts of the kind `budget` tell of 50, 80 and 100 percent, each once a period."""
    record = record_of(body, Budget, BUDGET_VERSION)

    def show(cursor: duckdb.DuckDBPyConnection, row: Row) -> Item:
        (item,) = _items(cursor, [row], change.views, now)
        return item

    return await set_one(KIND, budget_id, record, record.project, change, show)


@router.delete(
    "/budgets/{budget_id:path}",
    status_code=204,
    dependencies=[Depends(needs("write")), Depends(bare)],
    responses=PENDING | REFUSED | UNKNOWN,
)
async def remove_budget(change: Change, budget_id: BudgetId) -> Response:
    """Remove a budget."""
    return await remove_one(KIND, budget_id, change)


def period_of(period: Period, now_ns: int) -> tuple[int, int]:
    """Begin of the period of a time, and of the next one; Unix ns."""
    at = datetime.fromtimestamp(now_ns // NS, UTC)
    begin = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return int(begin.timestamp()) * NS, int((begin + timedelta(days=1)).timestamp()) * NS
    begin = begin.replace(day=1)
    following = (begin + timedelta(days=32)).replace(day=1)
    return int(begin.timestamp()) * NS, int(following.timestamp()) * NS


def _items(cursor: duckdb.DuckDBPyConnection, rows: list[Row], views: Views, now_ns: int) -> list[Item]:
    records = [KIND.decoded(row)[0] for row in rows]
    projects = sorted({record.project for record in records if record is not None})
    day_ns, _ = period_of("day", now_ns)
    month_ns, until_ns = period_of("month", now_ns)
    spent = decided_queries.spent(cursor, projects, day_ns, month_ns, until_ns) if projects else []
    items = []
    for row, record in zip(rows, records, strict=True):
        item = item_of(KIND, row, views)
        if record is None:
            names = ("period_start", "period_end", "spent_usd", "percent", "complete")
            items.append(item | dict.fromkeys(names))
            continue
        begin_ns, end_ns = period_of(record.period, now_ns)
        usd = _sum(spent, record)
        kept_ns = retention_days(cursor, record.project, views) * 86_400 * NS
        items.append(
            item
            | {
                "period_start": rfc3339(begin_ns),
                "period_end": rfc3339(end_ns),
                "spent_usd": round(usd, 9),
                "percent": round(100 * usd / record.usd, 3),
                "complete": not kept_ns or now_ns - kept_ns <= begin_ns,
            }
        )
    return items


def _sum(spent: list[Row], record: Budget) -> float:
    total = 0.0
    for row in spent:
        usd = row[record.period]
        if row["project"] == record.project and record.service in ("", row["service"]) and usd is not None:
            assert isinstance(usd, float)
            total += usd
    return total
