"""A whole Lumina of its own, started for one measurement and stopped after it."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil


@contextmanager
def running_stack(**env: str) -> Iterator[dict[str, Any]]:
    """Run `lumina up --json` on free ports in a temporary folder; yields the line that it prints."""
    with tempfile.TemporaryDirectory(prefix="lumina-bench-") as folder:
        ports = _free_ports(4)
        environment = os.environ | {
            "DEMO": "0",
            "LUMINA_DAILY_TRACE_LIMIT": "0",
            "LUMINA_DATA_DIR": folder,
            "LUMINA_PORT": str(ports[0]),
            "LUMINA_OTLP_HTTP_PORT": str(ports[1]),
            "LUMINA_OTLP_GRPC_PORT": str(ports[2]),
            "LUMINA_KAFKA_PORT": str(ports[3]),
            **env,
        }
        with (Path(folder) / "up.log").open("w") as log:
            process = subprocess.Popen(
                [str(Path(sys.executable).with_name("lumina")), "up", "--json"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise RuntimeError("lumina up failed:\n" + (Path(folder) / "up.log").read_text()[-4000:])
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Memory:
    """Largest resident size of each process, in MB, over the samples taken."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.peak_mb = dict.fromkeys(pids, 0.0)
        self.last_mb = dict.fromkeys(pids, 0.0)

    def sample(self) -> None:
        """Look at every process once."""
        for name, process in self._processes.items():
            size = process.memory_info().rss / 1e6
            self.last_mb[name] = round(size, 1)
            self.peak_mb[name] = max(self.peak_mb[name], round(size, 1))

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds that each process has used so far."""
        return {name: round(sum(process.cpu_times()[:2]), 2) for name, process in self._processes.items()}
