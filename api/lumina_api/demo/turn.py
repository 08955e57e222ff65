"""One demo at a time on a data folder: a lock file, held while a demo plays, that tells whose turn it is."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

LOCK = "demo.lock"
STOP_DEADLINE_S = 15.0
POLL_S = 0.05


@contextlib.contextmanager
def turn(data_dir: Path) -> Iterator[bool]:
    """Hold the turn for the length of a `with` block; gives False where another demo plays.

    Without a data folder (Lumina is elsewhere) there is nothing to share, and the turn is always given.
    """
    if not data_dir.is_dir():
        yield True
        return
    with (data_dir / LOCK).open("a+") as file:
        if not _take(file.fileno()):
            yield False
            return
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield True


def stop_other(data_dir: Path) -> bool:
    """Ask the demo that plays now to end; True when none plays (any more)."""
    path = data_dir / LOCK
    if not path.exists():
        return True
    with path.open("r+") as file:
        if _take(file.fileno()):
            return True
        pid = file.read().strip()
        if not pid.isdigit():  # it has just begun and has not written its name
            return False
        # The lock is held, so its holder lives and this is its pid.
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)
        deadline = time.monotonic() + STOP_DEADLINE_S
        while time.monotonic() < deadline:
            if _take(file.fileno()):
                return True
            time.sleep(POLL_S)
    return False


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
