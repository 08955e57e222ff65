"""The command `lumina demo`."""

import asyncio
import logging
import os
import signal
import sys
import time
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from lumina_api.access.credentials import own_headers
from lumina_api.commands.settings import read_settings
from lumina_api.demo.erase import DEADLINE_S, erase
from lumina_api.demo.play import NoReceiver, Performance, play
from lumina_api.demo.rest import Rest
from lumina_api.demo.turn import stop_other, turn
from lumina_api.stack.plan import client_host
from lumina_api.stack.state import of_running_stack, running_state
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings


def demo(
    endpoint: Annotated[
        str, typer.Option(help="OTLP/HTTP base URL. Default: the stack here, OTEL_EXPORTER_OTLP_ENDPOINT.")
    ] = "",
    seed: Annotated[int, typer.Option(help="Another seed plays other calls.")] = 7,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Live calls a second, on average.")] = 4.0,
    duration: Annotated[float | None, typer.Option(min=0, help="Seconds of live traffic.")] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Every incident once; status 1 if one stays without its alert.")
    ] = False,
    until_real: Annotated[
        bool, typer.Option("--until-real", help="End when a span of another project arrives.")
    ] = False,
    no_history: Annotated[bool, typer.Option("--no-history", help="Live traffic only.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take all demo data out and end.")] = False,
) -> None:
    """Play demo traffic: four services, a day of history, then live calls with incidents."""
    # The exporter complains at each attempt; what could not be sent is counted and said once.
    for noisy in ("opentelemetry", "aiokafka"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    settings = of_running_stack(read_settings())
    if remove:
        raise typer.Exit(_remove(settings))
    performance = Performance(
        endpoint=endpoint or _otlp(settings),
        api=_api(settings),
        settings=settings,
        seed=seed,
        rate=rate,
        duration_s=duration,
        once=once,
        until_real=until_real,
        history=not no_history,
    )
    with turn(settings.data_dir) as ours:
        if not ours:
            log = settings.data_dir / "logs" / "demo.log"
            print(f"A demo plays already; under `lumina up` its log is {log}.", file=sys.stderr)
            raise typer.Exit(1)
        raise typer.Exit(asyncio.run(_play(performance)))


async def _play(performance: Performance) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        return await play(performance, stop, _say)
    except NoReceiver as error:
        print(error, file=sys.stderr)
        return 1


def _remove(settings: Settings) -> int:
    if not stop_other(settings.data_dir):
        print("The demo that plays now does not end: stop it, then remove its data.", file=sys.stderr)
        return 1
    try:
        gone = asyncio.run(_erase(settings))
    except (KafkaError, KafkaSettingsError, OSError) as error:
        print(f"Nothing was removed, Kafka cannot be written: {error}. Is the stack up?", file=sys.stderr)
        return 1
    if gone:
        print("The demo's data is removed.")
        return 0
    print(
        f"The removal is recorded, but REST at {_api(settings)} has not shown it within {DEADLINE_S:g} s. "
        "Views obey it as soon as they read it.",
        file=sys.stderr,
    )
    return 1


async def _erase(settings: Settings) -> bool:
    rest = Rest(_api(settings), own_headers(settings))
    try:
        return await erase(settings, rest)
    finally:
        await rest.close()


def _otlp(settings: Settings) -> str:
    if state := running_state(settings.data_dir):
        return state.otlp_http
    given = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    return given or f"http://{client_host(settings)}:{settings.otlp_http_port}"


def _api(settings: Settings) -> str:
    state = running_state(settings.data_dir)
    return state.api if state else f"http://{client_host(settings)}:{settings.port}"


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}".replace("\n", "\n" + " " * 10), flush=True)
