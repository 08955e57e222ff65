"""`lumina partitions` that is killed at a chosen record of its copy: `python -m faults.growing RECORD TO`."""

import asyncio
import os
import signal
import sys

from lumina_api.generations import grow
from lumina_api.generations.writer import Writer
from lumina_schemas.settings import Settings


def main() -> None:
    """Grow until so many records were sent and acknowledged, then die by kill -9."""
    left, to = int(sys.argv[1]), int(sys.argv[2])
    send = Writer.send

    async def counted(self: Writer, *arguments: object) -> None:
        nonlocal left
        await send(self, *arguments)  # type: ignore[arg-type]
        left -= 1
        if not left:
            await self.settle()
            os.kill(os.getpid(), signal.SIGKILL)

    Writer.send = counted  # type: ignore[method-assign,assignment]
    asyncio.run(grow(Settings(), to, lambda _: None))


if __name__ == "__main__":
    main()
