"""The commands `lumina up`, `status` and `down`."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from lumina_api.commands.settings import read_settings
from lumina_api.commands.status import lines, status_of
from lumina_api.stack import launch
from lumina_api.stack.launch import say
from lumina_api.stack.process import end
from lumina_api.stack.state import read_state, remove_state, running_state
from lumina_schemas import price_file

# The supervisor stops up to six children one after the other, ten seconds each at worst.
DOWN_DEADLINE_S = 75.0


def up(
    port: Annotated[int | None, typer.Option(help="REST, dashboard, OTLP [LUMINA_PORT, 8080].")] = None,
    otlp_http_port: Annotated[
        int | None, typer.Option(help="OTLP/HTTP [LUMINA_OTLP_HTTP_PORT, 4318].")
    ] = None,
    otlp_grpc_port: Annotated[
        int | None, typer.Option(help="OTLP/gRPC [LUMINA_OTLP_GRPC_PORT, 4317].")
    ] = None,
    kafka_port: Annotated[int | None, typer.Option(help="Local Kafka [LUMINA_KAFKA_PORT, 9092].")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of all local data [LUMINA_DATA_DIR, .lumina].")
    ] = None,
    no_demo: Annotated[bool, typer.Option("--no-demo", help="No demo traffic [DEMO=0].")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON line once ready.")] = False,
) -> None:
    """Run Lumina on this machine: Kafka, gateway, stream and API, until Ctrl-C."""
    settings = read_settings(
        port=port,
        otlp_http_port=otlp_http_port,
        otlp_grpc_port=otlp_grpc_port,
        kafka_port=kafka_port,
        data_dir=data_dir,
        demo=False if no_demo else None,
    )
    try:
        price_file.read(settings.prices_file)
    except price_file.PriceFileError as error:
        say(str(error))
        raise typer.Exit(1) from error
    raise typer.Exit(launch.up(settings, as_json))


def status() -> None:
    """Show what runs, where it listens and what lies in the topics. Exit status 0 only when all is ready."""
    settings = read_settings()
    state = running_state(settings.data_dir)
    if state is None:
        say(f"No stack runs on {settings.data_dir.absolute()}. `lumina up` starts one.")
        raise typer.Exit(1)
    status = asyncio.run(status_of(state, state.told(settings)))
    print("\n".join(lines(status)))
    if not status.healthy:
        raise typer.Exit(1)


def down() -> None:
    """Stop the stack that runs on this data folder, and anything an ended one left behind."""
    settings = read_settings()
    state = read_state(settings.data_dir)
    if state is None:
        print(f"No stack runs on {settings.data_dir.absolute()}.")
        return
    # The supervisor first: it stops the others in order. What outlives it is ended one by one.
    ended = end(state.processes[:1], DOWN_DEADLINE_S)
    ended += end(state.processes[1:], DOWN_DEADLINE_S)
    remove_state(settings.data_dir)
    print(f"Stopped: {', '.join(process.name for process in ended)}." if ended else "Nothing ran any more.")
