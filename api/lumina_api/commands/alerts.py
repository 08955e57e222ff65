"""`lumina ack`, `snooze`, `resolve`, `feedback`: what people decide about an alert. False: a proposal."""

import enum
import shlex
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import typer

from lumina_api.backtest.outcome import ALL, settle_memory
from lumina_api.backtest.proposal import Proposal, Proposer, rule_with
from lumina_api.backtest.replay import Replay, rules_set
from lumina_api.commands.asking import ask, asker, fail, running_settings
from lumina_api.commands.rule import written
from lumina_api.commands.telling import tell
from lumina_api.commands.times import nanoseconds_after, nanoseconds_of
from lumina_api.door import UnknownAlert, alert_named, put
from lumina_api.text import plain
from lumina_schemas.alert import PROJECT_KINDS, Alert, Feedback
from lumina_schemas.control import CONTROL_VERSION, Command, problem_of
from lumina_schemas.rule import Rule
from lumina_schemas.settings import Settings
from lumina_schemas.topics import COMMANDS
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.series.rulebook import RuleBook, RuleBookFullError
from lumina_streams.core.series.rules import Rules

NAMED = 10  # lost alerts that are named


class Worth(enum.StrEnum):
    """What an alert was worth."""

    USEFUL = "useful"
    NOISE = "noise"


AlertId = Annotated[str, typer.Argument(metavar="ALERT_ID", help="The alert's id, or how it begins.")]
Note = Annotated[str, typer.Option(help="Why; kept in the alert's history.")]
By = Annotated[str, typer.Option(help="Who asks; absent: your name on this machine.")]


def ack(alert_id: AlertId, note: Note = "", by: By = "") -> None:
    """Acknowledge an alert: somebody looks after it. It is updated in that state; an upgrade opens it."""
    _tell(alert_id, "acknowledge", note, by)


