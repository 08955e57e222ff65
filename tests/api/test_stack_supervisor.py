"""The supervisor over real child processes."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from lumina_api.stack.logs import bound, log_path, open_log, tail
from lumina_api.stack.supervisor import ChildSpec, Limits, StackDown, Supervisor

FAST = Limits(backoff_s=0.02, backoff_max_s=0.1, stop_s=2.0)

# Sleeps until SIGTERM, then writes its name into the file `stops` and leaves with status 0.
SLEEPER = """
import os, signal, sys, time
def leave(*_):
    with open("stops", "a") as stops:
        stops.write(sys.argv[1] + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, leave)
open(sys.argv[1] + ".up", "w").close()
while True:
    time.sleep(60)
"""
# As above, but deaf to SIGTERM.
DEAF = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[1] + ".up", "w").close()
time.sleep(600)
"""
CRASHER = """
import sys
print("all is lost", file=sys.stderr)
sys.exit(3)
"""


async def until(condition: Callable[[], object], deadline_s: float = 15.0) -> None:
    async with asyncio.timeout(deadline_s):
        while not condition():
            await asyncio.sleep(0.02)


def exists(path: Path) -> Callable[[], Awaitable[str]]:
    async def ready() -> str:
        return "" if path.exists() else f"{path.name} is missing"

    return ready


async def at_once() -> str:
    return ""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def child(name: str, here: Path, program: str = SLEEPER, requires: tuple[str, ...] = ()) -> ChildSpec:
    ready = exists(here / f"{name}.up") if program != CRASHER else exists(here / "never")
    return ChildSpec(name, (sys.executable, "-c", program, name), dict(os.environ), ready, requires)


class Stack:
    """A supervisor under test, with all that it said."""

    def __init__(self, here: Path, *specs: ChildSpec, limits: Limits = FAST) -> None:
        self.strangers = _children()  # the suite's own broker, for one
        self.said: list[str] = []
        self.shown: list[str] = []
        self.supervisor = Supervisor(
            specs, here / "logs", self.said.append, limits=limits, show=self.shown.append
        )
        self.seen: set[int] = set()
        self.running = asyncio.create_task(self.supervisor.run())

    def pid(self, name: str) -> int:
        found = {p.name: p.pid for p in self.supervisor.processes}.get(name, 0)
        self.seen.add(found)
        return found

    def no_child_is_left(self) -> bool:
        return _children() <= self.strangers


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))


async def test_starts_what_is_required_first_and_stops_in_reverse(here: Path) -> None:
    stack = Stack(
        here, child("a", here), child("b", here, requires=("a",)), child("c", here, requires=("b",))
    )
    await until(lambda: (here / "a.up").exists())
    await asyncio.wait_for(stack.supervisor.ready(), 15)
    born = [(here / f"{name}.up").stat().st_mtime_ns for name in "abc"]
    assert born == sorted(born)
    assert len(stack.supervisor.processes) == 3
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)
    assert (here / "stops").read_text().split() == ["c", "b", "a"]
    assert stack.no_child_is_left()
    assert not stack.supervisor.processes


async def test_a_killed_child_is_reported_and_comes_back(here: Path) -> None:
    stack = Stack(here, child("a", here), child("b", here))
    await asyncio.wait_for(stack.supervisor.ready(), 15)
    first, other = stack.pid("a"), stack.pid("b")
    os.kill(first, signal.SIGKILL)
    await until(lambda: stack.pid("a") not in (0, first))
    assert stack.pid("b") == other
    assert any("a crashed (signal SIGKILL), restarting in 0.02 s" in line for line in stack.said)
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)


async def test_a_dependent_waits_for_a_crashed_requirement(here: Path) -> None:
    stack = Stack(here, child("a", here), child("b", here, requires=("a",)))
    await asyncio.wait_for(stack.supervisor.ready(), 15)
    a, b = stack.pid("a"), stack.pid("b")
    (here / "a.up").unlink()
    (here / "b.up").unlink()
    os.kill(a, signal.SIGKILL)
    await until(lambda: stack.pid("a") == 0 or stack.pid("a") != a)
    os.kill(b, signal.SIGKILL)
    await asyncio.wait_for(stack.supervisor.ready(), 15)
    await until(lambda: stack.pid("b") not in (0, b))
    await until(lambda: (here / "b.up").exists())
    assert (here / "b.up").stat().st_mtime_ns > (here / "a.up").stat().st_mtime_ns
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)


async def test_five_crashes_take_the_stack_down_with_its_last_words(here: Path) -> None:
    stack = Stack(here, child("a", here), child("b", here, CRASHER))
    with pytest.raises(StackDown, match=r"b crashed \(exit status 3\), 5 times within 120 s") as down:
        await asyncio.wait_for(stack.running, 20)
    assert str(down.value).count("| all is lost") == 1  # of this run, not of the four before
    pauses = [
        line.partition("restarting in ")[2].split(" s")[0] for line in stack.said if "restarting" in line
    ]
    assert pauses == ["0.02", "0.04", "0.08", "0.1"]
    assert (here / "stops").read_text().split() == ["a"]
    assert stack.no_child_is_left()


