"""Slots: which of a machine's workers this process is."""

import fcntl
import os
import socket
from pathlib import Path

MAX_SLOTS = 256


class Slot:
    """A number that no other worker on this data folder has, held by a file lock until the process ends.

    The group instance id `<host>-<slot>` follows from it. With static membership a worker that comes back
    within the session timeout gets its partitions at once and without a rebalance; two processes with one id
    would both consume everything for ever, so the lock lets that never happen.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(MAX_SLOTS):
            descriptor = os.open(folder / f"slot-{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(descriptor)
                continue
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            self._descriptor = descriptor
            self.number = number
            return
        raise RuntimeError(f"All {MAX_SLOTS} worker slots in {folder} are taken. Stop a worker first.")

    @property
    def instance_id(self) -> str:
        """Kafka's group.instance.id of this worker."""
        return f"{socket.gethostname()}-{self.number}"

    def release(self) -> None:
        """Give the slot up before the process ends."""
        os.close(self._descriptor)
