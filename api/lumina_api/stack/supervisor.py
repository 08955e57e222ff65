"""The supervisor: starts children in order, watches them, restarts what crashes, stops all in reverse order.

It knows nothing of Kafka or Lumina: a child is a command, a question whether it is ready, and what it needs.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lumina_api.stack.echo import Echo
from lumina_api.stack.logs import bound, log_path, open_log, tail
from lumina_api.stack.process import Process, bound_to_parent, process_of

POLL_S = 0.1
LOG_BOUND_S = 10.0


class StackDown(RuntimeError):
    """The stack cannot go on; its message says which part failed and how."""


@dataclass(frozen=True)
class Limits:
    """How much is borne. Units are seconds."""

    crashes: int = 5
    """So many crashes of one child ..."""
    window_s: float = 120.0
    """... within this time take the stack down: a crash loop must not look like a running stack."""
    backoff_s: float = 0.5
    """Pause before the first restart; doubles with each crash in the window."""
    backoff_max_s: float = 10.0
    stop_s: float = 10.0
    """A child that ignores SIGTERM this long is killed."""
    quiet_s: float = 15.0
    """How often a child that is not ready yet is mentioned."""
    ready_s: float = 300.0
    """A child that is still not ready then is restarted."""


@dataclass(frozen=True)
class ChildSpec:
    """A child: its command, and `ready`, which answers "" when it can do its work, else why it cannot.

    It starts when the children it `requires` are ready. `then` runs each time it has become ready, before
    the others learn of it; its exceptions take the stack down. A child that is not `essential` may end
    (status 0) or fail for good without consequence. What a `shown` child prints is shown while it comes,
    beside its log.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    ready: Callable[[], Awaitable[str]]
    requires: Sequence[str] = ()
    then: Callable[[], Awaitable[None]] | None = None
    essential: bool = True
    shown: bool = False


@dataclass
class _Child:
    spec: ChildSpec
    echo: Echo | None
    process: asyncio.subprocess.Process | None = None
    record: Process | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    crashes: list[float] = field(default_factory=list)
    log_start: int = 0
    """Where in its log the present run begins, in bytes."""


