"""`/api/v1/marks`: what people said they did: a release, a new prompt, a price."""

import uuid
from datetime import UTC, datetime
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response
from msgspec import Meta, Raw, Struct

from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import Body, Object, documented, record_of, wrong
from lumina_api.rest.changes.change import PENDING, UNTYPED, Change, done, pending
from lumina_api.rest.changes.parameters import MarkParameters
from lumina_api.rest.changes.setting import list_model
from lumina_api.rest.doors import (
    FRESH_WITHIN_S,
    Caller,
    Cursor,
    Now,
    bare,
    needs,
    no_parameters,
    seen_projects,
)
from lumina_api.rest.models import record_model
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.problem import REFUSED, UNKNOWN, Problem
from lumina_api.views import decided_queries
from lumina_api.views.batch import nanoseconds_of
from lumina_api.views.freshness import LogPosition
from lumina_api.views.queries import Row
from lumina_schemas.control import CONTROL_VERSION, Mark, Moment
from lumina_schemas.topics import COMMANDS

router = APIRouter(prefix="/api/v1", tags=["marks"])

MarkList = list_model("MarkList", record_model(Mark))
MarkId = Annotated[str, Path(min_length=1, max_length=64, description="The mark's id")]


class NewMark(Struct, frozen=True, kw_only=True):
    """What was done, where and when."""

    text: Annotated[str, Meta(min_length=1, max_length=200)]
    at: Moment | None = None  # absent: now
    id: Annotated[str, Meta(max_length=64)] = ""  # absent: a new one; a second mark of one id changes nothing
    project: Annotated[str, Meta(max_length=500)] = ""
    service: Annotated[str, Meta(max_length=500)] = ""
    endpoint: Annotated[str, Meta(max_length=500)] = ""
    expected: bool = False


EXAMPLES: dict[str, Object] = {
    "a release": {"text": "release 1.4", "project": "shop", "service": "checkout"},
    "an expected change": {"text": "new model", "project": "shop", "expected": True, "id": "deploy-817"},
}


@router.get("/marks", response_model=MarkList, dependencies=[Depends(needs("read"))], responses=REFUSED)
def marks(cursor: Cursor, caller: Caller, now: Now, asked: Annotated[MarkParameters, Query()]) -> Response:
    """Marks by the time at which they were done, the latest first. A key of a project sees those of that
    project and those for all.
    """
    filters = asked.filters(seen_projects(caller, asked.project), now)
    filters, page = page_of("marks", asked.cursor, filters, "newest", asked.limit)
    found = decided_queries.marks(cursor, filters, bool(caller.project), page)
    rows, following = next_cursor("marks", found, filters, page)
    return answer({"items": [_record(row) for row in rows], "next_cursor": following})


@router.get(
    "/marks/{mark_id:path}",
    response_model=record_model(Mark),
    dependencies=[Depends(needs("read")), Depends(no_parameters)],
    responses=REFUSED | UNKNOWN,
)
def mark(cursor: Cursor, caller: Caller, mark_id: MarkId) -> Response:
    """One mark."""
    row = decided_queries.mark(cursor, mark_id)
    if row is None or not (caller.sees(str(row["project"])) or row["project"] == ""):
        raise Problem(404, "No mark has this id. `/api/v1/marks` lists them.")
    return Response(str(row["record"]), media_type="application/json")


@router.post(
    "/marks",
    status_code=201,
    response_model=record_model(Mark),
    dependencies=[Depends(needs("write")), Depends(bare)],
    responses={
        200: {"model": record_model(Mark), "description": "A mark of this id was there: it stays as it is."}
    }
    | PENDING
    | REFUSED
    | UNTYPED,
    openapi_extra=documented(NewMark, EXAMPLES),
)
async def make_mark(change: Change, body: Body) -> Response:
    """Mark what was done. Alerts that begin soon after it name it; with `expected` levels that change with it
    are accepted, without an alert.
    """
    asked = record_of(body, NewMark)
    if not asked.text.strip():
        raise wrong("text", "is blank: say what was done")
    at = asked.at or datetime.now(UTC)
    if not 0 <= nanoseconds_of(at) < 2**63:
        raise wrong("at", "lies before 1970 or after 2262")
    change.own(asked.project, "This mark")
    id = asked.id.strip() or str(uuid.uuid4())
    record = Mark(
        v=CONTROL_VERSION,
        type="mark",
        id=id,
        text=asked.text.strip(),
        at=at,
        by=change.caller.name[:200],
        project=asked.project,
        service=asked.service,
        endpoint=asked.endpoint,
        expected=asked.expected,
    )
    if known := await change.look(lambda cursor: decided_queries.mark(cursor, id)):
        change.own(str(known["project"]), "The mark that has this id")
        return done(change.views, msgspec.json.decode(str(known["record"])), None)
    await change.tell("mark.create", f"marks/{id}", record.project, msgspec.to_builtins(record))
    position = await change.write(COMMANDS, id, msgspec.json.encode(record))
    row: Row | None = None

    async def shown() -> bool:
        nonlocal row
        row = await change.look(lambda cursor: decided_queries.mark(cursor, id))
        return row is not None

    if not await change.views.moves.until(shown, FRESH_WITHIN_S):
        said = f"It is written, and was not forwarded yet: GET /api/v1/marks/{id} shows it once it was."
        return pending(change.views, position, said)
    assert row is not None
    partition, offset = row["partition"], row["offset"]
    assert isinstance(partition, int)
    assert isinstance(offset, int)
    body_of = msgspec.json.decode(str(row["record"]))
    return done(change.views, body_of, LogPosition("spans", partition, offset), 201)


def _record(row: Row) -> Raw:
    return Raw(str(row["record"]).encode())
