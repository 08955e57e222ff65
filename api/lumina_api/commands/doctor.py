"""`lumina doctor`: what is not as it should be, and what to do."""

import asyncio
from typing import Annotated

import msgspec
import typer
from aiokafka.errors import KafkaError

from lumina_api.commands.asking import running_settings
from lumina_api.doctor import checks
from lumina_api.doctor.cluster import facts_of, keys_of
from lumina_api.doctor.finding import Finding, fail, ok
from lumina_api.doctor.ingest import Refused, ingest_lines, ingest_of
from lumina_api.doctor.machine import machine_facts
from lumina_api.log import MissingTopic
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings

DEADLINE_S = 60.0

app = typer.Typer(help="What is not as it should be, and what to do.", invoke_without_command=True)


@app.callback()
def doctor(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a finding.")] = False,
) -> None:
    """Look at Kafka, topics, lag, clock, disk, memory and keys. Exit status 1 where something fails."""
    if context.invoked_subcommand is not None:
        return
    findings = asyncio.run(examine(running_settings()))
    for finding in findings:
        print(msgspec.json.encode(finding).decode() if as_json else text_of(finding))
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


@app.command()
def ingest(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a request.")] = False,
) -> None:
    """The last requests that the gateway took or refused, and why."""
    try:
        requests = ingest_of(running_settings())
    except Refused as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    if as_json:
        for request in requests:
            print(msgspec.json.encode(request).decode())
    else:
        print("\n".join(ingest_lines(requests)))


async def examine(settings: Settings) -> list[Finding]:
    """Every check that can be made; where Kafka does not answer, those that need none."""
    findings: list[Finding] = []
    keys: int | None = None
    try:
        async with asyncio.timeout(DEADLINE_S):
            facts = await facts_of(settings)
            findings += checks.brokers(facts, settings)
            findings += checks.topics(facts, settings)
            findings += checks.lags(facts)
            findings.append(checks.clock(facts))
            keys = await keys_of(settings)
    except (KafkaError, KafkaSettingsError, MissingTopic, OSError) as error:
        where = settings.kafka_bootstrap_servers or f"127.0.0.1:{settings.kafka_port}"
        findings.append(
            fail(
                "broker",
                f"Kafka at {where} cannot be used: {error!r}",
                "Nothing is taken or processed. Check that it runs, that its advertised addresses can be "
                "reached from here, and KAFKA_BOOTSTRAP_SERVERS, KAFKA_SECURITY_PROTOCOL and KAFKA_SASL_*.",
            )
        )
    findings += checks.machine(machine_facts(settings), settings)
    findings += checks.access(settings, keys)
    findings.append(ok("settings", f"prefix {settings.topic_prefix}, generation {settings.generation}"))
    return findings


def text_of(finding: Finding) -> str:
    """A finding as a person reads it."""
    advice = f"\n       {finding.advice}" if finding.advice else ""
    return f"{finding.verdict:5}  {finding.check}: {finding.found}{advice}"
