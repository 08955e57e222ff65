"""From 4 to 12 partitions while applications send: the gateway stays, workers drain, grow and go on."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from e2e.otlp_calls import Call, dear, normal_calls, post_by, refused
from e2e.stack import Stack, eventually
from e2e.truth import actual_run
from faults.verdict import same_log_same_alerts
from lumina_api.stack.environment import environment
from lumina_schemas.settings import Settings

TO = 12
SERIES = 12
CALLS = 420
BAD_FROM = 235
PER_MESSAGE = 5
SENT = SERIES * CALLS
BEFORE = 0.65
"""The share of the messages that is sent before the growth: baselines are ready then, alerts are open."""

A_SECOND = 12
"""Messages a second during the growth: 60 calls."""

SETTLE_S = 60.0


def traffic(seed: int) -> list[list[Call]]:
    """Messages in sending order; a third of the series turns dear and bad, and raises alerts."""
    rng, now = random.Random(seed), time.time_ns()
    messages: list[list[Call]] = []
    for series in range(SERIES):
        calls = normal_calls(rng, CALLS, now, service=f"service-{series % 3}", endpoint=f"endpoint-{series}")
        if series % 3 == 0:
            calls[BAD_FROM:] = [refused(dear(call)) for call in calls[BAD_FROM:]]
        messages.extend(calls[start : start + PER_MESSAGE] for start in range(0, CALLS, PER_MESSAGE))
    return sorted(messages, key=lambda message: message[0].end_ns)


class Sender:
    """Applications that send all the time, and have each message accepted."""

    def __init__(self, otlp: str, messages: Sequence[list[Call]]) -> None:
        self._otlp = otlp
        self._messages = messages
        self.sent = 0
        self.hurried = asyncio.Event()
        """Set: as fast as the gateway takes it."""

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=20) as client:
            for message in self._messages:
                await post_by(client, self._otlp, message)
                self.sent += 1
                if not self.hurried.is_set():
                    await asyncio.sleep(1 / A_SECOND)


async def lumina(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, as a user types it, beside the traffic."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).with_name("lumina"), *arguments],
            env=environment(settings),
            capture_output=True,
            text=True,
            timeout=120,
        )

    return await asyncio.to_thread(run)


async def baselines(settings: Settings) -> dict[str, Any]:
    """What `lumina baselines` says of each series."""
    said = await lumina(settings, "baselines", "--json")
    assert said.returncode == 0, said.stderr
    found = [json.loads(line) for line in said.stdout.splitlines()]
    return {f"{one['service']}/{one['endpoint']}": one for one in found}


async def test_growing_from_4_to_12_under_load_keeps_alerts_and_baselines(
    settings: Settings, tmp_path: Path
) -> None:
    old = settings.model_copy(update={"session_timeout_s": 6.0})
    messages = traffic(29)
    first, rest = messages[: int(len(messages) * BEFORE)], messages[int(len(messages) * BEFORE) :]
    stack = Stack(old, environment(old), tmp_path)
    new = old.in_generation(2)
    grown_stack = Stack(new, environment(new), tmp_path)
    try:
        gateway, stream, actor, api = await stack.start("gateway", "stream", "actor", "api")
        fast = Sender(stack.otlp, first)
        fast.hurried.set()
        await fast.run()

        async def learned() -> bool:
            costs = await stack.get("/api/v1/costs/breakdown", project="e2e", since="2h")
            alerts = await stack.get("/api/v1/alerts", project="e2e")
            return bool(
                costs["totals"]["calls"] == sum(map(len, first)) and len(alerts["items"]) >= SERIES // 3
            )

        await eventually(learned, SETTLE_S, lambda: "not every call and alert is shown")
        before = await baselines(old)
        assert {one["state"] for one in before.values()} == {"ready"}
        assert len(before) == SERIES

        sender = Sender(stack.otlp, rest)
        sending = asyncio.create_task(sender.run())

        async def under_way() -> bool:
            return sender.sent > A_SECOND or sending.done()

        await eventually(under_way, SETTLE_S, lambda: "nothing is sent")
        for process in stream, actor:  # the drain: what they have is committed, the rest waits on lumina.otlp
            assert await asyncio.to_thread(process.stop) == 0
        opened = (await actual_run(old, clocks=True)).alerts
        at_first = sender.sent
        grown = await lumina(old, "partitions", "--to", str(TO))
        assert grown.returncode == 0, grown.stderr
        assert f"Generation 2 has {TO} partitions" in grown.stdout
        assert sender.sent - at_first > A_SECOND, "nothing was sent while the topics grew"
        copied = await baselines(new)
        assert {name: one["state"] for name, one in copied.items()} == dict.fromkeys(before, "ready")
        assert await asyncio.to_thread(api.stop) == 0
        *_, api = await grown_stack.start("stream", "stream", "actor", "api")
        assert not sending.done(), "the traffic ended before the new workers began"
        sender.hurried.set()
        await sending
        assert gateway.running

        shown = 0

        async def complete() -> bool:
            nonlocal shown
            costs = await grown_stack.get("/api/v1/costs/breakdown", project="e2e", since="2h")
            shown = costs["totals"]["calls"]
            return bool(shown >= SENT)

        await eventually(complete, SETTLE_S, lambda: f"{shown} of {SENT} calls are shown")
        assert shown == SENT
        outcome = await same_log_same_alerts(new, time.monotonic() + SETTLE_S)
        assert outcome.exact, outcome
        actual = await actual_run(new, clocks=False)
        assert len(actual.spans) == SENT
        assert opened.keys() <= actual.alerts.keys()
        assert {alert.series_id for alert in opened.values()} == {
            alert.series_id for alert in actual.alerts.values()
        }, "a series that was quiet alerts, or one that alerted is forgotten"
        after = await baselines(new)
        assert {name: one["state"] for name, one in after.items()} == dict.fromkeys(before, "ready")
    finally:
        grown_stack.stop()
        stack.stop()
