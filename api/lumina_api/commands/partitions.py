"""`lumina partitions`: the topics that hold the series, and how they get more partitions."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from lumina_api.commands.settings import read_settings
from lumina_api.commands.telling import tell
from lumina_api.generations import Generation, Grown, GrowthError, delete, generations, grow
from lumina_api.log import MissingTopic
from lumina_api.stack.broker import BrokerError, running_broker
from lumina_api.stack.jars import JarError
from lumina_api.stack.launch import say
from lumina_api.stack.lock import LockError
from lumina_api.stack.state import hold, of_running_stack, running_state
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings


def partitions(
    to: Annotated[
        int | None, typer.Option(min=1, help="Make the next generation, with so many partitions.")
    ] = None,
    remove: Annotated[
        int | None, typer.Option("--delete", min=1, help="Delete a generation that is not in use.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")] = False,
) -> None:
    """Show the topics that hold the series, or copy them into a generation with more partitions."""
    if to is not None and remove is not None:
        _fail("Either --to or --delete.")
    if remove is not None and not yes:
        typer.confirm(f"Delete the topics of generation {remove}, records and all?", abort=True)
    try:
        with _kafka(read_settings()) as settings:
            if to is not None:
                asyncio.run(tell(settings, "partitions.grow", "generation", change={"to": to}))
                print("\n".join(grown_lines(settings, asyncio.run(grow(settings, to, say)))))
            elif remove is not None:
                asyncio.run(tell(settings, "partitions.delete", "generation", change={"generation": remove}))
                print(f"Deleted: {', '.join(asyncio.run(delete(settings, remove)))}.")
            else:
                print("\n".join(table(settings, asyncio.run(generations(settings)))))
    except (GrowthError, MissingTopic, KafkaSettingsError, BrokerError, JarError, LockError) as error:
        _fail(str(error))
    except (KafkaError, OSError) as error:
        _fail(
            f"Kafka cannot be reached, or did not do it: {error!r}. Nothing that is in use was changed; "
            "run this again when it is up."
        )


def table(settings: Settings, found: list[Generation]) -> list[str]:
    """One line a topic, by generation."""
    lines = []
    for one in found:
        use = "in use" if one.number == settings.generation else "" if one.whole else "an interrupted copy"
        lines += [
            f"generation {one.number:<3} {name:40} {count:>5} partitions  {use}".rstrip()
            for name, count in one.topics.items()
        ]
    return lines or [f"There is no generation {settings.generation} yet: `lumina topics --create` makes it."]


def grown_lines(settings: Settings, grown: Grown) -> list[str]:
    """What was made, and what to do next."""
    made = (
        f"copied {grown.log_records:,} records of the log and {grown.state_records:,} of the states"
        if grown.log_records or grown.state_records
        else "it was made before, or there was nothing to copy"
    )
    new = settings.in_generation(grown.generation)
    return [
        f"Generation {grown.generation} has {grown.partitions} partitions: {made}.",
        f"Next: set LUMINA_GENERATION={grown.generation} for every process and start them "
        f"(here: `LUMINA_GENERATION={grown.generation} lumina up`). They read {new.topic('spans')}.",
        "When all is well, delete the old topics: "
        f"`LUMINA_GENERATION={grown.generation} lumina partitions --delete {settings.generation}`.",
    ]


@contextmanager
def _kafka(settings: Settings) -> Iterator[Settings]:
    """Settings that reach Kafka. The local one runs for the length of the command where no stack does:
    growing needs Kafka, and no workers.
    """
    folder = settings.data_dir.absolute() / "kafka"
    if settings.kafka_bootstrap_servers or running_state(settings.data_dir) or not folder.exists():
        yield of_running_stack(settings)
        return
    with hold(settings.data_dir) as held:
        if not held:
            raise GrowthError(f"Another `lumina` command uses {settings.data_dir}. Try again later.")
        say("No stack runs here: starting its Kafka for this command.")
        with running_broker(folder) as broker:
            yield settings.model_copy(update={"kafka_bootstrap_servers": broker.bootstrap_servers})


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    raise typer.Exit(1)
