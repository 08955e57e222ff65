"""Processes without Kafka: each change is told once, however often they try; wrong settings end them."""

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import STDOUT
from collections import Counter
from pathlib import Path

import pytest

from lumina_api.stack.environment import environment
from lumina_api.stack.ports import free_port
from lumina_schemas.settings import Settings

ATTEMPTS = 8
DEADLINE_S = 40.0


class Deaf:
    """A port that takes connections and closes them at once, as a proxy without its broker does."""

    def __init__(self) -> None:
        self.connections = 0
        self.enough = asyncio.Event()

    def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.connections >= ATTEMPTS:
            self.enough.set()
        writer.close()


@pytest.mark.parametrize(
    ("module", "warnings"),
    [
        ("lumina_api.gateway", {"kafka not ready"}),
        ("lumina_api.server", {"kafka not ready", "the views stand still"}),
        ("lumina_streams.worker", {"the worker waits"}),
    ],
)
async def test_an_outage_is_told_once(module: str, warnings: set[str], tmp_path: Path) -> None:
    deaf = Deaf()
    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    settings = Settings(
        kafka_bootstrap_servers=f"127.0.0.1:{server.sockets[0].getsockname()[1]}",
        data_dir=tmp_path / "data",
        port=free_port(),
        otlp_http_port=free_port(),
        otlp_grpc_port=free_port(),
    )
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module), env=environment(settings), stdout=out, stderr=STDOUT
        )
        try:
            await asyncio.wait_for(deaf.enough.wait(), DEADLINE_S)
            async with asyncio.timeout(DEADLINE_S):
                while not all(warning in log.read_text() for warning in warnings):
                    await asyncio.sleep(0.05)
            said = log.read_text()  # a connection that is cut while it ends is no outage
        finally:
            process.terminate()
            await asyncio.wait_for(process.wait(), DEADLINE_S)
            server.close()
            await server.wait_closed()
    lines = said.splitlines()
    told = Counter(
        line.partition("[warning  ] ")[2].partition("  ")[0] for line in lines if "warning" in line
    )
    assert told == Counter(warnings), lines
    listens = module.startswith("lumina_api")
    assert len(lines) == len(warnings) + listens, lines  # and that it listens


@pytest.mark.parametrize(
    "module", ["lumina_api.gateway", "lumina_api.server", "lumina_streams.worker", "lumina_streams.actor"]
)
def test_contradicting_kafka_settings_end_a_process_in_words(module: str, tmp_path: Path) -> None:
    env = os.environ | {"KAFKA_SECURITY_PROTOCOL": "TLS", "LUMINA_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", module], env=env, capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert ended.returncode == 1
    assert "KAFKA_SECURITY_PROTOCOL is 'TLS': it must be PLAINTEXT" in ended.stderr
    assert "Traceback" not in ended.stderr
