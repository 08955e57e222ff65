"""Processes told apart for sure, by id and time of birth (ids are reused), and children that never linger."""

import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

import psutil
from msgspec import Struct

_PR_SET_PDEATHSIG = 1  # linux/prctl.h

# Birth is told relative to a boot time that a set clock moves; no id is given to a second process this soon.
_BIRTH_TOLERANCE_S = 3.0

KILL_DEADLINE_S = 5.0


class Process(Struct, frozen=True):
    """A process that this user started: name in the stack, pid, and time of birth (Unix seconds)."""

    name: str
    pid: int
    born: float


def process_of(name: str, pid: int) -> Process | None:
    """Record of a running process; None where it has gone already."""
    try:
        return Process(name, pid, psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def find(process: Process) -> psutil.Process | None:
    """The very process of the record, if it still runs (a zombie does not)."""
    try:
        found = psutil.Process(process.pid)
        if abs(found.create_time() - process.born) > _BIRTH_TOLERANCE_S:
            return None
        return None if found.status() == psutil.STATUS_ZOMBIE else found
    except psutil.Error:
        return None


def end(processes: Sequence[Process], deadline_s: float) -> list[Process]:
    """Terminate recorded processes that still run, kill what outlasts the deadline; returns those found."""
    found = [process for process in processes if find(process)]
    for kill, wait_s in ((False, deadline_s), (True, KILL_DEADLINE_S)):
        for process in found:
            if live := find(process):
                with contextlib.suppress(psutil.Error):
                    live.kill() if kill else live.terminate()
        # Not psutil's own waiting: it takes a zombie, which only its parent can remove, for alive.
        deadline = time.monotonic() + wait_s
        while any(map(find, found)) and time.monotonic() < deadline:
            time.sleep(0.05)
    return found


def die_with_parent() -> Callable[[], None] | None:
    """A `preexec_fn` by which the kernel ends the child when its parent dies, however it dies (Linux)."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl  # loaded here: after a fork only plain calls are safe
    parent = os.getpid()

    def bind() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    return bind