async def test_crashes_long_past_are_forgiven(here: Path) -> None:
    limits = Limits(crashes=2, window_s=0.2, backoff_s=0.3, stop_s=2.0)
    stack = Stack(here, child("b", here, CRASHER), limits=limits)
    await until(lambda: sum("restarting" in line for line in stack.said) >= 3)
    assert not stack.running.done()
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)


async def test_a_deaf_child_is_killed_after_the_deadline(here: Path) -> None:
    stack = Stack(here, child("a", here, DEAF), limits=Limits(stop_s=0.3))
    await asyncio.wait_for(stack.supervisor.ready(), 15)
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)
    assert "a did not stop within 0.3 s: killing it." in stack.said
    assert stack.no_child_is_left()


async def test_a_second_stop_kills_at_once(here: Path) -> None:
    stack = Stack(here, child("a", here, DEAF), limits=Limits(stop_s=600))
    await asyncio.wait_for(stack.supervisor.ready(), 15)
    stack.supervisor.stop()
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)
    assert stack.no_child_is_left()


async def test_an_optional_child_may_end_or_fail_for_good(here: Path) -> None:
    def optional(name: str, program: str) -> ChildSpec:
        command = (sys.executable, "-c", program)
        return ChildSpec(name, command, dict(os.environ), at_once, requires=("a",), essential=False)

    stack = Stack(here, child("a", here), optional("done", "pass"), optional("bad", CRASHER))
    await until(lambda: any("bad is not restarted" in line for line in stack.said))
    await until(lambda: "done has ended." in stack.said)
    assert not any("done crashed" in line for line in stack.said)
    assert stack.pid("a")
    assert not stack.running.done()
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)


async def test_a_command_that_does_not_exist_takes_the_stack_down(here: Path) -> None:
    spec = ChildSpec("ghost", (str(here / "no-such-program"),), {}, at_once)
    stack = Stack(here, child("a", here), spec)
    with pytest.raises(StackDown, match="ghost cannot be started"):
        await asyncio.wait_for(stack.running, 15)
    assert stack.no_child_is_left()


async def test_what_follows_readiness_runs_before_dependents_start(here: Path) -> None:
    order: list[str] = []

    async def then() -> None:
        order.append("then")
        assert not (here / "b.up").exists()

    first = child("a", here)
    first = ChildSpec("a", first.command, first.env, first.ready, then=then)
    stack = Stack(here, first, child("b", here, requires=("a",)))
    await asyncio.wait_for(stack.supervisor.ready(), 15)
    assert order == ["then"]
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)


async def test_a_child_that_never_gets_ready_is_mentioned_and_restarted(here: Path) -> None:
    spec = child("a", here)
    spec = ChildSpec("a", spec.command, spec.env, exists(here / "never"))
    limits = Limits(crashes=2, backoff_s=0.01, quiet_s=0.2, ready_s=0.5, stop_s=1)
    stack = Stack(here, spec, limits=limits)
    with pytest.raises(StackDown, match="a crashed"):
        await asyncio.wait_for(stack.running, 15)
    assert "a is not ready yet: never is missing" in stack.said
    assert any("a is not ready after 0 s" in line for line in stack.said)


async def test_a_shown_childs_lines_are_shown_while_they_come_and_to_the_last(here: Path) -> None:
    program = (
        "import signal, sys, time\n"
        "def leave(*_):\n"
        "    print('and gone'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, leave)\n"
        "print('in\x1b[2J  jected', flush=True)\n"
        "time.sleep(600)\n"
    )
    command = (sys.executable, "-c", program)
    stack = Stack(here, child("a", here), ChildSpec("d", command, dict(os.environ), at_once, shown=True))
    await until(lambda: stack.shown == ["d | in·[2J  jected"])
    assert (here / "logs" / "d.log").read_bytes() == b"in\x1b[2J  jected\n"
    stack.supervisor.stop()
    await asyncio.wait_for(stack.running, 15)
    assert stack.shown[1:] == ["d | and gone"]


async def test_each_run_of_a_shown_child_is_shown_once(here: Path) -> None:
    command = (sys.executable, "-c", CRASHER)
    stack = Stack(here, ChildSpec("b", command, dict(os.environ), at_once, shown=True))
    with pytest.raises(StackDown):
        await asyncio.wait_for(stack.running, 20)
    assert stack.shown == ["b | all is lost"] * FAST.crashes


def test_a_log_stays_bounded_under_an_open_writer(tmp_path: Path) -> None:
    with open_log(tmp_path, "a") as log:
        log.write(b"x" * 100 + b"\n")
        bound(tmp_path, ["a", "unknown"], limit=50)
        log.write(b"after\n")
    assert log_path(tmp_path, "a").read_bytes() == b"after\n"
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 100 + b"\n"


def test_the_tail_of_a_log_survives_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"%d \xff\n" % number for number in range(50)))
    assert tail(path, 2) == ["48 \N{REPLACEMENT CHARACTER}", "49 \N{REPLACEMENT CHARACTER}"]
    assert tail(path, since=path.stat().st_size - 5) == ["49 \N{REPLACEMENT CHARACTER}"]
    assert len(tail(path, since=10_000)) == 15  # the log was cut meanwhile
    assert tail(tmp_path / "none.log") == []
