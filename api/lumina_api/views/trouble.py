"""What can keep the views from their work: the cause for a metric, and words that say what to do."""

import errno
import os
from enum import StrEnum
from pathlib import Path


class Cause(StrEnum):
    """Why the views stand still, as `lumina_views_stopped` names it."""

    STARTING = "starting"
    FILE_IN_USE = "file_in_use"
    DISK_FULL = "disk_full"
    FILE = "file"
    """Its rights, its damage, or a write that failed for a reason not named here."""
    KAFKA = "kafka"
    LOG = "log"
    """A topic is missing, or is another one than before."""
    READER = "reader"
    """An error of Lumina's own."""

    @property
    def outlasts_attaching(self) -> bool:
        """Whether only a write shows that it is over: a full disk still opens its files."""
        return self in (Cause.DISK_FULL, Cause.FILE)


# EFBIG: a limit of the process or of the file system; what it means and what helps is the same.
_FULL = tuple(os.strerror(number).lower() for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG))

# DuckDB limits what it spills to what was free when it began.
_SPILL = "max_temp_directory_size"


def is_full(error: BaseException) -> bool:
    """Whether an error of DuckDB or of the system says that there is no room to write."""
    text = str(error).lower()
    return _SPILL in text or any(said in text for said in _FULL)


def disk_full(path: Path) -> str:
    """What to tell where the views' file cannot grow."""
    return (
        f"No room is left to write in {path.parent}: the views' file {path.name} cannot grow. "
        "Nothing is lost while the log on Kafka keeps it; the views go on by themselves once there is room. "
        "Free space there, raise its quota or file size limit, or name another place with LUMINA_VIEWS_PATH."
    )
