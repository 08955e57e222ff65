"""`/api/v1/erasures`: what is not to be seen any more, by project, user or session."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from msgspec import Meta, Struct

from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import Body, documented, record_of, wrong
from lumina_api.rest.changes.change import PENDING, UNTYPED, Change, done, pending
from lumina_api.rest.changes.parameters import SettingParameters
from lumina_api.rest.changes.setting import (
    Kind,
    encoded,
    found,
    item_model,
    item_of,
    list_model,
    listed,
    remove_one,
)
from lumina_api.rest.doors import AnyViews, Caller, Cursor, bare, needs, no_parameters
from lumina_api.rest.problem import REFUSED, UNKNOWN
from lumina_api.views import decided_queries
from lumina_api.views.batch import nanoseconds_of
from lumina_schemas.erasure import Erasure
from lumina_schemas.key import Moment
from lumina_schemas.topics import SETTINGS

router = APIRouter(prefix="/api/v1", tags=["erasures"], dependencies=[Depends(needs("admin"))])

KIND = Kind("erasures", "erasure", Erasure)
ErasureItem = item_model("ErasureItem", Erasure)
ErasureList = list_model("ErasureList", ErasureItem)

ErasureId = Annotated[str, Path(min_length=1, max_length=100, description="The erasure's id")]


class NewErasure(Struct, frozen=True, kw_only=True):
    """What is to be erased."""

    project: Annotated[str, Meta(min_length=1, max_length=500)]
    before: Moment | None = None  # spans that started before; absent: now. Needed for a whole project
    user_id: Annotated[str, Meta(max_length=1000)] = ""
    session_id: Annotated[str, Meta(max_length=1000)] = ""


EXAMPLES = {
    "a user": {"project": "shop", "user_id": "u-4711"},
    "a project until now": {"project": "trial", "before": "2026-01-31T12:00:00Z"},
}


@router.get("/erasures", response_model=ErasureList, responses=REFUSED)
def erasures(
    cursor: Cursor, caller: Caller, views: AnyViews, asked: Annotated[SettingParameters, Query()]
) -> Response:
    """Erasures in force, the last written first."""
    return listed(KIND, cursor, asked, caller, views)


@router.get(
    "/erasures/{erasure_id:path}",
    response_model=ErasureItem,
    dependencies=[Depends(no_parameters)],
    responses=REFUSED | UNKNOWN,
)
def erasure(cursor: Cursor, caller: Caller, views: AnyViews, erasure_id: ErasureId) -> Response:
    """One erasure."""
    return answer(item_of(KIND, found(KIND, cursor, erasure_id, caller), views))


@router.post(
    "/erasures",
    status_code=201,
    response_model=ErasureItem,
    dependencies=[Depends(bare)],
    responses=PENDING | REFUSED | UNTYPED,
    openapi_extra=documented(NewErasure, EXAMPLES),
)
async def erase(change: Change, body: Body) -> Response:
    """Erase the traces of a user or a session that started before a time, or all of a project.

    Every replica and every rebuild of the views applies it for as long as the erasure is there. Kafka keeps
    the records until its retention ends.
    """
    asked = record_of(body, NewErasure)
    now = datetime.now(UTC)
    if asked.before is None and not (asked.user_id or asked.session_id):
        raise wrong("before", "without user_id or session_id all of the project goes: say before when")
    before = asked.before or now
    if before > now:
        raise wrong("before", "must not lie in the future: what is yet to come would be hidden too")
    before_ns = nanoseconds_of(before)
    if before_ns < 0:
        raise wrong("before", "lies before 1970")
    change.own(asked.project, "This erasure")
    record = Erasure(
        project=asked.project,
        before_ns=before_ns,
        user_id=asked.user_id,
        session_id=asked.session_id,
        by=change.caller.name,
    )
    id = str(uuid.uuid4())
    what = "user" if asked.user_id else "session" if asked.session_id else "project"
    # Who is to be forgotten is not remembered here.
    await change.tell("erasure.create", KIND.key(id), asked.project, {"what": what, "before_ns": before_ns})
    position, shown = await change.put(SETTINGS, KIND.key(id), encoded(record))
    row = await change.look(lambda cursor: decided_queries.setting(cursor, KIND.name, id)) if shown else None
    if row is None:
        return pending(change.views, position)
    return done(change.views, item_of(KIND, row, change.views), position, 201)


@router.delete(
    "/erasures/{erasure_id:path}",
    status_code=204,
    dependencies=[Depends(bare)],
    responses=PENDING | REFUSED | UNKNOWN,
)
async def remove_erasure(change: Change, erasure_id: ErasureId) -> Response:
    """Remove an erasure: what arrives from now on, or is read anew from Kafka, is shown again."""
    return await remove_one(KIND, erasure_id, change)
