"""The command line `lumina`: each command lives with what it commands, and is registered here."""

import logging

import typer

from lumina_api.commands.alerts import ack, resolve, snooze
from lumina_api.commands.backtest import backtest
from lumina_api.commands.baselines import baselines
from lumina_api.commands.dlq import app as dlq
from lumina_api.commands.mark import mark
from lumina_api.commands.normalise import normalise_files
from lumina_api.commands.partitions import partitions
from lumina_api.commands.reprice import command as reprice
from lumina_api.commands.rule import app as rule
from lumina_api.commands.stack import down, reset, status, up
from lumina_api.commands.tail import tail
from lumina_api.commands.topics import topics
from lumina_api.demo.command import demo

# Its complaints come once an attempt; a command says once, in words, what it could not do.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

app = typer.Typer(
    name="lumina",
    help="Observability of LLM applications: OpenTelemetry in, priced calls, baselines and alerts out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    up,
    status,
    down,
    tail,
    ack,
    snooze,
    resolve,
    mark,
    demo,
    topics,
    partitions,
    baselines,
    reset,
):
    app.command()(command)
app.command("normalise")(normalise_files)
app.command("backtest")(backtest)
app.command("reprice")(reprice)
app.add_typer(rule, name="rule")
app.add_typer(dlq, name="dlq")
