"""Attacks on the stream worker."""

import asyncio

from faults.arena import Arena
from faults.attack import Outcome, attack
from faults.traffic import CALLS, SERIES, land, traffic
from faults.verdict import verdict

SENT = SERIES * CALLS


@attack("kill -9 of the stream worker in mid-stream, twice")
async def kill_9(arena: Arena) -> Outcome:
    """Its successor takes over what the dead one had in hand."""
    (worker,) = await arena.stack.start("stream")
    landing = asyncio.create_task(land(arena.settings, traffic(11), seconds=9))
    for pause in (2.0, 2.5):
        await asyncio.sleep(pause)  # in mid-stream: the moment of death is what is tested, not waited for
        worker.kill()
        (worker,) = await arena.stack.start("stream")
    await landing
    return await verdict(arena.settings, SENT)


@attack("one of two workers leaves and returns under load")
async def leave_and_return(arena: Arena) -> Outcome:
    """Its partitions move away and back."""
    _, second = await arena.stack.start("stream", "stream")
    landing = asyncio.create_task(land(arena.settings, traffic(12), seconds=12))
    await asyncio.sleep(3)
    code = second.stop()
    await asyncio.sleep(2)
    await arena.stack.start("stream")
    await landing
    outcome = await verdict(arena.settings, SENT)
    if code:
        outcome.broken.append(f"SIGTERM: exit status {code}")
    return outcome
