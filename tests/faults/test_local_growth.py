"""Growing on one machine: `lumina up`, `down`, `partitions --to`, and `up` in the new generation."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from e2e.otlp_calls import Call, post
from e2e.stack import eventually
from lumina_api.stack.environment import environment
from lumina_api.stack.ports import free_port
from lumina_schemas.settings import Settings

UP_S = 120.0
SEEN_S = 30.0
LUMINA = str(Path(sys.executable).with_name("lumina"))


def lumina(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command, as a user types it."""
    return subprocess.run([LUMINA, *arguments], env=env, capture_output=True, text=True, timeout=UP_S)


@contextmanager
def running(env: dict[str, str], log: Path) -> Iterator[dict[str, Any]]:
    """A local stack for the length of a `with` block; gives what `lumina up --json` says."""
    with (
        log.open("w") as said,
        subprocess.Popen([LUMINA, "up", "--json"], env=env, stdout=subprocess.PIPE, stderr=said) as up,
    ):
        try:
            assert up.stdout is not None
            line = up.stdout.readline()  # comes when all is ready, or ends with the process
            assert line, log.read_text()
            yield json.loads(line)
        finally:
            lumina(env, "down")
            up.wait(UP_S)


async def send(stack: dict[str, Any], number: int) -> None:
    """One priced call of one series."""
    call = Call(
        project="e2e", end_ns=time.time_ns(), trace_id=bytes([number] * 16), span_id=bytes([number] * 8)
    )
    await post(stack["otlp_http"], [call])


async def shows(stack: dict[str, Any], calls: int) -> None:
    """Wait until REST counts so many calls."""

    async def counted() -> bool:
        async with httpx.AsyncClient() as client:
            answer = await client.get(f"{stack['api']}/api/v1/costs/breakdown", params={"project": "e2e"})
        return bool(answer.json()["totals"]["calls"] == calls)

    await eventually(counted, SEEN_S, lambda: f"REST does not show {calls} calls")


async def test_a_local_stack_grows(tmp_path: Path) -> None:
    settings = Settings(
        kafka_bootstrap_servers="",
        data_dir=tmp_path / "data",
        port=free_port(),
        otlp_http_port=free_port(),
        otlp_grpc_port=free_port(),
        kafka_port=free_port(),
        demo=False,
    )
    env = environment(settings)
    with running(env, tmp_path / "up.log") as stack:
        await send(stack, 1)
        await shows(stack, 1)
        refused = lumina(env | {"LUMINA_SESSION_TIMEOUT_S": "6"}, "partitions", "--to", "6")
        assert refused.returncode == 1
        assert "Workers are running" in refused.stderr
    grown = lumina(env, "partitions", "--to", "6")  # on a Kafka that was only just started
    assert grown.returncode == 0, grown.stderr
    assert "starting its Kafka for this command" in grown.stderr
    assert "LUMINA_GENERATION=2 lumina up" in grown.stdout
    left = lumina(env, "up", "--json")
    assert left.returncode == 1
    assert "Set LUMINA_GENERATION=2" in left.stderr
    with running(env | {"LUMINA_GENERATION": "2"}, tmp_path / "up-2.log") as stack:
        await shows(stack, 1)
        await send(stack, 2)
        await shows(stack, 2)
        table = lumina(env, "partitions").stdout  # a running stack says itself which generation it is
        assert "generation 2   lumina.spans-2" in table
        assert "6 partitions  in use" in table
        assert "lumina.spans-2" in lumina(env, "topics").stdout
