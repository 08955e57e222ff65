"""Budgets on real processes: each threshold once and sums exact, whoever dies, with two actor workers."""

import random
import time

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from e2e.otlp_calls import Call, normal_calls, post
from e2e.projects import project, spent
from e2e.stack import Stack, eventually
from e2e.truth import records
from lumina_api.door import put
from lumina_schemas.alert import Alert
from lumina_schemas.budget import KIND, Budget
from lumina_schemas.control import Command
from lumina_schemas.kafka import client_options
from lumina_schemas.project import SPEND, TRACES, Spend, Traces
from lumina_schemas.topics import ALERTS, COMMANDS, PROJECTS, SETTINGS, TYPE_HEADER
from lumina_streams.core.project.state import Sum

SEEN_S = 60.0
CALLS = 240


def cost_of(calls: list[Call]) -> float:
    """gpt-4o-mini: 0.15 USD a million tokens in, 0.60 out."""
    return sum(call.input_tokens * 0.15e-6 + call.output_tokens * 0.60e-6 for call in calls)


async def alerts(stack: Stack) -> list[Alert]:
    found = [
        msgspec.json.decode(record.value, type=Alert)
        for record in await records(stack.settings, stack.settings.topic(ALERTS))
    ]
    return [alert for alert in found if alert.kind in ("budget", "trace_limit")]


async def until_alert(stack: Stack, state: str, severity: str) -> Alert:
    found: list[Alert] = []

    async def there() -> bool:
        found[:] = [one for one in await alerts(stack) if (one.state, one.severity) == (state, severity)]
        return bool(found)

    await eventually(there, SEEN_S, lambda: f"no {severity} alert that is {state}")
    return found[-1]


async def send(stack: Stack, calls: list[Call]) -> None:
    for start in range(0, len(calls), 10):
        await post(stack.otlp, calls[start : start + 10])


async def test_each_threshold_once_and_sums_exact_whoever_is_killed(stack: Stack) -> None:
    # Nothing is committed: whoever is killed does all of it again.
    stack.env |= {"LUMINA_COMMIT_INTERVAL_S": "600"}
    _, _, stream, first, second = await stack.start("gateway", "api", "stream", "actor", "actor")
    rng = random.Random(5)
    calls = [
        one
        for service in ("shop", "search")
        for one in normal_calls(rng, CALLS // 2, time.time_ns(), every_ns=10_000_000, service=service)
    ]
    rng.shuffle(calls)
    usd = cost_of(calls) / 1.2
    budget = Budget(v=1, project="e2e", period="month", usd=usd)
    await put(stack.settings, SETTINGS, f"{KIND}all", msgspec.json.encode(budget))
    await eventually_held(stack, "all")

    await send(stack, calls[:120])  # about 60 %
    info = await until_alert(stack, "open", "info")
    first.kill()
    stream.kill()
    await send(stack, calls[120:170])  # about 85 %
    await stack.start("stream", "actor")
    warning = await until_alert(stack, "open", "warning")
    second.kill()
    await send(stack, calls[170:])
    await stack.start("actor")
    critical = await until_alert(stack, "open", "critical")

    total = Sum()

    async def counted() -> bool:
        nonlocal total
        total = await spent(stack.settings, "e2e")
        return total.calls >= CALLS

    await eventually(counted, SEEN_S, lambda: f"not every call counts: {total}")
    assert total.calls == CALLS
    for service in ("shop", "search"):
        expected = cost_of([one for one in calls if one.service == service])
        sums = await spent(stack.settings, "e2e", service)
        assert (sums.calls, sums.unpriced) == (CALLS // 2, 0)
        assert sums.usd == pytest.approx(expected, abs=CALLS * 1e-9)
    shown: list[float] = []

    async def viewed() -> bool:
        totals = (await stack.get("/api/v1/costs/breakdown", project="e2e"))["totals"]
        shown[:] = [totals["cost_usd"] or 0.0]
        return bool(totals["calls"] == CALLS)

    await eventually(viewed, SEEN_S, lambda: f"the views do not have all calls: {shown}")
    assert total.usd == pytest.approx(shown[0], abs=CALLS * 1e-9)

    assert info.id == warning.id == critical.id
    assert (info.rev, warning.rev, critical.rev) == (1, 2, 3)
    by_rev: dict[int, set[tuple[str, str, float]]] = {}
    for one in await alerts(stack):
        assert one.id == info.id
        by_rev.setdefault(one.rev, set()).add((one.state, one.severity, one.signals[0].value))
    assert sorted(by_rev) == [1, 2, 3]
    assert all(len(said) == 1 for said in by_rev.values()), by_rev
    told = [
        msgspec.json.decode(record.value, type=Spend)
        for record in await records(stack.settings, stack.settings.topic(PROJECTS))
        if record.headers.get(TYPE_HEADER) == SPEND
    ]
    assert sum(item.calls for spend in told for item in spend.items) >= CALLS

    command = Command(
        v=1, type="acknowledge", alert_id=info.id, series_id=info.series_id, by="ada", project="e2e"
    )
    await put(stack.settings, COMMANDS, info.id, msgspec.json.encode(command))
    seen = await until_alert(stack, "acknowledged", "critical")
    assert (seen.rev, seen.history[-1].by) == (4, "ada")
    moved = msgspec.structs.replace(budget, project="another")
    await put(stack.settings, SETTINGS, f"{KIND}all", msgspec.json.encode(moved))
    over = await until_alert(stack, "resolved", "critical")
    assert (over.id, over.history[-1].note) == (info.id, "the budget was removed")
    await eventually_held(stack, "all", "another")
    assert (await project(stack.settings, "e2e")).budgets == {}


async def eventually_held(stack: Stack, budget: str, name: str = "e2e") -> None:
    async def held() -> bool:
        return budget in (await project(stack.settings, name)).budgets

    await eventually(held, SEEN_S, lambda: f"{name} does not hold the budget {budget}")


async def test_a_limit_that_is_reached_is_an_alert_and_over_when_its_day_is(stack: Stack) -> None:
    """Of yesterday: nothing. Of today: raised, once, whatever the number of gateways."""
    await stack.start("actor")
    today = time.time_ns() // 86_400_000_000_000
    for percent, traces, day in (
        (90, 900, today - 1),
        (90, 900, today),
        (90, 901, today),
        (100, 1000, today),
    ):
        told = Traces(v=1, project="e2e", day=day, percent=percent, traces=traces, limit=1000, at_ms=0)
        await tell(stack, "e2e", TRACES, msgspec.json.encode(told))
    full = await until_alert(stack, "open", "critical")
    assert (full.kind, full.rev) == ("trace_limit", 2)
    assert "detection is blind" in full.summary
    assert len({one.rev for one in await alerts(stack)}) == len(await alerts(stack)) == 2


async def tell(stack: Stack, name: str, kind: bytes, value: bytes) -> None:
    """As a gateway tells it: by key, with the client's own partitioner."""
    async with AIOKafkaProducer(**client_options(stack.settings), acks="all") as producer:
        await producer.send_and_wait(
            stack.settings.topic(PROJECTS), value, key=name.encode(), headers=[(TYPE_HEADER, kind)]
        )
