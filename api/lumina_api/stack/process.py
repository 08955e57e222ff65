"""Processes told apart for sure, by id and time of birth (ids are reused), and children that never linger."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Sequence
from errno import ENOENT

import psutil
from msgspec import Struct

# 1 is PR_SET_PDEATHSIG (linux/prctl.h); the parent may have died before the call.
_BIND = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGTERM, 0, 0, 0)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

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


def bound_to_parent(command: Sequence[str]) -> tuple[str, ...]:
    """The command, run so that the kernel ends it when this process dies, however it dies (Linux).

    A small program sets the signal and becomes the command, under the same pid. (A `preexec_fn` would run
    Python between fork and exec, which is not safe in a process with threads: one start in a few thousand
    aborted.) Raises FileNotFoundError where there is no such program.
    """
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(ENOENT, os.strerror(ENOENT), command[0])
    if sys.platform != "linux":
        return tuple(command)
    return (sys.executable, "-I", "-S", "-c", _BIND, str(os.getpid()), str(program), *command[1:])
