"""The command line `lumina`: each command lives with what it commands, and is registered here."""

import logging
import sys

import structlog
import typer

from lumina_api.commands.alerts import ack, feedback, resolve, snooze
from lumina_api.commands.archive import export_archive, import_archive
from lumina_api.commands.backtest import backtest
from lumina_api.commands.baselines import baselines
from lumina_api.commands.budget import app as budget
from lumina_api.commands.dlq import app as dlq
from lumina_api.commands.doctor import app as doctor
from lumina_api.commands.erase import erase
from lumina_api.commands.keys import app as keys
from lumina_api.commands.mark import mark
from lumina_api.commands.normalise import normalise_files
from lumina_api.commands.partitions import partitions
from lumina_api.commands.reprice import command as reprice
from lumina_api.commands.reset import reset
from lumina_api.commands.retention import retention
from lumina_api.commands.rule import app as rule
from lumina_api.commands.stack import down, status, up
from lumina_api.commands.tail import tail
from lumina_api.commands.topics import topics
from lumina_api.commands.usage import usage
from lumina_api.demo.command import demo

# Its complaints come once an attempt; a command says once, in words, what it could not do.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

# stdout is for what was asked: others read it as JSON.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

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
    feedback,
    mark,
    demo,
    topics,
    partitions,
    baselines,
    usage,
    erase,
    retention,
    reset,
):
    app.command()(command)
app.command("normalise")(normalise_files)
app.command("backtest")(backtest)
app.command("reprice")(reprice)
app.command("export")(export_archive)
app.command("import")(import_archive)
app.add_typer(rule, name="rule")
app.add_typer(budget, name="budget")
app.add_typer(keys, name="keys")
app.add_typer(dlq, name="dlq")
app.add_typer(doctor, name="doctor")
