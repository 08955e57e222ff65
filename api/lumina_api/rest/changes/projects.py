"""`/api/v1/projects`: the projects there are, and what is settled for each in place of the environment."""

from typing import Annotated

import duckdb
import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response
from msgspec import Raw
from pydantic import BaseModel, ConfigDict, Field

from lumina_api.rest.answer import answer, optional_moment
from lumina_api.rest.changes.body import Body, documented, record_of
from lumina_api.rest.changes.change import PENDING, UNTYPED, Change
from lumina_api.rest.changes.parameters import ProjectParameters
from lumina_api.rest.changes.setting import Item, Kind, remove_one, set_one
from lumina_api.rest.doors import AnyViews, Caller, Cursor, bare, needs, no_parameters, seen_projects
from lumina_api.rest.models import record_model
from lumina_api.rest.problem import REFUSED, UNKNOWN, Problem
from lumina_api.views import Views, decided_queries
from lumina_api.views.queries import Row
from lumina_schemas.project import PROJECT_VERSION, ProjectSettings

router = APIRouter(prefix="/api/v1", tags=["projects"])

KIND = Kind("projects", "project", ProjectSettings)

ProjectName = Annotated[str, Path(min_length=1, max_length=500, description="The project", examples=["shop"])]
EXAMPLES = {"shop": {"retention_days": 30, "daily_trace_limit": 200_000}}


class ProjectItem(BaseModel):
    """A project: one that has spans, or settings."""

    model_config = ConfigDict(extra="forbid")

    name: str
    settings: record_model(ProjectSettings) | None = Field(description="What is set for it; null: nothing")  # type: ignore[valid-type]
    problem: str | None = Field(description="Why what is set cannot be used; null where it can")
    retention_days: float = Field(description="In force: days that the views keep spans; 0 = for ever")
    daily_trace_limit: int = Field(description="In force: distinct traces a UTC day; 0 = no limit")
    last_trace: str | None = Field(description="Start of its last trace, RFC 3339; null: it has none")


class ProjectList(BaseModel):
    """Projects by name."""

    model_config = ConfigDict(extra="forbid")

    items: list[ProjectItem]
    next_after: str | None = Field(description="`after` of the page that follows; null on the last one")


@router.get("/projects", response_model=ProjectList, dependencies=[Depends(needs("read"))], responses=REFUSED)
def projects(
    cursor: Cursor, caller: Caller, views: AnyViews, asked: Annotated[ProjectParameters, Query()]
) -> Response:
    """Projects that have spans or settings, by name. A key of a project sees that one."""
    seen = seen_projects(caller, ())
    rows = decided_queries.known_projects(cursor, seen, asked.after, asked.limit + 1)
    shown = rows[: asked.limit]
    following = str(shown[-1]["project"]) if len(rows) > asked.limit else None
    return answer({"items": [_item(cursor, row, views) for row in shown], "next_after": following})


@router.get(
    "/projects/{name:path}",
    response_model=ProjectItem,
    dependencies=[Depends(needs("read")), Depends(no_parameters)],
    responses=REFUSED | UNKNOWN,
)
def project(cursor: Cursor, caller: Caller, views: AnyViews, name: ProjectName) -> Response:
    """One project."""
    rows = decided_queries.known_projects(cursor, [name], "", 1) if caller.sees(name) else []
    if not rows:
        raise Problem(404, "No project of this name has spans or settings. `/api/v1/projects` lists them.")
    return answer(_item(cursor, rows[0], views))


@router.put(
    "/projects/{name:path}",
    response_model=ProjectItem,
    dependencies=[Depends(needs("admin")), Depends(bare)],
    responses=PENDING | REFUSED | UNTYPED,
    openapi_extra=documented(ProjectSettings, EXAMPLES),
)
async def set_project(change: Change, name: ProjectName, body: Body) -> Response:
    """Set a project's retention and limit, in place of all that was set for it. Absent: as the environment's
    settings say.
    """
    record = record_of(body, ProjectSettings, PROJECT_VERSION)

    def show(cursor: duckdb.DuckDBPyConnection, row: Row) -> Item:
        (known,) = decided_queries.known_projects(cursor, [name], "", 1)
        return _item(cursor, known, change.views)

    return await set_one(KIND, name, record, name, change, show)


@router.delete(
    "/projects/{name:path}",
    status_code=204,
    dependencies=[Depends(needs("admin")), Depends(bare)],
    responses=PENDING | REFUSED | UNKNOWN,
)
async def remove_project(change: Change, name: ProjectName) -> Response:
    """Remove what is set for a project: the environment's settings hold again. Its data stays."""
    return await remove_one(KIND, name, change)


def retention_days(cursor: duckdb.DuckDBPyConnection, name: str, views: Views) -> float:
    """Days that the views keep spans of a project; 0 = for ever."""
    record, _ = _set(cursor, name)
    own = None if record is None else record.retention_days
    return views.settings.retention_days if own is None else own


def _set(cursor: duckdb.DuckDBPyConnection, name: str) -> tuple[ProjectSettings | None, str]:
    row = decided_queries.setting(cursor, KIND.name, name)
    return (None, "") if row is None else KIND.decoded(row)


def _item(cursor: duckdb.DuckDBPyConnection, row: Row, views: Views) -> Item:
    name, last_ns = str(row["project"]), row["last_ns"]
    assert last_ns is None or isinstance(last_ns, int)
    record, problem = _set(cursor, name)
    limit = None if record is None else record.daily_trace_limit
    return {
        "name": name,
        "settings": None if record is None else Raw(msgspec.json.encode(record)),
        "problem": problem or None,
        "retention_days": retention_days(cursor, name, views),
        "daily_trace_limit": views.settings.daily_trace_limit if limit is None else limit,
        "last_trace": optional_moment(last_ns),
    }
