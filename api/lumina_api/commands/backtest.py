"""`lumina backtest`: recorded calls through the detection, with other rules if wanted; nobody is notified."""

import asyncio
import os
import sys
import time
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from aiokafka.errors import KafkaError

from lumina_api.backtest.captured import Captured
from lumina_api.backtest.outcome import ALL, Outcome, lines, settle_memory
from lumina_api.backtest.overrides import Overrides, overrides_of
from lumina_api.backtest.replay import Replay, alerts_fired, fired_in
from lumina_api.backtest.summary import Summary
from lumina_api.backtest.trial import Scope, Trial
from lumina_api.commands.asking import fail
from lumina_api.commands.settings import read_settings
from lumina_api.commands.times import nanoseconds_of
from lumina_api.log import MissingTopic
from lumina_api.stack.state import of_running_stack
from lumina_api.text import plain
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.price_file import PriceFileError
from lumina_schemas.settings import Settings
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.series.rules import Rules

LOOK_EVERY = 1024  # calls between two looks at the clock
COMPLAINTS = 20  # lines that cannot be read are named; more are only counted
LATE_MS = 600_000  # calls arrive so long after they ended, at most


class SummaryForm(StrEnum):
    """How the summary is written."""

    text = "text"
    json = "json"


def backtest(
    input: Annotated[
        str,
        typer.Option(metavar="FILE", help="Calls as `lumina normalise` prints them; - is stdin. No server."),
    ] = "",
    topic: Annotated[str, typer.Option(help="A landing topic of raw OTLP traces, such as otlp_spans.")] = "",
    since: Annotated[
        int | None,
        typer.Option(
            "--from",
            parser=nanoseconds_of,
            metavar="TIME",
            help="Print what happened from here: 24h, 7d or RFC 3339. Baselines learn from what lies before.",
        ),
    ] = None,
    until: Annotated[
        int | None, typer.Option("--to", parser=nanoseconds_of, metavar="TIME", help="Until before here.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="RULE=VALUE", help="In place of what every rule says; repeatable."),
    ] = None,
    project: Annotated[str, typer.Option(help="Only this project.")] = "",
    service: Annotated[str, typer.Option(help="Only this service.")] = "",
    endpoint: Annotated[str, typer.Option(help="Only this endpoint.")] = "",
    with_commands: Annotated[
        bool, typer.Option("--with-commands", help="Obey acknowledgements, snoozes and resolves of the log.")
    ] = False,
    summary: Annotated[
        SummaryForm, typer.Option(help="How the summary on stderr is written.")
    ] = SummaryForm.text,
) -> None:
    """Say what would have alerted: every change of an alert as one JSON line on stdout, a summary on stderr.

    Without --input and --topic it reads what lumina.spans retains. Nothing is written to Kafka.
    """
    try:
        overrides = overrides_of(set_ or ())
    except ValueError as error:
        fail(f"--set {error}", 2)
    if input and topic:
        fail("--input and --topic are two logs: name one.", 2)
    within = (ALL[0] if since is None else since // 10**6, ALL[1] if until is None else until // 10**6)
    if within[1] <= within[0]:
        fail("--to must lie behind --from.", 2)
    settings = read_settings()
    outcome = Outcome(sys.stdout.buffer.write, within)
    scope = Scope(project, service, endpoint)
    try:
        if input:
            found = captured(input, Rules.from_settings(settings), overrides, scope, outcome)
        else:
            settings = of_running_stack(settings)
            found = asyncio.run(replayed(settings, overrides, scope, outcome, within, topic, with_commands))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # Whoever read has seen enough (`| head`). What is still buffered has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except (MissingTopic, KafkaSettingsError, PriceFileError) as error:
        fail(str(error))
    except (KafkaError, OSError) as error:
        if input:
            why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
            fail(f"{input} cannot be read: {why}.")
        where = settings.kafka_bootstrap_servers or f"127.0.0.1:{settings.kafka_port}"
        fail(f"Kafka at {where} cannot be read: {error!r}. Is the stack up (`lumina status`)?")
    as_json = summary is SummaryForm.json
    print(msgspec.json.encode(found).decode() if as_json else "\n".join(lines(found)), file=sys.stderr)


def captured(name: str, rules: Rules, overrides: Overrides, scope: Scope, outcome: Outcome) -> Summary:
    """Calls of a file through a trial. Raises OSError."""
    trial = Trial(rules, overrides, outcome.publish, _now(), by_position=False, scope=scope)

    def broken(number: int, why: str) -> None:
        outcome.unreadable += 1
        if outcome.unreadable <= COMPLAINTS:
            print(f"{plain(name, 200)}, line {number} is left out: {plain(why, 200)}.", file=sys.stderr)

    with Captured(name, broken) as file:
        settle_memory()
        for number, call in enumerate(file.calls()):
            trial.call(call)
            if not number % LOOK_EVERY:
                outcome.progress(trial)
        outcome.others = file.others
    return outcome.summary(trial, None)


async def replayed(
    settings: Settings,
    overrides: Overrides,
    scope: Scope,
    outcome: Outcome,
    within: tuple[int, int],
    topic: str,
    with_commands: bool,
) -> Summary:
    """A log on Kafka through a trial. Raises MissingTopic, KafkaError, PriceFileError."""
    since_ms, until_ms = within
    trial = Trial(Rules.from_settings(settings), overrides, outcome.publish, _now(), scope=scope)
    replay = Replay(settings, [trial], lambda: outcome.progress(trial))
    settle_memory()
    if topic:
        await replay.landed(topic, until_ms + LATE_MS)
    else:
        await replay.spans(until_ms + LATE_MS, with_commands)
    outcome.unreadable = replay.unreadable
    alerts = await alerts_fired(settings)
    if alerts is None:
        return outcome.summary(trial, None)
    # What did fire outside of the time that the log tells of cannot be compared with it.
    begin_ms, end_ms = max(since_ms, trial.first_ms), min(until_ms, trial.last_ms + 1)
    return outcome.summary(trial, fired_in(alerts, scope, begin_ms, end_ms))


def _now() -> str:
    return rfc3339(time.time_ns() // 10**6)
