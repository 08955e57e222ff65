"""The local data folder, emptied: and nothing that might be anything else."""

import shutil
from pathlib import Path

from lumina_api.stack.state import LOCK


class NotOurs(RuntimeError):
    """The folder is not, or not only, a data folder of Lumina."""


def check(folder: Path) -> None:
    """Raise NotOurs unless the folder is one that `lumina up` used and holds nothing it must not."""
    folder = folder.resolve()
    if folder == Path.home().resolve() or folder in (Path.cwd().resolve(), *Path.cwd().resolve().parents):
        raise NotOurs(f"{folder} is your home or working folder: it is not emptied. Check LUMINA_DATA_DIR.")
    if (folder / ".git").exists() or not (folder / LOCK).exists():
        raise NotOurs(
            f"{folder} is no data folder of a local stack: it is not emptied. Check LUMINA_DATA_DIR, or "
            "remove it by hand."
        )


def contents(folder: Path) -> list[Path]:
    """What a reset removes: everything but the lock that whoever resets holds."""
    return sorted(path for path in folder.iterdir() if path.name != LOCK)


def empty(folder: Path) -> None:
    """Remove the contents. Links are removed, never followed."""
    for path in contents(folder):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
