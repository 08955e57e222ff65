"""Every path of the OpenAPI, asked by schemathesis on a live stack: no 500, no answer that is not in it."""

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from e2e.otlp_calls import normal_calls, post
from e2e.stack import Stack, eventually

EXAMPLES = 10

# What a value must be beyond its type is said in words (a cursor of this list, a time in the future), not in
# the schema: that such values are refused is no defect.
LEFT_OUT = "positive_data_acceptance"

# It never ends by itself; tests/api/live asks it.
ENDLESS = "/api/v1/stream"


@pytest.mark.timeout(420)
async def test_schemathesis_finds_nothing(stack: Stack, tmp_path: Path) -> None:
    await stack.start("gateway", "stream", "actor", "api")
    await post(stack.otlp, normal_calls(random.Random(1), 30, time.time_ns()))

    async def visible() -> bool:
        return bool((await stack.get("/api/v1/traces"))["items"])

    await eventually(visible, 30, lambda: "the traces do not show")
    run = await asyncio.to_thread(
        subprocess.run,
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("run", f"{stack.api_url}/openapi.json"),
            *("--checks", "all", "--exclude-checks", LEFT_OUT),
            *("--exclude-path", ENDLESS),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)),
            *("--generation-deterministic", "--suppress-health-check", "all", "--no-color"),
            *("--request-timeout", "30"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr[-2_000:]
    assert await visible(), "the api no longer answers"
