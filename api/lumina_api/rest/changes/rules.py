"""`/api/v1/rules`: what is asked of the detection for a project, a service, an endpoint."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import Body, documented, record_of
from lumina_api.rest.changes.change import CONFLICT, PENDING, UNTYPED, Change
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
from lumina_api.rest.doors import AnyViews, Caller, Cursor, bare, needs, no_parameters
from lumina_api.rest.problem import REFUSED, UNKNOWN, Problem
from lumina_api.views import decided_queries
from lumina_schemas.rule import RULE_VERSION, Rule
from lumina_streams.core.series.rulebook import MOST_RULES

router = APIRouter(prefix="/api/v1", tags=["rules"])

KIND = Kind("rules", "rule", Rule)
RuleItem = item_model("RuleItem", Rule)
RuleList = list_model("RuleList", RuleItem)

RuleId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=100,
        description="The rule's id, a name of your choice",
        examples=["checkout"],
    ),
]
EXAMPLES = {
    "checkout": {"project": "shop", "service": "checkout", "cost_spike_pct": 50, "off": ["no_data"]},
    "everywhere": {"cooldown_s": 3600, "severity": {"latency_spike": "info"}},
}


@router.get("/rules", response_model=RuleList, dependencies=[Depends(needs("read"))], responses=REFUSED)
def rules(
    cursor: Cursor, caller: Caller, views: AnyViews, asked: Annotated[SettingParameters, Query()]
) -> Response:
    """Rules that are set, the last written first. A key of a project sees those of that project."""
    return listed(KIND, cursor, asked, caller, views)


@router.get(
    "/rules/{rule_id:path}",
    response_model=RuleItem,
    dependencies=[Depends(needs("read")), Depends(no_parameters)],
    responses=REFUSED | UNKNOWN,
)
def rule(cursor: Cursor, caller: Caller, views: AnyViews, rule_id: RuleId) -> Response:
    """One rule."""
    return answer(item_of(KIND, found(KIND, cursor, rule_id, caller), views))


@router.put(
    "/rules/{rule_id:path}",
    response_model=RuleItem,
    dependencies=[Depends(needs("write")), Depends(bare)],
    responses=PENDING | REFUSED | CONFLICT | UNTYPED,
    openapi_extra=documented(Rule, EXAMPLES),
)
async def set_rule(change: Change, rule_id: RuleId, body: Body) -> Response:
    """Set a rule, at once and without a restart. Of several that meet a series the most specific one is in
    force alone; absent fields are as the environment's settings say.
    """
    record = record_of(body, Rule, RULE_VERSION)
    known = await change.look(lambda cursor: decided_queries.setting(cursor, KIND.name, rule_id))
    if (
        known is None
        and await change.look(lambda c: decided_queries.count_settings(c, KIND.name)) >= MOST_RULES
    ):
        raise Problem(409, f"There are {MOST_RULES} rules already: remove one before adding another.")
    return await set_one(KIND, rule_id, record, record.project, change)


@router.delete(
    "/rules/{rule_id:path}",
    status_code=204,
    dependencies=[Depends(needs("write")), Depends(bare)],
    responses=PENDING | REFUSED | UNKNOWN,
)
async def remove_rule(change: Change, rule_id: RuleId) -> Response:
    """Remove a rule, at once."""
    return await remove_one(KIND, rule_id, change)
