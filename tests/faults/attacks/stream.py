"""Attacks on the stream worker: killed, paused, doubled, moved, told to stop, cut off from Kafka."""

import asyncio
import random
import time

from e2e.stack import Process, eventually
from faults.arena import Arena
from faults.attack import Outcome, attack
from faults.keeper import Keeper
from faults.letters import caught_up
from faults.pulse import resumed
from faults.shown import shown
from faults.traffic import CALLS, SERIES, land, traffic
from faults.verdict import verdict
from lumina_api.inventory import take_inventory

SENT = SERIES * CALLS

KILLED_S = 15.0
"""After kill -9 processing resumes within so long."""
COMMITTED_S = 10.0
"""All that was processed is committed within so long."""
STOPPED_S = 10.0
"""SIGTERM drains and commits within so long; so does a restart until it processes again."""


def seed() -> int:
    """Another traffic each time: an attack repeated is an attack varied."""
    return random.randrange(1_000_000)


@attack("kill -9 of the stream worker in mid-stream, twice, and of the api")
async def kill_9(arena: Arena) -> Outcome:
    """Their successors take over what the dead ones had in hand. Views and costs are compared too."""
    worker, api = await arena.stack.start("stream", "api")
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=12))
    took = []
    for _ in range(2):
        await asyncio.sleep(random.uniform(1.0, 2.5))  # the moment of death is what is tested
        worker.kill()
        began = time.monotonic()
        worker = arena.stack.spawn("stream")
        took.append(await resumed(arena.settings, began))
    api.kill()
    (api,) = await arena.stack.start("api")
    await landing
    outcome = await verdict(arena.settings, SENT)
    outcome.resume_s = max(took)
    if outcome.resume_s > KILLED_S:
        outcome.broken.append(f"processing resumed after {outcome.resume_s:.1f} s")
    try:
        await caught_up(arena.settings, within_s=COMMITTED_S)
    except AssertionError as error:  # the next start would read all of it again
        outcome.broken.append(str(error))
    return outcome.plus(await shown(arena, api, SENT))


@attack("one of two workers leaves and returns under load")
async def leave_and_return(arena: Arena) -> Outcome:
    """Its partitions move away and back."""
    _, second = await arena.stack.start("stream", "stream")
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=12))
    await asyncio.sleep(random.uniform(1.0, 3.0))
    code = second.stop()
    await asyncio.sleep(random.uniform(0, 2.0))
    await arena.stack.start("stream")
    await landing
    outcome = await verdict(arena.settings, SENT)
    if code:
        outcome.broken.append(f"SIGTERM: exit status {code}")
    return outcome


@attack("SIGTERM under load: drained, committed, back")
async def sigterm(arena: Arena) -> Outcome:
    """What was in hand is finished and committed; the next worker finds nothing to do again."""
    (worker,) = await arena.stack.start("stream")
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=8))
    await asyncio.sleep(random.uniform(1.0, 3.0))
    began = time.monotonic()
    code = worker.stop()
    stopped_s = time.monotonic() - began
    began = time.monotonic()
    worker = arena.stack.spawn("stream")
    back_s = await resumed(arena.settings, began)
    await landing
    outcome = await verdict(arena.settings, SENT)
    outcome.resume_s = back_s
    again = worker.stop()
    for what, wrong in (
        (f"SIGTERM: exit status {code}, then {again}", code or again),
        (f"stopped after {stopped_s:.1f} s", stopped_s > STOPPED_S),
        (f"processing resumed after {back_s:.1f} s", back_s > STOPPED_S),
    ):
        if wrong:
            outcome.broken.append(what)
    # Ticks come on while it stops: whoever stops has read those of others only up to its last commit.
    inventory = await take_inventory(arena.settings)
    lags = {lag.topic: lag.lag for lag in inventory.lags if lag.topic == arena.settings.topic("otlp")}
    if lags != {arena.settings.topic("otlp"): 0}:
        outcome.broken.append(f"the last worker left a lag: {inventory.lags}")
    return outcome


@attack("three workers for one, then one for three, under load")
async def scale(arena: Arena) -> Outcome:
    """Two come while traffic flows, and go again; what they leave stays away until the session ends."""
    (first,) = await arena.stack.start("stream")
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=16))
    await asyncio.sleep(1)
    others = await arena.stack.start("stream", "stream")
    await asyncio.sleep(random.uniform(1.0, 3.0))
    codes = await asyncio.gather(*(asyncio.to_thread(other.stop) for other in others))
    began = time.monotonic()
    await landing
    outcome = await verdict(arena.settings, SENT)
    outcome.resume_s = time.monotonic() - began
    if any(codes):
        outcome.broken.append(f"SIGTERM: exit statuses {codes}")
    if not first.running:
        outcome.broken.append("the worker that stayed has ended")
    return outcome


