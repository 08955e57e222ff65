"""Waiting for the views to have read so far: what a write and a read with `at_least` do.

Whoever waits is woken by each batch that was applied.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

LOOK_S = 0.5
"""So often it is looked again unasked: the views may have been opened anew meanwhile."""


class LogPosition(NamedTuple):
    """Where a record lies. `topic` is its declared name, without prefix."""

    topic: str
    partition: int
    offset: int


class Moves:
    """Wakes those who wait for the views to move on. For one event loop."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def moved(self) -> None:
        """A batch was applied."""
        for event in self._waiting:
            event.set()

    async def until(self, done: Callable[[], Awaitable[bool]], within_s: float) -> bool:
        """Wait until `done` says so; False when the time is over before."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while not await done():
                left = deadline - loop.time()
                if left <= 0:
                    return False
                try:
                    async with asyncio.timeout(min(left, LOOK_S)):
                        await event.wait()
                except TimeoutError:
                    continue
                event.clear()
        finally:
            self._waiting.discard(event)
        return True
