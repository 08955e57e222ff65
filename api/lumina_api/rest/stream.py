"""`/api/v1/stream`: server-sent events of what happens."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Literal

import msgspec
import structlog
from aiokafka.errors import KafkaError
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import Field

from lumina_api.access.keyring import Keyring
from lumina_api.live.events import Wanted
from lumina_api.live.hub import Event, Full, Hub, Watcher
from lumina_api.live.missed import missed
from lumina_api.live.positions import MOST_CHARS, Vector, read, written
from lumina_api.log import MissingTopic
from lumina_api.rest.doors import AnyViews, Caller, needs, seen_projects
from lumina_api.rest.parameters import Names, NoParameters
from lumina_api.rest.problem import Problem, wrong_parameter
from lumina_api.views import Views
from lumina_schemas.views import part

log = structlog.get_logger(__name__)

router = APIRouter(prefix="/api/v1", tags=["stream"], dependencies=[Depends(needs("read"))])

HEARTBEAT_S = 15.0
PIPELINE_S = 5.0
RETRY_MS = 2_000

EventTopic = Literal["traces", "alerts", "pipeline"]

_encode = msgspec.json.Encoder().encode


class StreamParameters(NoParameters):
    """What is told."""

    topics: list[EventTopic] = Field(
        default=["traces", "alerts", "pipeline"], max_length=3, description="Any of these; repeated."
    )
    project: Names = Field(default=[], description="Traces and alerts of any of these projects")
    service: Names = Field(default=[], description="... of these services")
    endpoint: Names = Field(default=[], description="... of these endpoints")
    last_event_id: str | None = Field(
        default=None,
        max_length=MOST_CHARS,
        description="Go on behind this event; for clients that cannot set the header Last-Event-ID.",
    )


def hub_of(request: Request) -> Hub:
    """Who tells of batches."""
    hub = request.app.state.hub
    assert isinstance(hub, Hub)
    return hub


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events, until either side goes. Events `alert` (an alert's record), `traces` "
            "(`items`, `left_out`), `pipeline`.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream(
    request: Request,
    views: AnyViews,
    hub: Annotated[Hub, Depends(hub_of)],
    caller: Caller,
    asked: Annotated[StreamParameters, Query()],
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="Go on behind this event.")
    ] = None,
) -> StreamingResponse:
    """What happens, as it can be read through REST.

    Event ids are positions on Kafka: with the last one any replica goes on. Alerts come exactly, each
    revision
    that the log still holds; traces, at most 20 a second, say how many were left out.
    """
    wanted = Wanted(seen_projects(caller, asked.project), tuple(asked.service), tuple(asked.endpoint))
    last = last_event_id or asked.last_event_id
    try:
        past = read(last) if last else {}
    except ValueError as error:
        raise wrong_parameter("last_event_id", str(error)) from error
    hub.seed(await run_in_threadpool(_positions, views))
    try:
        watcher = hub.watch(frozenset(asked.topics), wanted, past)
    except Full as error:
        raise Problem(
            503, "As many clients watch as may be, or the process ends.", headers={"Retry-After": "5"}
        ) from error
    keyring: Keyring = request.app.state.keyring
    events = _events(views, hub, watcher, not caller.project, lambda: keyring.still(caller))
    return StreamingResponse(
        events,
        media_type="text/event-stream",
        # No cache, and no proxy that waits for more before it passes an event on.
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


def _positions(views: Views) -> Vector:
    with views.cursor() as cursor:
        rows = cursor.execute(part("positions")).fetchall()
    return {(topic, number): offset for topic, number, _, offset in rows if topic in ("alerts", "spans")}


async def _events(
    views: Views, hub: Hub, watcher: Watcher, whole: bool, may: Callable[[], bool]
) -> AsyncIterator[bytes]:
    try:
        begin = written(watcher.past or watcher.base)
        yield f"retry: {RETRY_MS}\nid: {begin}\n\n".encode()
        if watcher.past:
            try:
                async for event in missed(views.settings, watcher):
                    yield _text(event)
            except (KafkaError, MissingTopic, OSError) as error:
                log.warning("a client's missed events cannot be read", error=repr(error))
                return  # it comes again, with the id that it has
        async for text in _live(views, watcher, whole, may):
            yield text
    finally:
        hub.leave(watcher)


async def _live(views: Views, watcher: Watcher, whole: bool, may: Callable[[], bool]) -> AsyncIterator[bytes]:
    """What happens from now on, as long as `may` says that the caller's key still opens it."""
    loop = asyncio.get_running_loop()
    pipeline = "pipeline" in watcher.topics
    silent_since, looked, counted = loop.time(), loop.time(), views.applied.spans
    if pipeline:
        yield _pipeline(views, None)
    while True:
        now = loop.time()
        due = min(silent_since + HEARTBEAT_S, looked + PIPELINE_S if pipeline else now + HEARTBEAT_S)
        event: Event | None = None
        with suppress(TimeoutError):
            event = await asyncio.wait_for(watcher.queue.get(), max(0.0, due - now))
            if event is None:
                return
        if not may():
            return
        now = loop.time()
        if event is not None:
            yield _text(event)
            silent_since = now
        if pipeline and now >= looked + PIPELINE_S:
            spans = views.applied.spans
            yield _pipeline(views, (spans - counted) / (now - looked) if whole else None)
            silent_since, looked, counted = now, now, spans
        elif now >= silent_since + HEARTBEAT_S:
            yield b":\n\n"
            silent_since = now


def _text(event: Event) -> bytes:
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (event.id.encode(), event.kind.encode(), event.data)


def _pipeline(views: Views, spans_per_s: float | None) -> bytes:
    """No id of its own: it is no place in the log."""
    topics = [
        {"topic": topic.name, "lag": topic.lag, "replayed": topic.replayed}
        for topic in views.progress.topics.values()
    ]
    told = {
        "ready": views.ready,
        "topics": topics,
        "spans_per_s": None if spans_per_s is None else round(spans_per_s, 1),
    }
    return b"event: pipeline\ndata: %s\n\n" % _encode(told)