def snooze(
    alert_id: AlertId,
    length: Annotated[
        int | None,
        typer.Option("--for", parser=nanoseconds_after, metavar="LENGTH", help="From now on: 30m, 4h, 2d."),
    ] = None,
    until: Annotated[
        int | None, typer.Option(parser=nanoseconds_of, metavar="TIME", help="Its end, RFC 3339.")
    ] = None,
    note: Note = "",
    by: By = "",
) -> None:
    """Leave an alert alone until a time; if it lasts, it opens again then."""
    end_ns = until if until is not None else length
    if end_ns is None or (until is not None and length is not None):
        fail("Say how long: --for 4h, or --until 2026-01-01T08:00:00Z.", 2)
    if end_ns <= time.time_ns():
        fail("A snooze ends in the future: --for 4h, or --until 2026-01-01T08:00:00Z.", 2)
    _tell(alert_id, "snooze", note, by, until=datetime.fromtimestamp(end_ns // 1_000 / 1e6, UTC))


def resolve(
    alert_id: AlertId,
    false: Annotated[
        bool,
        typer.Option("--false", help="It was a false alarm: answers with what would have kept it quiet."),
    ] = False,
    note: Note = "",
    by: By = "",
    proposal: Annotated[
        bool,
        typer.Option(
            "--proposal/--no-proposal", help="With --false: look for a setting (seconds to minutes)."
        ),
    ] = True,
) -> None:
    """Resolve an alert by hand. One whose signal lasts stays quiet for the cooldown, and opens again then."""
    settings, alert = _tell(alert_id, "resolve", note, by, reason="false" if false else None)
    if false and proposal and alert.kind not in PROJECT_KINDS:
        settle_memory()
        found, in_force = ask(settings, proposed(settings, alert))
        print("\n".join(lines(found, alert, in_force)))


def feedback(
    alert_id: AlertId,
    worth: Annotated[Worth, typer.Argument(help="What it was worth.")],
    note: Note = "",
    by: By = "",
) -> None:
    """Say whether an alert was of use. It is kept on the alert and decides nothing: noise stays open."""
    _tell(alert_id, "feedback", note, by, feedback=worth.value)


def _tell(
    alert_id: str,
    what: Literal["acknowledge", "snooze", "resolve", "feedback"],
    note: str,
    by: str,
    until: datetime | None = None,
    reason: Literal["manual", "false"] | None = None,
    feedback: Feedback | None = None,
) -> tuple[Settings, Alert]:
    settings = running_settings()
    try:
        alert = ask(settings, alert_named(settings, alert_id))
    except UnknownAlert as error:
        fail(str(error))
    command = Command(
        v=CONTROL_VERSION,
        type=what,
        alert_id=alert.id,
        series_id=alert.series_id,
        by=asker(by),
        note=note,
        until=until,
        reason=reason,
        feedback=feedback,
        project=alert.project if alert.kind in PROJECT_KINDS else "",
    )
    value = msgspec.json.encode(command)
    try:
        problem = problem_of(msgspec.json.decode(value, type=Command))
    except msgspec.ValidationError as error:
        problem = str(error)
    if problem:
        fail(f"That cannot be a command: {problem}", 2)
    said = {"note": note, "until": until, "reason": reason, "feedback": feedback, "by": command.by}
    told = msgspec.to_builtins({name: one for name, one in said.items() if one})
    ask(settings, tell(settings, f"alert.{what}", alert.id, project=alert.project, change=told))
    ask(settings, put(settings, COMMANDS, alert.id, value))
    print(f"{what}: {alert.id}, until now {alert.state}: {plain(alert.summary, 200)}")
    if alert.state == "resolved" and what != "feedback":
        print("It was resolved already: the detection changes nothing on it.", file=sys.stderr)
    return settings, alert


async def proposed(settings: Settings, alert: Alert) -> tuple[Proposal, Rule | None]:
    """What would have kept an alert quiet, by what the log of its series retains, and the rule in force.

    Raises MissingTopic, KafkaError.
    """
    defaults = Rules.from_settings(settings)
    book = RuleBook(defaults)
    for change, _ in await rules_set(settings):
        with suppress(RuleBookFullError):
            book.take(change.id, change.rule)
    place = (alert.project, alert.service, alert.endpoint)
    now = rfc3339(time.time_ns() // 10**6)
    proposer = Proposer(alert, defaults, book.rules_for(*place), now)
    replay = Replay(settings, proposer.trials, lambda: None)
    await replay.spans(ALL[1], series=alert.series_id)
    return proposer.answer(), book.rule_of(*place)


def lines(found: Proposal, alert: Alert, in_force: Rule | None) -> list[str]:
    """A proposal for people."""
    if not found.reproduced:
        return [
            f"In the {found.calls:,} calls of its series that the log retains, today's rules raise no such "
            "alert: nothing to change."
        ]
    if found.change is None:
        return [
            f"No setting of the {len(found.tried)} that were tried keeps it quiet ({found.calls:,} calls)."
        ]
    said = " ".join(written(rule_with(found.change, alert, None)))
    rule = rule_with(found.change, alert, in_force)
    words = ["lumina", "rule", "set", f"series-{alert.series_id}"]
    for name in ("project", "service", "endpoint"):
        if value := getattr(rule, name):
            words += [f"--{name}", value]
    told = [
        f"With {said} it would have been quiet ({found.calls:,} calls of its series were tried).",
        "  " + plain(shlex.join([*words, *written(rule)])),
    ]
    if not found.lost:
        return [*told, "No other alert of its series in the last 7 days would have been lost."]
    told.append(f"{len(found.lost)} other alerts of its series in the last 7 days would have been lost too:")
    told += [f"  {one.opened_at}  {one.id}  {plain(one.summary, 200)}" for one in found.lost[:NAMED]]
    if len(found.lost) > NAMED:
        told.append(f"  ... {len(found.lost) - NAMED} more")
    return told
