"""`/api/v1/prices`: prices of one's own, which come before the public list."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import Body, documented, record_of
from lumina_api.rest.changes.change import PENDING, UNTYPED, Change
from lumina_api.rest.changes.parameters import SettingParameters
from lumina_api.rest.changes.setting import (
    Kind,
    found,
    item_model,
    item_of,
    list_model,
    listed,
    remove_one,
    set_one,
)
from lumina_api.rest.doors import AnyViews, Caller, Cursor, Now, bare, needs, no_parameters
from lumina_api.rest.problem import REFUSED, UNKNOWN
from lumina_api.views import decided_queries
from lumina_api.views.queries import Row
from lumina_schemas.price import PRICE_VERSION, Price, problem_of
from lumina_streams.core.price.book import names
from lumina_streams.core.price.overrides import override

router = APIRouter(prefix="/api/v1", tags=["prices"])

DAY_NS = 86_400 * 1_000_000_000

KIND = Kind("prices", "price", Price, problem_of)


class MatchedModel(BaseModel):
    """A model that a price is for."""

    model_config = ConfigDict(extra="forbid")

    project: str
    provider: str
    request_model: str
    response_model: str
    calls: int = Field(description="Of the last 24 h")


PriceItem = item_model("PriceItem", Price)
PriceList = list_model("PriceList", PriceItem)
PriceDetail = item_model(
    "PriceDetail",
    Price,
    matches=(
        list[MatchedModel],
        Field(
            description="Models of the last 24 h (the 1,000 most called) that it meets, be another price in "
            "force for them or not"
        ),
    ),
)

PriceId = Annotated[
    str,
    Path(
        min_length=1, max_length=100, description="The price's id, a name of your choice", examples=["llama"]
    ),
]
EXAMPLES = {
    "own machines": {"model": "llama-3*", "provider": "vllm", "input": 0.2, "output": 0.6},
    "contract": {"model": "gpt-4o", "input": 2.0, "output": 8.0, "batch": 0.5, "from": "2026-01-01"},
}


@router.get("/prices", response_model=PriceList, dependencies=[Depends(needs("read"))], responses=REFUSED)
def prices(
    cursor: Cursor, caller: Caller, views: AnyViews, asked: Annotated[SettingParameters, Query()]
) -> Response:
    """Prices that are set, the last written first; those of the price file and the public list are not among
    them. A key of a project sees those of that project.
    """
    return listed(KIND, cursor, asked, caller, views)


@router.get(
    "/prices/{price_id:path}",
    response_model=PriceDetail,
    dependencies=[Depends(needs("read")), Depends(no_parameters)],
    responses=REFUSED | UNKNOWN,
)
def price(cursor: Cursor, caller: Caller, views: AnyViews, now: Now, price_id: PriceId) -> Response:
    """One price, and the models of the last 24 h that it meets."""
    row = found(KIND, cursor, price_id, caller)
    record, problem = KIND.decoded(row)
    projects = [record.project] if record is not None and record.project else []
    called = decided_queries.models(cursor, projects, max(0, now - DAY_NS))
    matches = [] if record is None or problem else _matches(price_id, record, called)
    return answer(item_of(KIND, row, views) | {"matches": matches})


@router.put(
    "/prices/{price_id:path}",
    response_model=PriceItem,
    dependencies=[Depends(needs("write")), Depends(bare)],
    responses=PENDING | REFUSED | UNTYPED,
    openapi_extra=documented(Price, EXAMPLES),
)
async def set_price(change: Change, price_id: PriceId, body: Body) -> Response:
    """Set a price, USD per million tokens, for what is priced from now on. `lumina reprice` prices earlier
    calls again.
    """
    record = record_of(body, Price, PRICE_VERSION)
    return await set_one(KIND, price_id, record, record.project, change)


@router.delete(
    "/prices/{price_id:path}",
    status_code=204,
    dependencies=[Depends(needs("write")), Depends(bare)],
    responses=PENDING | REFUSED | UNKNOWN,
)
async def remove_price(change: Change, price_id: PriceId) -> Response:
    """Remove a price: calls are priced by the next one that meets them."""
    return await remove_one(KIND, price_id, change)


def _matches(id: str, record: Price, called: list[Row]) -> list[Row]:
    own = override("settings", id, record)

    def meets(row: Row) -> bool:
        models = [str(row[name]).lower() for name in ("response_model", "request_model") if row[name]]
        return any(own.meets(model, str(row["provider"]), str(row["project"])) for model in names(models))

    return [row for row in called if meets(row)]
