"""Attacks at a chosen point of a run, each aimed at one rule. With the rule off each must do harm."""

import asyncio
import signal
import time

from e2e.stack import Process, eventually
from faults.arena import Arena
from faults.attack import Outcome, attack
from faults.attacks.stream import SENT, seed
from faults.traffic import land, traffic
from faults.verdict import verdict, written_by_former_owners

SETTLE_S = 40.0
BROKEN_SETTLE_S = 12.0
"""With a rule off nothing ever becomes equal: no need to wait so long for it."""


def spawned(arena: Arena, point: str, broken: str, **more: str) -> Process:
    """A stream worker with a point and, where `broken` names one, a rule switched off."""
    return arena.stack.spawn(
        "stream",
        "faults.entry.points",
        FAULT_POINT=point,
        FAULT_BREAK=broken,
        FAULT_MARK=str(arena.folder / "happened"),
        **more,
    )


@attack("kill -9 after a commit, with changelog writes that leave three seconds late")
async def late_changelog(arena: Arena, broken: str = "") -> Outcome:
    """flush: no commit before everything that it stands for is on Kafka."""
    worker = spawned(arena, "late-changelog", broken, LUMINA_COMMIT_INTERVAL_S="0.2")
    await worker.ready()
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=6))
    await asyncio.sleep(4)
    worker.kill()
    return await _judged(arena, landing, broken)


@attack("one batch of spans that Kafka does not take")
async def failed_send(arena: Arena, broken: str = "") -> Outcome:
    """contiguity: a send that fails ends the process before anything later is sent or committed."""
    worker = spawned(arena, "failed-send", broken)
    await worker.ready()
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=6))
    await _happened(arena, worker, ends=not broken)
    if broken:  # it goes on as if nothing had been
        await landing
        await asyncio.sleep(1)
        worker.stop()
    return await _judged(arena, landing, broken)


@attack("a worker stopped between deciding and writing, awake again after its heir has finished")
async def stopped_in_mid_run(arena: Arena, broken: str = "") -> Outcome:
    """lease: who was away for too long writes nothing more."""
    worker = spawned(arena, "stopped-in-mid-run", broken, LUMINA_SESSION_TIMEOUT_S="6")
    await worker.ready()
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=4))
    await _happened(arena, worker, ends=False)
    # One data folder for both: the one that is stopped still holds its slot, so its heir has another id.
    await arena.stack.start("stream")
    await landing
    first = await verdict(arena.settings, SENT, SETTLE_S)
    worker.resume()

    async def ended() -> bool:
        return not worker.running

    if broken:
        await asyncio.sleep(3)
        worker.kill()
    else:
        await eventually(ended, 15, lambda: "the worker that was stopped goes on")
    outcome = await _judged(arena, landing, broken)
    outcome.broken += first.broken
    return outcome


@attack("kill -9 of a worker that has committed nothing for long")
async def long_replay(arena: Arena, broken: str = "") -> Outcome:
    """position: what was applied is recognised, however far back the log is read again."""
    worker = spawned(arena, "", broken, LUMINA_COMMIT_INTERVAL_S="60")
    await worker.ready()
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=5))
    await asyncio.sleep(4)
    worker.kill()
    if broken:  # the rule is off in whoever reads again
        await spawned(arena, "", broken).ready()
    return await _judged(arena, landing, broken, start=not broken)


@attack("kill -9 between the two writes of a series that has learned")
async def killed_between_writes(arena: Arena, broken: str = "") -> Outcome:
    """run order: cold before hot, so that what hot names is always there."""
    worker = spawned(arena, "killed-between-writes", broken)
    await worker.ready()
    landing = asyncio.create_task(land(arena.settings, traffic(seed()), seconds=6))
    await _happened(arena, worker, ends=True, code=-signal.SIGKILL)
    return await _judged(arena, landing, broken)


async def _happened(arena: Arena, worker: Process, *, ends: bool, code: int = 1) -> None:
    """Wait until the point was reached, and for the end of the worker where that is what comes of it."""

    async def happened() -> bool:
        return (arena.folder / "happened").exists() and not (ends and worker.running)

    await eventually(
        happened, SETTLE_S, lambda: f"the point was not reached:\n{worker.log.read_text()[-2000:]}"
    )
    if ends:
        assert worker.stop() == code


async def _judged(arena: Arena, landing: asyncio.Task[None], broken: str, start: bool = True) -> Outcome:
    """Let an ordinary worker finish, and compare."""
    began = time.monotonic()
    worker = arena.stack.spawn("stream") if start else None
    await landing
    outcome = await verdict(arena.settings, SENT, BROKEN_SETTLE_S if broken else SETTLE_S)
    outcome.resume_s = time.monotonic() - began
    if stale := await written_by_former_owners(arena.settings):
        outcome.broken.append(f"{stale} writes of a former owner behind those of its heir")
    if worker and not worker.running:
        outcome.broken.append("its successor cannot go on")
    return outcome
