"""Logs of the stack's processes: one bounded file each."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

# Two files of this size a process: a child that logs in a loop must not fill the disk.
LIMIT_BYTES = 10 * 1024 * 1024
TAIL_BYTES = 64 * 1024


def log_path(folder: Path, name: str) -> Path:
    """Log file of a process."""
    return folder / f"{name}.log"


def open_log(folder: Path, name: str) -> BinaryIO:
    """The log, opened so that several writers and a truncation get on (O_APPEND)."""
    folder.mkdir(parents=True, exist_ok=True)
    return log_path(folder, name).open("ab", buffering=0)


def bound(folder: Path, names: Iterable[str], limit: int = LIMIT_BYTES) -> None:
    """Move what exceeds the limit into `<name>.log.1`, replacing it. Writers keep their open file."""
    for name in names:
        path = log_path(folder, name)
        if path.exists() and path.stat().st_size > limit:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)


def tail(path: Path, lines: int = 15, since: int = 0) -> list[str]:
    """The last lines of a log, decoded with replacement; none where there is no file.

    What lies before byte `since` is left out, unless the log has been cut since then.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - TAIL_BYTES, since if since <= size else 0))
            return file.read().decode("utf-8", "replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []
