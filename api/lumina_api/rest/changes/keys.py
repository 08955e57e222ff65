"""`/api/v1/keys`: API keys. A secret is shown once, in the answer that makes the key."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from msgspec import Meta, Struct
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field

from lumina_api.access.secret import make_key
from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import Body, documented, record_of, wrong
from lumina_api.rest.changes.change import PENDING, UNTYPED, Change, done, pending, text_of
from lumina_api.rest.changes.parameters import SettingParameters
from lumina_api.rest.changes.setting import Item, Kind, encoded, found, list_model, page, position_of
from lumina_api.rest.doors import AnyViews, Caller, Cursor, bare, needs, no_parameters
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.problem import REFUSED, UNKNOWN
from lumina_api.views import Views, decided_queries
from lumina_api.views.batch import nanoseconds_of
from lumina_api.views.queries import Row
from lumina_schemas.key import ApiKey, KeyProject, Moment, Scope
from lumina_schemas.topics import SETTINGS

router = APIRouter(prefix="/api/v1", tags=["keys"], dependencies=[Depends(needs("admin"))])

KIND = Kind("keys", "key", ApiKey)

KeyId = Annotated[
    str, Path(min_length=1, max_length=100, description="The key's id", examples=["0123456789abcdef"])
]
NO_STORE = {"Cache-Control": "no-store"}


class KeyItem(BaseModel):
    """An API key, without its secret, which is nowhere."""

    model_config = ConfigDict(extra="forbid")

    id: str
    name: str
    scopes: list[Scope]
    project: str = Field(description="The one project that it sees and sends to; empty: all")
    created_at: str | None
    created_by: str
    expires_at: str | None
    revoked_at: str | None
    active: bool = Field(description="Whether it opens anything now")
    last_used: str | None = Field(
        description="About when it was last used; null: never, as far as is known here"
    )
    problem: str | None = Field(description="Why its record cannot be used; null where it can")
    position: str = Field(description="Where it lies: topic:partition:offset")


class MadeKeyItem(KeyItem):
    """A key that was just made, with its secret."""

    key: str = Field(
        description="What its holder sends as `Authorization: Bearer`. It is shown here and never again"
    )


KeyList = list_model("KeyList", KeyItem)


class NewKey(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key is asked for with."""

    scopes: Annotated[tuple[Scope, ...], Meta(min_length=1, max_length=4)]
    project: KeyProject = ""
    name: Annotated[str, Meta(max_length=200)] = ""
    expires_at: Moment | None = None


EXAMPLES = {
    "an application": {"name": "checkout", "scopes": ["ingest"], "project": "shop"},
    "a dashboard": {"name": "wall", "scopes": ["read"], "expires_at": "2027-01-01T00:00:00Z"},
}


@router.get("/keys", response_model=KeyList, responses=REFUSED)
def keys(
    request: Request,
    cursor: Cursor,
    caller: Caller,
    views: AnyViews,
    asked: Annotated[SettingParameters, Query()],
) -> Response:
    """API keys, the last changed first."""
    rows, following = page(KIND, cursor, asked, caller)
    return answer({"items": [_item(row, views, request) for row in rows], "next_cursor": following})


@router.get(
    "/keys/{key_id}",
    response_model=KeyItem,
    dependencies=[Depends(no_parameters)],
    responses=REFUSED | UNKNOWN,
)
def key(request: Request, cursor: Cursor, caller: Caller, views: AnyViews, key_id: KeyId) -> Response:
    """One API key."""
    return answer(_item(found(KIND, cursor, key_id, caller), views, request))


@router.post(
    "/keys",
    status_code=201,
    response_model=MadeKeyItem,
    dependencies=[Depends(bare)],
    responses={
        202: {"model": MadeKeyItem, "description": "It is written; the views do not show it within 5 s."}
    }
    | REFUSED
    | UNTYPED,
    openapi_extra=documented(NewKey, EXAMPLES),
)
async def create_key(request: Request, change: Change, body: Body) -> Response:
    """Make a key. Its secret is in this answer and nowhere else: keep it."""
    asked = record_of(body, NewKey)
    now = datetime.now(UTC)
    if asked.expires_at is not None and asked.expires_at <= now:
        raise wrong("expires_at", "must lie in the future")
    change.own(asked.project, "This key")
    made = make_key(
        asked.scopes,
        created_at=now,
        project=asked.project,
        name=asked.name,
        created_by=change.caller.name,
        expires_at=asked.expires_at,
    )
    told = {"name": asked.name, "scopes": list(asked.scopes), "expires_at": _moment(asked.expires_at)}
    await change.tell("key.create", KIND.key(made.id), asked.project, told)
    value = encoded(made.record)
    position, shown = await change.put(SETTINGS, KIND.key(made.id), value)
    item = _shown(made.record, text_of(change.views, position), request) | {"key": made.text}
    response = done(change.views, item, position, 201 if shown else 202)
    response.headers.update(NO_STORE)
    return response


@router.post(
    "/keys/{key_id}/revoke",
    response_model=KeyItem,
    dependencies=[Depends(bare)],
    responses=PENDING | REFUSED | UNKNOWN,
)
async def revoke_key(request: Request, change: Change, key_id: KeyId) -> Response:
    """Revoke a key, for good. One that is revoked already stays as it is."""
    row = await change.look(lambda cursor: found(KIND, cursor, key_id, change.caller))
    record, problem = KIND.decoded(row)
    if record is None:
        raise wrong("key_id", f"{problem}; remove it from `lumina.settings`")
    if record.revoked_at is not None:
        return done(change.views, _item(row, change.views, request), None)
    await change.tell("key.revoke", KIND.key(key_id), record.project, {"name": record.name})
    value = encoded(replace(record, revoked_at=datetime.now(UTC)))
    position, shown = await change.put(SETTINGS, KIND.key(key_id), value)
    after = (
        await change.look(lambda cursor: decided_queries.setting(cursor, KIND.name, key_id))
        if shown
        else None
    )
    if after is None:
        return pending(change.views, position)
    return done(change.views, _item(after, change.views, request), position)


def _item(row: Row, views: Views, request: Request) -> Item:
    record, problem = KIND.decoded(row)
    position = text_of(views, position_of(row))
    if record is not None:
        return _shown(record, position, request)
    nothing = dict.fromkeys(("created_at", "expires_at", "revoked_at", "last_used"))
    texts = {"name": "", "project": row["project"], "created_by": ""}
    return {
        "id": row["id"],
        **texts,
        **nothing,
        "scopes": [],
        "active": False,
        "problem": problem,
        "position": position,
    }


def _shown(record: ApiKey, position: str, request: Request) -> Item:
    now = datetime.now(UTC)
    expired = record.expires_at is not None and record.expires_at <= now
    # Who keeps the uses of keys puts a function there; ids to the time of their last use.
    last_used = getattr(request.app.state, "key_last_used", lambda id: None)(record.id)
    return {
        "id": record.id,
        "name": record.name,
        "scopes": list(record.scopes),
        "project": record.project,
        "created_at": _moment(record.created_at),
        "created_by": record.created_by,
        "expires_at": _moment(record.expires_at),
        "revoked_at": _moment(record.revoked_at),
        "active": record.revoked_at is None and not expired,
        "last_used": _moment(last_used),
        "problem": None,
        "position": position,
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else rfc3339(nanoseconds_of(at))
