"""Attacks on the rules: changed while calls flow, and while those die who carry and who obey them."""

import asyncio
import random
import time
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer

from e2e.truth import actual_run, landed_run, records
from faults.arena import PARTITIONS, Arena
from faults.attack import Outcome, attack
from faults.attacks.stream import seed
from faults.traffic import land, traffic
from faults.verdict import compared, same_log_same_alerts
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.rule import KIND, RULES, Rule
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DLQ, SETTINGS, SPANS, TYPE_HEADER
from lumina_streams.core.series.rulebook import StoredBook

SETTLE_S = 60.0
CHANGES = 120
BRIEF, PATIENT = "endpoint-0", "endpoint-9"
"""Two that turn dear and bad, with rules of their own from before the first call, which nothing overrides."""
KEPT = {
    "brief": Rule(v=1, endpoint=BRIEF, silent_after_s=2),
    "patient": Rule(v=1, endpoint=PATIENT, silent_after_s=31_536_000),
}


@attack("rules changed under load, with kill -9 of stream worker and actor")
async def rules_changed(arena: Arena) -> Outcome:
    """Every partition ends with the rules of `lumina.settings`, every series as a replay of its log does."""
    settings, stack = arena.settings, arena.stack
    stack.env["LUMINA_TICK_S"] = "0.3"  # rules about silence decide at ticks
    worker, actor = await stack.start("stream", "actor")
    expected = dict(KEPT)
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for rule_id, rule in KEPT.items():
            await _write(producer, settings, rule_id, rule)
        await _until_held(settings, expected)
        landing = asyncio.create_task(land(settings, traffic(seed()), seconds=12))
        changing = asyncio.create_task(_change(producer, settings, expected, seconds=9))
        for _ in range(2):
            await asyncio.sleep(random.uniform(0.5, 2))
            worker.kill()
            worker = stack.spawn("stream")
            await asyncio.sleep(random.uniform(0.5, 2))
            actor.kill()
            actor = stack.spawn("actor")
        await changing
        began = time.monotonic()
        await _nonsense(producer, settings)
        await landing
    await _until_held(settings, expected)
    outcome = await _landed(settings)
    outcome.broken += await _obeyed(settings)
    replay = await same_log_same_alerts(settings, time.monotonic() + SETTLE_S)
    outcome.resume_s = time.monotonic() - began
    outcome.baselines, outcome.alerts = replay.baselines, replay.alerts
    outcome.broken += replay.broken
    outcome.broken += await _dead_letters(settings)
    return outcome


async def _change(
    producer: AIOKafkaProducer, settings: Settings, expected: dict[str, Rule], seconds: float
) -> None:
    """Set, change and remove rules, in bursts; `expected` is what holds in the end."""
    rng = random.Random(seed())
    left = CHANGES
    while left:
        burst = min(left, rng.randrange(1, 20))
        for _ in range(burst):
            rule_id = f"rule {rng.randrange(8)}"
            rule = _some_rule(rng) if rng.random() < 0.8 else None
            expected.pop(rule_id, None)
            if rule is not None:
                expected[rule_id] = rule
            await _write(producer, settings, rule_id, rule)
        left -= burst
        await asyncio.sleep(seconds * burst / CHANGES)


def _some_rule(rng: random.Random) -> Rule:
    """One that decides about something, and hides no incident."""
    overrides: dict[str, Any] = {
        "cost_spike_pct": rng.uniform(5, 40),
        "quality_min": rng.uniform(0.5, 0.9),
        "correlation_s": rng.uniform(1, 600),
        "min_samples": rng.randrange(50, 200),
        "cooldown_s": rng.uniform(0, 600),
        "silent_after_s": rng.uniform(0.1, 3),
    }
    return Rule(
        v=1,
        project=rng.choice(["", "e2e"]),
        service=rng.choice(["", "service-0", "service-1"]),
        endpoint=rng.choice(["", "endpoint-3", "endpoint-6"]),
        **{name: overrides[name] for name in rng.sample(sorted(overrides), rng.randrange(1, 5))},
    )


async def _write(producer: AIOKafkaProducer, settings: Settings, rule_id: str, rule: Rule | None) -> None:
    value = None if rule is None else msgspec.json.encode(rule)
    await producer.send_and_wait(settings.topic(SETTINGS), value, key=f"{KIND}{rule_id}".encode())


async def _nonsense(producer: AIOKafkaProducer, settings: Settings) -> None:
    """What is no rule, a rule where none of its name may lie, one that came past the door, and what is none
    of the router's business.
    """
    topic = settings.topic(SETTINGS)
    misplaced = f"{KIND}misplaced"
    wrong = (partition_of(misplaced, PARTITIONS) + 1) % PARTITIONS
    await producer.send_and_wait(topic, b"{", key=f"{KIND}broken".encode())
    await producer.send_and_wait(topic, b'{"v":1}', key=misplaced.encode(), partition=wrong)
    await producer.send_and_wait(topic, b"{", key=b"webhooks/mine")
    await producer.send_and_wait(
        settings.topic(SPANS), b'{"v":1,"id":"past"}', key=b"", partition=0, headers=[(TYPE_HEADER, RULES)]
    )


async def _until_held(settings: Settings, expected: dict[str, Rule]) -> None:
    """Wait until each partition's book holds exactly these rules."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        books = (await actual_run(settings, clocks=False)).books
        held = [msgspec.msgpack.decode(book, type=StoredBook).rules for book in books.values()]
        if held == [expected] * PARTITIONS:
            return
        assert time.monotonic() < deadline, f"{len(held)} books, {expected=} {held=}"
        await asyncio.sleep(0.2)


async def _landed(settings: Settings) -> Outcome:
    """What is missing or double of what landed. What it comes to is the rules' to say, so no more."""
    truth = await landed_run(settings)
    deadline = time.monotonic() + SETTLE_S
    while True:
        counts = compared(truth, await actual_run(settings, clocks=False))
        if not (counts.lost or counts.duplicated) or time.monotonic() > deadline:
            return Outcome(lost=counts.lost, duplicated=counts.duplicated)
        await asyncio.sleep(0.2)


async def _obeyed(settings: Settings) -> list[str]:
    """Wait until the rules that were kept have shown, and say in words what they did not do."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        alerts = (await actual_run(settings, clocks=False)).alerts.values()
        brief = [alert for alert in alerts if alert.endpoint == BRIEF]
        patient = [alert for alert in alerts if alert.endpoint == PATIENT]
        notes = {alert.history[-1].note for alert in brief}
        states = {alert.state for alert in patient}
        if notes == {"no calls for 2 s"} and states == {"open"}:
            return []
        if time.monotonic() > deadline:
            return [f"{BRIEF} says {notes or 'nothing'}, {PATIENT} is {states or 'without alerts'}"]
        await asyncio.sleep(0.2)


async def _dead_letters(settings: Settings) -> list[str]:
    """What is wrong with the dlq, in words: each piece of nonsense has to be there, with its reason."""
    letters = await records(settings, settings.topic(DLQ))
    reasons = [letter.headers["lumina-dlq-error"].decode() for letter in letters]
    wanted = ("not a rule: ", "murmur2", "not a change of a rule: ")
    if len(reasons) == len(wanted) and all(any(why in reason for reason in reasons) for why in wanted):
        return []
    return [f"the dlq holds {reasons}"]
