"""What a supervisor does: start a process again whenever it ends, until told not to."""

import asyncio
import contextlib
from typing import Self

from e2e.stack import Process, Stack

PAUSE_S = 0.5


class Keeper:
    """Keeps one process of the stack running for the length of an `async with` block."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack = stack
        self.name = name
        self.process: Process
        self.codes: list[int] = []
        """Exit statuses of those that have ended."""
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        (self.process,) = await self.stack.start(self.name)
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _keep(self) -> None:
        while True:
            while self.process.running:
                await asyncio.sleep(0.05)
            self.codes.append(self.process.stop())
            await asyncio.sleep(PAUSE_S)
            self.process = self.stack.spawn(self.name)