@attack("SIGSTOP of a worker until its heir has taken over, then SIGCONT")
async def paused(arena: Arena) -> Outcome:
    """The one that was stopped wakes up with state and buffers of long ago. It must write nothing."""
    stack = arena.stack
    first, _ = await stack.start("stream", "stream")
    pause_s = 20.0 if arena.thorough else 13.0  # the session ends after 10
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=pause_s + 5))
    await asyncio.sleep(random.uniform(1.0, 3.0))
    first.pause()
    await asyncio.sleep(pause_s)
    first.resume()
    outcome = Outcome()
    await _ends(first, outcome, "the worker that was stopped")
    await stack.start("stream")
    await landing
    return outcome.plus(await verdict(arena.settings, SENT))


@attack("two workers with one instance id")
async def one_id_twice(arena: Arena) -> Outcome:
    """As when a machine is cloned: same host name, another data folder. The one that came first must go."""
    stack = arena.stack
    (first,) = await stack.start("stream")
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=10))
    await asyncio.sleep(random.uniform(1.0, 2.0))
    second = stack.spawn("stream", LUMINA_DATA_DIR=str(arena.folder / "clone"))
    outcome = Outcome()
    await _ends(first, outcome, "the first of the two")
    await landing
    outcome = outcome.plus(await verdict(arena.settings, SENT))
    if not second.running:
        outcome.broken.append("the second of the two has ended as well")
    return outcome


@attack("a broker that stalls for 5 s, and kill -9 of the worker inside", own_broker=True)
async def stalled_broker(arena: Arena) -> Outcome:
    """Sends are under way whose fate nobody knows when the worker dies."""
    assert arena.broker
    (worker,) = await arena.stack.start("stream")
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=8))
    await asyncio.sleep(random.uniform(1.0, 3.0))
    arena.broker.pause()
    await asyncio.sleep(random.uniform(1.0, 4.0))
    worker.kill()
    await asyncio.sleep(1)
    arena.broker.resume()
    began = time.monotonic()
    async with Keeper(arena.stack, "stream"):
        await landing
        outcome = await verdict(arena.settings, SENT)
        outcome.resume_s = time.monotonic() - began
    return outcome


@attack("the broker is away for a minute", own_broker=True)
async def stream_broker_away(arena: Arena) -> Outcome:
    """Kill -9 of the only broker; its log survives. Workers end or wait, and go on by themselves."""
    assert arena.broker
    away_s = 60.0 if arena.thorough else 12.0
    (api,) = await arena.stack.start("api")
    async with Keeper(arena.stack, "stream") as keeper:
        landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=6))
        await asyncio.sleep(random.uniform(1.0, 3.0))
        arena.broker.kill()
        await asyncio.sleep(away_s)
        await arena.broker.start()
        began = time.monotonic()
        took = await resumed(arena.settings, began)
        await landing
        outcome = await verdict(arena.settings, SENT)
        outcome.resume_s = took
        if took > 30:
            outcome.broken.append(f"processing resumed {took:.1f} s after the broker")
        if len(keeper.codes) > 4:
            outcome.broken.append(f"the worker crashed {len(keeper.codes)} times: a supervisor would give up")
    return outcome.plus(await shown(arena, api, SENT))


@attack("kill -9, and a successor with other limits of a batch")
async def other_limits(arena: Arena) -> Outcome:
    """Messages of `lumina.spans` are cut differently when they are written again: positions must not mind."""
    worker = arena.stack.spawn("stream")
    await worker.ready()
    landing = asyncio.create_task(land(arena.settings, traffic(seed(), per_message=13), seconds=8))
    for limit in (10_000, 25_000, 4_000_000):
        await asyncio.sleep(random.uniform(1.0, 2.0))
        worker.kill()
        worker = arena.stack.spawn("stream", LUMINA_MAX_MESSAGE_BYTES=str(limit))
        await worker.ready()
    await landing
    return await verdict(arena.settings, SENT)


async def _ends(process: Process, outcome: Outcome, who: str, within_s: float = 15.0) -> None:
    """Wait until a process ends by itself, with status 1."""

    async def ended() -> bool:
        return not process.running

    try:
        await eventually(ended, within_s, lambda: f"{who} goes on")
    except AssertionError as error:
        outcome.broken.append(str(error))
        process.kill()
        return
    if (code := process.stop()) != 1:
        outcome.broken.append(f"{who}: exit status {code}")
