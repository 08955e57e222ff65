"""One change: on the audit log, on Kafka, in the views. What every handler that changes something goes by."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar

import duckdb
from fastapi import Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from lumina_api.audit import encoded, entry
from lumina_api.rest.answer import answer
from lumina_api.rest.doors import FRESH_WITHIN_S, AnyViews, Caller
from lumina_api.rest.problem import Problem, problems
from lumina_api.views import Views
from lumina_api.views.freshness import LogPosition
from lumina_api.writer import Writer
from lumina_schemas.topics import AUDIT, Topic

POSITION = "Lumina-Position"
"""Header of an answer: what a later read passes as `at_least`."""

T = TypeVar("T")


class Pending(BaseModel):
    """A change that is on Kafka, and that the views of this process do not show yet."""

    model_config = ConfigDict(extra="forbid")

    topic: str
    partition: int
    offset: int
    detail: str = Field(description="What is known of it, and how to look for it")


PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": Pending, "description": "It is written; the views do not show it within 5 s."}
}
CONFLICT = problems({409: "It cannot be done as it is."})
UNTYPED = problems({415: "The body is not JSON."})


class Written(NamedTuple):
    """Where a change lies, and whether the views show it."""

    position: LogPosition
    shown: bool


class Changing:
    """Makes changes in a caller's name."""

    def __init__(self, request: Request, caller: Caller, views: AnyViews) -> None:
        writer = request.app.state.writer
        assert isinstance(writer, Writer)
        self.caller = caller
        self.views: Views = views
        self._writer = writer
        self._address = request.client.host if request.client else ""

    def own(self, project: str, what: str) -> None:
        """Raises Problem 403 where what is of this project ("" = all) is not the caller's to change."""
        if not self.caller.sees(project):
            of = "another project" if project else "all projects"
            raise Problem(
                403,
                f"{what} is of {of}; the key `{self.caller.name}` is of project {self.caller.project} and "
                f"changes only what is of that. Set `project` to it, or choose another id.",
            )

    async def tell(self, action: str, target: str, project: str, change: Mapping[str, Any]) -> None:
        """Put a change on the audit log. Raises NotWritten: then it is not to be made."""
        told = entry(self.caller.name, action, target, project=project, address=self._address, change=change)
        await self._writer.write(AUDIT, project, encoded(told))

    async def write(self, topic: Topic, key: str, value: bytes | None) -> LogPosition:
        """Put a record on Kafka. Raises NotWritten."""
        return await self._writer.write(topic, key, value)

    async def put(self, topic: Topic, key: str, value: bytes | None) -> Written:
        """Put a record on a topic that the views read, and wait until they show it. Raises NotWritten."""
        position = await self.write(topic, key, value)
        return Written(position, await self.views.reached([position], FRESH_WITHIN_S))

    async def look(self, ask: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Ask the views. Raises ViewsAway."""

        def asked() -> T:
            with self.views.cursor() as cursor:
                return ask(cursor)

        return await run_in_threadpool(asked)


Change = Annotated[Changing, Depends()]


def text_of(views: Views, position: LogPosition) -> str:
    """A position as `at_least` takes it."""
    return f"{views.settings.topic(position.topic)}:{position.partition}:{position.offset}"


def done(
    views: Views, body: Mapping[str, object], position: LogPosition | None, status: int = 200
) -> Response:
    """The answer to a change that the views show; without a position nothing was written."""
    response = answer(body)
    response.status_code = status
    if position is not None:
        response.headers[POSITION] = text_of(views, position)
    return response


def gone(views: Views, position: LogPosition) -> Response:
    """The answer to a removal that the views show."""
    return Response(status_code=204, headers={POSITION: text_of(views, position)})


def pending(views: Views, position: LogPosition, detail: str = "") -> Response:
    """202: the change is on Kafka, and not in the views yet."""
    at_least = text_of(views, position)
    follows = position.topic != "commands"  # what the views do not read themselves they cannot wait for
    body = {
        "topic": views.settings.topic(position.topic),
        "partition": position.partition,
        "offset": position.offset,
        "detail": detail or f"It is written. A read with at_least={at_least} waits for it.",
    }
    response = done(views, body, position if follows else None, 202)
    return response