class Supervisor:
    """Runs children until told to stop or one fails for good.

    `say` gets what a person should know, `show` the lines of children that are shown, `changed` is called
    whenever processes came or went.
    """

    def __init__(
        self,
        specs: Sequence[ChildSpec],
        logs: Path,
        say: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
        show: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._children = {
            spec.name: _Child(spec, Echo(log_path(logs, spec.name)) if spec.shown else None) for spec in specs
        }
        self._logs = logs
        self._say = say
        self._show = show
        self._changed = changed
        self._limits = limits or Limits()
        self._stop = asyncio.Event()
        self._kill = asyncio.Event()

    @property
    def processes(self) -> tuple[Process, ...]:
        """Children that run now."""
        return tuple(child.record for child in self._children.values() if child.record)

    def stop(self) -> None:
        """Stop all children, in reverse order of their start. Called twice: kill them at once."""
        if self._stop.is_set():
            self._kill.set()
        self._stop.set()

    async def ready(self) -> None:
        """Return once every essential child is ready."""
        await asyncio.gather(*(c.ready.wait() for c in self._children.values() if c.spec.essential))

    async def run(self) -> None:
        """Run until `stop`. Raises StackDown when a child fails for good; no child is left in either case."""
        tasks = [asyncio.create_task(self._keep(child)) for child in self._children.values()]
        tasks.append(asyncio.create_task(self._bound_logs()))
        tasks.append(asyncio.create_task(self._echo_logs()))
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while not self._stop.is_set():
                done, _ = await asyncio.wait({stopped, *tasks}, return_when=asyncio.FIRST_COMPLETED)
                tasks = [task for task in tasks if task not in done]
                for task in done - {stopped}:
                    task.result()  # a child that failed for good raises here
        finally:
            for task in (stopped, *tasks):
                task.cancel()
            await asyncio.gather(stopped, *tasks, return_exceptions=True)
            for child in reversed(self._children.values()):
                await self._end(child)
                self._echo(child, last=True)

    async def _bound_logs(self) -> None:
        while True:
            bound(self._logs, self._children)
            await asyncio.sleep(LOG_BOUND_S)

    async def _echo_logs(self) -> None:
        while True:
            for child in self._children.values():
                self._echo(child)
            await asyncio.sleep(POLL_S)

    def _echo(self, child: _Child, last: bool = False) -> None:
        if child.echo:
            for line in child.echo.lines(time.monotonic(), last):
                self._show(f"{child.spec.name} | {line}")

    async def _keep(self, child: _Child) -> None:
        spec = child.spec
        while True:
            for name in spec.requires:
                await self._children[name].ready.wait()
            process = await self._start(child)
            greeting = asyncio.create_task(self._greet(child, process))
            ending = asyncio.create_task(process.wait())
            try:
                await asyncio.wait({greeting, ending}, return_when=asyncio.FIRST_COMPLETED)
                if greeting.done():
                    greeting.result()  # what `then` raised
                code = await ending
            finally:
                greeting.cancel()
                ending.cancel()
            _kill_group(process.pid)  # what it may have started itself
            self._gone(child)
            if code == 0 and not spec.essential:
                self._say(f"{spec.name} has ended.")
                return
            if not await self._after_crash(child, code):
                return

    async def _start(self, child: _Child) -> asyncio.subprocess.Process:
        spec = child.spec
        with open_log(self._logs, spec.name) as log:
            child.log_start = log.tell()
            if child.echo:
                child.echo.start(child.log_start)
            try:
                process = await asyncio.create_subprocess_exec(
                    *bound_to_parent(spec.command),
                    env=dict(spec.env),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C is for the supervisor, which stops children in order
                )
            except OSError as error:
                raise StackDown(f"{spec.name} cannot be started: {error}") from error
        child.process = process
        child.record = process_of(spec.name, process.pid)
        self._changed()
        return process

    async def _greet(self, child: _Child, process: asyncio.subprocess.Process) -> None:
        """Wait until the child is ready, telling now and then why it is not."""
        begun = mentioned = time.monotonic()
        while why := await child.spec.ready():
            now = time.monotonic()
            if now - begun > self._limits.ready_s:
                waited = f"{self._limits.ready_s:.0f} s"
                self._say(f"{child.spec.name} is not ready after {waited} ({why}): restarting it.")
                _kill_group(process.pid)
                return
            if now - mentioned > self._limits.quiet_s:
                mentioned = now
                self._say(f"{child.spec.name} is not ready yet: {why}")
            await asyncio.sleep(POLL_S)
        if child.spec.then:
            await child.spec.then()
        child.ready.set()
        self._changed()

    async def _after_crash(self, child: _Child, code: int) -> bool:
        """Report a crash and wait the back-off out. False: do not restart. Raises StackDown at the limit."""
        spec, limits, now = child.spec, self._limits, time.monotonic()
        child.crashes = [at for at in child.crashes if now - at < limits.window_s] + [now]
        count = len(child.crashes)
        path = log_path(self._logs, spec.name)
        report = (
            "".join(f"\n  | {line}" for line in tail(path, since=child.log_start))
            or "\n  | (it logged nothing)"
        )
        what = f"{spec.name} crashed ({_how(code)})"
        if count >= limits.crashes:
            reason = f"{what}, {count} times within {limits.window_s:.0f} s. Its log is {path}:{report}"
            if spec.essential:
                raise StackDown(reason)
            self._say(f"{reason}\n{spec.name} is not restarted; everything else goes on.")
            return False
        pause = min(limits.backoff_s * 2 ** (count - 1), limits.backoff_max_s)
        self._say(f"{what}, restarting in {pause:g} s. Its log is {path}:{report}")
        await asyncio.sleep(pause)
        return True

    async def _end(self, child: _Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        ended = asyncio.create_task(process.wait())
        killed = asyncio.create_task(self._kill.wait())
        await asyncio.wait({ended, killed}, timeout=self._limits.stop_s, return_when=asyncio.FIRST_COMPLETED)
        killed.cancel()
        if not ended.done() and not self._kill.is_set():
            self._say(f"{child.spec.name} did not stop within {self._limits.stop_s:g} s: killing it.")
        _kill_group(process.pid)
        await ended
        self._gone(child)

    def _gone(self, child: _Child) -> None:
        self._echo(child, last=True)
        child.ready.clear()
        child.record = None
        self._changed()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _how(code: int) -> str:
    if code >= 0:
        return f"exit status {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
