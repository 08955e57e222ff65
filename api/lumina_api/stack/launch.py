"""`lumina up`: one stack on one data folder, from taken ports to the last child's end."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from lumina_api.access.binding import check_access
from lumina_api.access.refused import AccessSettingsError
from lumina_api.provision import ProvisionError, provision
from lumina_api.stack.broker import BrokerError, prepare
from lumina_api.stack.greeting import already, greeting
from lumina_api.stack.jars import JarError
from lumina_api.stack.lock import LockError
from lumina_api.stack.plan import Addresses, PortTaken, addresses, children, client_host, resolved
from lumina_api.stack.ports import NoPort
from lumina_api.stack.process import end, process_of
from lumina_api.stack.state import (
    Ports,
    StackState,
    announcement,
    hold,
    read_state,
    remove_state,
    write_state,
)
from lumina_api.stack.supervisor import ChildSpec, Limits, StackDown, Supervisor
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings

LEFTOVER_DEADLINE_S = 10.0
FIRST_READY_DEADLINE_S = 120.0

FAILURES = (
    AccessSettingsError,
    BrokerError,
    JarError,
    KafkaSettingsError,
    LockError,
    NoPort,
    PortTaken,
    ProvisionError,
    StackDown,
)
"""What can keep a stack from running; the message of each says what to do."""

Plan = Callable[[Settings, Ports], list[ChildSpec]]


def say(message: str) -> None:
    """Tell a person; standard output belongs to what was asked for."""
    print(message, file=sys.stderr, flush=True)


def show(line: str, as_json: bool) -> None:
    """Show what a child prints: on standard output, unless that holds the JSON line."""
    with contextlib.suppress(OSError):  # nobody looks any more: no reason to stop the stack
        print(line, file=sys.stderr if as_json else sys.stdout, flush=True)


def up(settings: Settings, as_json: bool, plan: Plan | None = None, limits: Limits | None = None) -> int:
    """Run the stack in the foreground until a signal; returns the exit status.

    0: stopped by Ctrl-C, SIGTERM or SIGHUP, or the stack was running already. 1: it could not start, or a
    child crashed too often. `plan` replaces the children (tests).
    """
    data_dir = settings.data_dir.absolute()
    try:
        with hold(data_dir) as held:
            if not held:
                return _second(data_dir, as_json)
            try:
                return _run(settings, as_json, plan or _plan(settings), limits)
            except FAILURES as error:
                say(f"Lumina stopped: {error}")
                return 1
            finally:
                remove_state(data_dir)
    except OSError as error:
        say(f"The data folder {data_dir} cannot be used: {error}. Set LUMINA_DATA_DIR to another.")
        return 1
    except KeyboardInterrupt:  # before there was anything to stop
        return 0


def _plan(settings: Settings) -> Plan:
    def plan(ready_settings: Settings, ports: Ports) -> list[ChildSpec]:
        broker = None
        if ports.kafka:
            folder = ready_settings.data_dir / "kafka"
            broker = prepare(folder, ports.kafka, ports.controller, say, ready_settings.cache_dir)
        return children(ready_settings, ports, broker, _plays_demo(settings))

    return plan


def _plays_demo(settings: Settings) -> bool:
    if settings.demo and settings.auth_required and not settings.admin_key:
        say("No demo is played: keys are required, and the demo has one by LUMINA_ADMIN_KEY alone.")
        return False
    return settings.demo


def _run(settings: Settings, as_json: bool, plan: Plan, limits: Limits | None) -> int:
    data_dir = settings.data_dir.absolute()
    if (left := read_state(data_dir)) and (ended := end(left.processes, LEFTOVER_DEADLINE_S)):
        named = ", ".join(f"{process.name} (pid {process.pid})" for process in ended)
        say(f"Ended what an earlier stack left running: {named}.")
    remove_state(data_dir)
    check_access(settings)
    where = addresses(settings)
    for what, choice in where.moved:
        say(f"Port {choice.wanted} ({what}) is taken by {choice.taken_by}: using {choice.port}.")
    settings = resolved(settings, where.ports)
    return asyncio.run(_supervise(settings, where, as_json, plan(settings, where.ports), limits))


async def _supervise(
    settings: Settings, where: Addresses, as_json: bool, specs: list[ChildSpec], limits: Limits | None
) -> int:
    if not where.ports.kafka:
        await provision(settings)
    ready = False
    supervisor = Supervisor(
        specs, settings.data_dir / "logs", say, lambda: note(), limits, lambda line: show(line, as_json)
    )
    own = process_of("lumina", os.getpid())

    def state() -> StackState:
        return StackState(
            ready=ready,
            host=client_host(settings),
            ports=where.ports,
            kafka=settings.kafka_bootstrap_servers,
            data_dir=str(settings.data_dir),
            topic_prefix=settings.topic_prefix,
            generation=settings.generation,
            processes=((own,) if own else ()) + supervisor.processes,
        )

    def note() -> None:
        write_state(settings.data_dir, state())

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup the terminal's end is to be outlived.
        if number is not signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, supervisor.stop)
    say(f"Starting Lumina: {', '.join(spec.name for spec in specs)}. Logs: {settings.data_dir / 'logs'}")

    async def announce() -> None:
        nonlocal ready
        await supervisor.ready()
        ready = True
        note()
        if as_json:
            print(announcement(state()).decode(), flush=True)
        else:
            print(greeting(state()), flush=True)

    announcing = asyncio.create_task(announce())
    try:
        await supervisor.run()
    finally:
        announcing.cancel()
    say("Lumina stopped. Its data stays in " + str(settings.data_dir))
    return 0


def _second(data_dir: Path, as_json: bool) -> int:
    """Say where the stack is that runs on this folder already."""
    state = asyncio.run(_ready_state(data_dir))
    if state is None:
        say(f"Another `lumina` command uses {data_dir}, and no stack came up there. Try again later.")
        return 1
    if as_json:
        print(announcement(state).decode(), flush=True)
    else:
        print(already(state), flush=True)
    return 0


async def _ready_state(data_dir: Path) -> StackState | None:
    """State of the running stack once it is ready; None where it does not become so in time."""
    state = None
    try:
        async with asyncio.timeout(FIRST_READY_DEADLINE_S):
            while not ((state := read_state(data_dir)) and state.ready):
                with hold(data_dir) as free:
                    if free:  # it has gone meanwhile
                        return None
                await asyncio.sleep(0.2)
    except TimeoutError:
        return None
    return state
