"""A TCP proxy on loopback between clients and a broker: slow, deaf or gone, as a network can be."""

import asyncio
import contextlib
from typing import Self

CHUNK = 65_536


class Proxy:
    """Forwards connections to a port of `host`. Faults may be switched on and off while connections are open.

    `delay_s` is added to everything that passes, in each direction; `deaf` takes connections and data and
    passes nothing on; `refuse` cuts every connection and takes no new ones.
    """

    def __init__(self, target: int, port: int = 0, host: str = "127.0.0.1") -> None:
        self.target = target
        self.port = port
        self._host = host
        self.delay_s = 0.0
        self._hearing = asyncio.Event()
        self._hearing.set()
        self._refusing = False
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def deaf(self, on: bool) -> None:
        """Hold back everything, in both directions, until switched off."""
        if on:
            self._hearing.clear()
        else:
            self._hearing.set()

    def refuse(self, on: bool) -> None:
        """Cut what is open and take nothing new, until switched off."""
        self._refusing = on
        if on:
            for writer in self._writers:
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        try:
            onward_reader, onward_writer = await asyncio.open_connection(self._host, self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, onward_writer}
        for source, sink in ((reader, onward_writer), (onward_reader, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(64)

        async def deliver() -> None:
            while True:
                due, data = await line.get()
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                await self._hearing.wait()
                if not data:
                    return
                writer.write(data)
                await writer.drain()

        delivery = asyncio.create_task(deliver())
        try:
            while True:
                data = await reader.read(CHUNK)
                await line.put((loop.time() + self.delay_s, data))
                if not data:
                    break
            await delivery
        except OSError:
            pass
        finally:
            delivery.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await delivery
            writer.close()
            self._writers.discard(writer)
