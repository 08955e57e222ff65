"""`/api/v1/alerts/{id}/...`: what people decide about an alert."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Depends, Path, Response
from msgspec import Meta, Struct

from lumina_api.rest.changes.body import Body, documented, record_of, wrong
from lumina_api.rest.changes.change import CONFLICT, PENDING, UNTYPED, Change, Changing, done, pending
from lumina_api.rest.doors import FRESH_WITHIN_S, bare, needs
from lumina_api.rest.models import AlertItem
from lumina_api.rest.moment import moment
from lumina_api.rest.problem import REFUSED, UNKNOWN, Problem
from lumina_api.views import queries
from lumina_api.views.freshness import LogPosition
from lumina_schemas.alert import PROJECT_KINDS, Alert, Feedback
from lumina_schemas.control import CONTROL_VERSION, Command, Moment, problem_of
from lumina_schemas.partition import partition_of
from lumina_schemas.topics import COMMANDS

router = APIRouter(
    prefix="/api/v1/alerts/{alert_id}",
    tags=["alerts"],
    dependencies=[Depends(needs("write")), Depends(bare)],
    responses=PENDING | REFUSED | UNKNOWN | CONFLICT | UNTYPED,
)

AlertId = Annotated[str, Path(max_length=200, description="The alert's id")]
Note = Annotated[str, Meta(max_length=1000)]

LONGEST = timedelta(days=366)
"""Of a snooze."""


class Noted(Struct, frozen=True, kw_only=True):
    """Why."""

    note: Note = ""  # kept in the alert's history


class Snooze(Noted, frozen=True, kw_only=True):
    """How long: one of the two."""

    until: Moment | None = None  # its end, RFC 3339
    for_: Annotated[str, Meta(max_length=20)] | None = msgspec.field(default=None, name="for")  # 30m, 4h, 2d


class Resolve(Noted, frozen=True, kw_only=True):
    """How it ends."""

    reason: Literal["manual", "false"] = "manual"  # false: a false alarm


class Judge(Noted, frozen=True, kw_only=True):
    """What it was worth."""

    feedback: Feedback


@router.post(
    "/acknowledge",
    response_model=AlertItem,
    openapi_extra=documented(Noted, {"taken": {"note": "rolling back"}}),
)
async def acknowledge(change: Change, alert_id: AlertId, body: Body) -> Response:
    """Somebody looks after it: it is updated in that state, and an upgrade opens it. 200 without a change
    where it is acknowledged already.
    """
    asked = record_of(body, Noted)
    return await _ask(change, alert_id, "acknowledge", asked.note)


@router.post(
    "/snooze",
    response_model=AlertItem,
    openapi_extra=documented(Snooze, {"a while": {"for": "4h"}, "until": {"until": "2027-01-01T08:00:00Z"}}),
)
async def snooze(change: Change, alert_id: AlertId, body: Body) -> Response:
    """Leave it alone until a time; if it lasts, it opens again then."""
    asked = record_of(body, Snooze)
    return await _ask(change, alert_id, "snooze", asked.note, until=_until(asked))


@router.post(
    "/resolve",
    response_model=AlertItem,
    openapi_extra=documented(
        Resolve, {"over": {}, "a false alarm": {"reason": "false", "note": "load test"}}
    ),
)
async def resolve(change: Change, alert_id: AlertId, body: Body) -> Response:
    """Resolve it by hand. While its cause lasts it is quiet for the cooldown, and opens again then; after a
    false alarm the new level is learned.
    """
    asked = record_of(body, Resolve)
    reason: Literal["false"] | None = "false" if asked.reason == "false" else None
    return await _ask(change, alert_id, "resolve", asked.note, reason=reason)


@router.post(
    "/feedback",
    response_model=AlertItem,
    openapi_extra=documented(Judge, {"noise": {"feedback": "noise", "note": "nobody acted on it"}}),
)
async def feedback(change: Change, alert_id: AlertId, body: Body) -> Response:
    """Say whether it was of use. It is kept on the alert and changes nothing else."""
    asked = record_of(body, Judge)
    return await _ask(change, alert_id, "feedback", asked.note, feedback=asked.feedback)


async def _ask(
    change: Changing,
    alert_id: str,
    what: Literal["acknowledge", "snooze", "resolve", "feedback"],
    note: str,
    *,
    until: datetime | None = None,
    reason: Literal["manual", "false"] | None = None,
    feedback: Feedback | None = None,
) -> Response:
    before = await _alert(change, alert_id)
    if before is None or not change.caller.sees(before.project):
        raise Problem(
            404, "No alert has this id. `/api/v1/alerts` lists them; erased and expired ones are gone."
        )
    command = Command(
        v=CONTROL_VERSION,
        type=what,
        alert_id=before.id,
        series_id=before.series_id,
        by=change.caller.name[:200],
        note=note,
        until=until,
        reason=reason,
        feedback=feedback,
        project=before.project if before.kind in PROJECT_KINDS else "",
    )
    value = msgspec.json.encode(command)
    try:
        problem = problem_of(msgspec.json.decode(value, type=Command))
    except msgspec.ValidationError as error:  # of an alert that somebody else wrote
        problem = str(error)
    if problem:
        raise wrong("body", problem)
    if before.state == "resolved" and what != "feedback":
        raise Problem(409, f"The alert is resolved already ({before.reason}): there is nothing to {what}.")
    if (what == "acknowledge" and before.state == "acknowledged") or (
        what == "feedback" and before.feedback == feedback
    ):
        return done(change.views, msgspec.to_builtins(before), None)
    told = {"note": note, "until": until, "reason": reason, "feedback": feedback}
    said = {name: value for name, value in told.items() if value}
    await change.tell(f"alert.{what}", before.id, before.project, msgspec.to_builtins(said))
    position = await change.write(COMMANDS, before.id, value)
    now: Alert | None = None

    async def obeyed() -> bool:
        nonlocal now
        now = await _alert(change, alert_id)
        return now is not None and _shows(before, now, command)

    if not await change.views.moves.until(obeyed, FRESH_WITHIN_S):
        return pending(
            change.views,
            position,
            "The command is written. Detection has not answered within 5 s: it does when its worker runs, "
            "and changes nothing where the alert is as wanted, or forgotten. "
            f"GET /api/v1/alerts/{before.id} shows what became of it.",
        )
    assert now is not None
    return done(change.views, msgspec.to_builtins(now), _position(change, now))


def _shows(before: Alert, now: Alert, command: Command) -> bool:
    """Whether a record shows what a command did: a new step of its life, by who asked."""
    if now.rev <= before.rev:
        return False
    steps = [step for step in now.history if step not in before.history]
    return any(step.by == command.by for step in steps)


def _position(change: Changing, alert: Alert) -> LogPosition | None:
    """Up to where the views have read the alert's partition: its record lies there, or before."""
    topic = change.views.progress.topics.get("alerts")
    if topic is None:
        return None
    number = partition_of(alert.id, len(topic.partitions))
    return LogPosition("alerts", number, max(0, change.views.next_offset("alerts", number) - 1))


async def _alert(change: Changing, alert_id: str) -> Alert | None:
    record = await change.look(lambda cursor: queries.alert(cursor, alert_id))
    if record is None:
        return None
    try:
        return msgspec.json.decode(record, type=Alert)
    except msgspec.ValidationError as error:
        raise Problem(409, f"The alert's record is none that this release knows: {error}") from error


def _until(asked: Snooze) -> datetime:
    """The end of a snooze. Raises Problem 422."""
    if (asked.until is None) == (asked.for_ is None):
        raise wrong("until", "say how long: either `until`, a time, or `for`, a length such as 4h")
    now = datetime.now(UTC)
    until = asked.until
    if asked.for_ is not None:
        try:
            length = moment(asked.for_)
        except ValueError:
            length = None
        if length is None or not length.before_now or not length.ns:
            raise wrong("for", "is no length of time such as 30m, 4h or 2d")
        if length.ns > LONGEST // timedelta(microseconds=1) * 1000:
            raise wrong("for", "is longer than a year")
        until = now + timedelta(microseconds=length.ns // 1000)
    assert until is not None
    name = "until" if asked.for_ is None else "for"
    if not now < until <= now + LONGEST:
        raise wrong(name, "a snooze ends in the future, within a year")
    return until
