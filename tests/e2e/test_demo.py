"""The demo against the real stack: a new user's first minute, from nothing to the dual alert and back."""

import asyncio
import sys
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from e2e.otlp_calls import Call, post
from e2e.stack import Stack, eventually

SEEN_S = 45.0


@pytest.fixture
async def running(stack: Stack) -> Stack:
    """The whole stack, ready."""
    await stack.start("gateway", "stream", "api")
    return stack


@asynccontextmanager
async def demo(stack: Stack, *options: str) -> AsyncIterator[Process]:
    """`lumina demo` as a child process, as `lumina up` starts it."""
    env = stack.env | {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "lumina_api.demo", *options, env=env, stdout=PIPE, stderr=STDOUT
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: Process) -> str:
    """All that a demo said, once it has ended."""
    output, _ = await asyncio.wait_for(process.communicate(), SEEN_S)
    return output.decode()


async def alerts(stack: Stack) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await stack.get("/api/v1/alerts", project="demo"))["items"]
    return items


async def real_call(stack: Stack) -> None:
    """What a user's own application sends first."""
    call = Call(project="shop", end_ns=time.time_ns(), trace_id=b"\1" * 16, span_id=b"\2" * 8)
    await post(stack.otlp, [call])


async def test_the_first_minute(running: Stack) -> None:
    """History, live, the dual alert; a real span ends it; a second demo stays away; removal removes."""
    async with demo(running, "--until-real") as playing:

        async def dual_alert() -> bool:
            return any(alert["kind"] == "cost_and_quality" for alert in await alerts(running))

        await eventually(dual_alert, SEEN_S, lambda: "the demo's first incident has no alert over REST")
        await real_call(running)
        output = await told(playing)
        assert playing.returncode == 0, output
    assert "history: 2,760 calls of 8 endpoints" in output
    assert "injected  shop-assistant /chat" in output
    assert "Lumina    cost_and_quality on shop-assistant /chat" in output
    assert "after the first bad call was sent" in output
    assert "another project has arrived" in output
    assert "could not be sent" not in output
    assert {(alert["service"], alert["endpoint"]) for alert in await alerts(running)} == {
        ("shop-assistant", "/chat")
    }
    costs = await running.get("/api/v1/costs/breakdown", project="demo", group_by="endpoint")
    assert {item["endpoint"] for item in costs["items"] if item["calls"] >= 300} == {
        *("/chat", "/recommend", "/teaser", "ticket-reply", "classify-ticket", "/ask", "summarise-clause"),
        "index-clauses",
    }
    assert costs["totals"]["coverage"] > 0.98

    async with demo(running, "--until-real") as second:
        output = await told(second)
        assert second.returncode == 0, output
    assert "no demo" in output
    assert "live" not in output

    async with demo(running, "--duration", "1", "--rate", "20") as third:
        output = await told(third)
        assert third.returncode == 0, output
    assert "played lately" in output

    async with demo(running, "--remove") as removal:
        output = await told(removal)
        assert removal.returncode == 0, output
    assert (await running.get("/api/v1/traces", project="demo"))["items"] == []
    assert await alerts(running) == []
    assert len((await running.get("/api/v1/traces", project="shop"))["items"]) == 1
