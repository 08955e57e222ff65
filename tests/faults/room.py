"""A place with little room: a file system that is really full, or a process that may not write more."""

import asyncio
import contextlib
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

MB = 1024 * 1024


class Room:
    """A folder in which only `size` bytes can be written, until `widen`.

    A tmpfs of that size where mounting is permitted (ENOSPC). Elsewhere, or if asked for, a limit on the size
    of each file that a process writes (EFBIG), which needs no rights: it holds for processes that are
    started `with room.entered()`, and `widen` lifts it from those whose pid it is told.
    """

    def __init__(self, folder: Path, size: int, *, mount: bool = True) -> None:
        self.folder = folder
        self.size = size
        self._wish = mount
        self.mounted = False

    def __enter__(self) -> "Room":
        self.folder.mkdir(parents=True)
        if self._wish and (mount := shutil.which("mount")):
            options = ["-t", "tmpfs", "-o", f"size={self.size}", "tmpfs", str(self.folder)]
            self.mounted = subprocess.run([mount, *options], capture_output=True).returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder)], check=True)

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Processes started in this block have no more room than this."""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if not self.mounted:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    async def widen(self, *pids: int) -> None:
        """Room returns, as when somebody deletes something: 2 GB."""
        if self.mounted:
            command = ["mount", "-o", f"remount,size={2048 * MB}", str(self.folder)]
            await asyncio.to_thread(subprocess.run, command, check=True)
        for pid in pids if not self.mounted else ():
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
