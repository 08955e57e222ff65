"""Settings of one kind, as rules, prices, budgets and others share it: listed, shown, set, removed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import duckdb
import msgspec
from fastapi import Response
from msgspec import Raw, Struct
from pydantic import BaseModel, ConfigDict, Field, create_model

from lumina_api.access.principal import Principal
from lumina_api.rest.answer import answer
from lumina_api.rest.changes.body import wrong
from lumina_api.rest.changes.change import Changing, done, gone, pending, text_of
from lumina_api.rest.changes.parameters import SettingParameters
from lumina_api.rest.doors import seen_projects
from lumina_api.rest.models import record_model
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.problem import Problem
from lumina_api.views import Views, decided_queries
from lumina_api.views.filters import Filters
from lumina_api.views.freshness import LogPosition
from lumina_api.views.queries import Row
from lumina_schemas.topics import SETTINGS

T = TypeVar("T", bound=Struct)

_STRICT = ConfigDict(extra="forbid")
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

Item = dict[str, object]
Show = Callable[[duckdb.DuckDBPyConnection, Row], Item]
"""How a kind shows a row, where it shows more than the row itself."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of settings."""

    name: str
    """As keys and paths begin: rules."""
    one: str
    """One of them, in words: rule."""
    record: type[T]
    problem: Callable[[T], str] = lambda record: ""
    """What is wrong with a record although each of its fields is fine."""

    def key(self, id: str) -> str:
        """The key on `lumina.settings`."""
        return f"{self.name}/{id}"

    def decoded(self, row: Row) -> tuple[T | None, str]:
        """The record of a row, or why it is none: anybody may write the topic."""
        try:
            record = msgspec.json.decode(str(row["value"]).encode(), type=self.record)
        except _UNREADABLE as error:
            return None, f"it is no {self.one} and is not in force: {error}"
        return record, self.problem(record)


def encoded(record: Struct) -> bytes:
    """A record as it lies on `lumina.settings`."""
    return msgspec.json.encode(record)


def position_of(row: Row) -> LogPosition:
    """Where a setting lies."""
    partition, offset = row["partition"], row["offset"]
    assert isinstance(partition, int)
    assert isinstance(offset, int)
    return LogPosition("settings", partition, offset)


def item_of(kind: Kind[T], row: Row, views: Views) -> Item:
    """A setting as REST shows it."""
    record, problem = kind.decoded(row)
    written_ns = row["written_ns"]
    assert isinstance(written_ns, int)
    return {
        "id": row["id"],
        "value": None if record is None else Raw(encoded(record)),
        "problem": problem or None,
        "written": rfc3339(written_ns),
        "position": text_of(views, position_of(row)),
    }


def item_model(name: str, record: type[Struct], **more: Any) -> type[BaseModel]:
    """The model of one kind's items."""
    shown: Any = record_model(record) | None
    return create_model(
        name,
        __config__=_STRICT,
        id=(str, ...),
        value=(shown, Field(description="null where it cannot be read")),
        problem=(str | None, Field(description="Why it cannot be used; null where it can")),
        written=(str, Field(description="When, RFC 3339, by the clock of whoever wrote it")),
        position=(str, Field(description="Where it lies: topic:partition:offset")),
        **more,
    )


def list_model(name: str, item: type[BaseModel]) -> type[BaseModel]:
    """The model of a page of them."""
    cursor = Field(description="Cursor of the page that follows; null on the last one")
    return create_model(name, __config__=_STRICT, items=(list[item], ...), next_cursor=(str | None, cursor))  # type: ignore[valid-type]


def page(
    kind: Kind[T], cursor: duckdb.DuckDBPyConnection, asked: SettingParameters, caller: Principal
) -> tuple[list[Row], str | None]:
    """One page of rows, the last written first, and the cursor of the next."""
    filters = Filters(project=seen_projects(caller, asked.project), kind=(kind.name,))
    filters, wanted = page_of("settings", asked.cursor, filters, "newest", asked.limit)
    found = decided_queries.settings(cursor, kind.name, filters.project, wanted)
    return next_cursor("settings", found, filters, wanted)


def listed(
    kind: Kind[T],
    cursor: duckdb.DuckDBPyConnection,
    asked: SettingParameters,
    caller: Principal,
    views: Views,
) -> Response:
    """The answer to a list."""
    rows, following = page(kind, cursor, asked, caller)
    return answer({"items": [item_of(kind, row, views) for row in rows], "next_cursor": following})


def found(kind: Kind[T], cursor: duckdb.DuckDBPyConnection, id: str, caller: Principal) -> Row:
    """The row of one setting. Raises Problem 404 where there is none that the caller sees."""
    row = decided_queries.setting(cursor, kind.name, id)
    if row is None or not caller.sees(str(row["project"])):
        raise Problem(404, f"No {kind.one} has this id. `/api/v1/{kind.name}` lists them.")
    return row


async def set_one(
    kind: Kind[T], id: str, record: T, project: str, change: Changing, show: Show | None = None
) -> Response:
    """Set one, in place of what it was. Raises Problem: 403 where it is not the caller's, 422 for a record
    with a problem.
    """
    if problem := kind.problem(record):
        raise wrong("body", problem)
    change.own(project, f"This {kind.one}")
    before = await change.look(lambda cursor: decided_queries.setting(cursor, kind.name, id))
    if before is not None:
        change.own(str(before["project"]), f"The {kind.one} that has this id now")
    await change.tell(f"{kind.one}.set", kind.key(id), project, msgspec.to_builtins(record))
    position, shown = await change.put(SETTINGS, kind.key(id), encoded(record))

    def item(cursor: duckdb.DuckDBPyConnection) -> Item | None:
        row = decided_queries.setting(cursor, kind.name, id)
        if row is None:
            return None
        return show(cursor, row) if show else item_of(kind, row, change.views)

    found = await change.look(item) if shown else None
    if found is None:  # or removed again meanwhile
        return pending(change.views, position)
    return done(change.views, found, position)


async def remove_one(
    kind: Kind[T], id: str, change: Changing, detail: Mapping[str, Any] | None = None
) -> Response:
    """Remove one. Raises Problem 404 where there is none that the caller sees."""
    row = await change.look(lambda cursor: found(kind, cursor, id, change.caller))
    await change.tell(f"{kind.one}.remove", kind.key(id), str(row["project"]), detail or {})
    position, shown = await change.put(SETTINGS, kind.key(id), None)
    return gone(change.views, position) if shown else pending(change.views, position)
