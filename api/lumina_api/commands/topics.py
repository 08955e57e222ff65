"""`lumina topics`: the declared topics beside what the cluster has."""

import asyncio
import sys
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from lumina_api.commands.settings import read_settings
from lumina_api.inventory import Inventory, take_inventory
from lumina_api.provision import ProvisionError, provision
from lumina_api.stack.state import of_running_stack
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings
from lumina_schemas.topics import TOPICS


def table(settings: Settings, inventory: Inventory) -> list[str]:
    """One line a declared topic: name, partitions, records, cleanup, writer, readers."""
    found = {topic.name: topic for topic in inventory.topics}
    width = max(len(settings.topic(topic)) for topic in TOPICS)
    lines = [f"{'topic':{width}}  partitions  {'records':>10}  cleanup  writer -> readers"]
    for topic in TOPICS:
        name = settings.topic(topic)
        content = found.get(name)
        if content is None:
            has = f"{'not in use' if not settings.uses(topic) else 'MISSING':>10}  {'':>10}"
        else:
            has = f"{content.partitions:>10}  {content.records:>10}"
        readers = ", ".join(topic.readers)
        lines.append(f"{name:{width}}  {has}  {topic.cleanup:7}  {topic.writer} -> {readers}")
    return lines


def topics(
    create: Annotated[bool, typer.Option("--create", help="Create the missing ones first.")] = False,
) -> None:
    """List Lumina's topics, and with --create make the missing ones. Of those that exist nothing is altered,
    but the retention where LUMINA_MANAGE_TOPICS says so.
    """
    settings = of_running_stack(read_settings())

    async def run() -> Inventory:
        if create:
            await provision(settings)
        return await take_inventory(settings)

    try:
        inventory = asyncio.run(run())
    except (ProvisionError, KafkaSettingsError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from error
    except (KafkaError, OSError) as error:
        print(f"Kafka cannot be reached: {error!r}. Is the stack up (`lumina status`)?", file=sys.stderr)
        raise typer.Exit(1) from error
    print("\n".join(table(settings, inventory)))
