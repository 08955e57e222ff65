"""Runs: the messages that are here now, worked on as one."""

from collections.abc import AsyncIterator
from typing import Any

from faust.types import EventT, StreamT

MAX_MESSAGES = 64
MAX_BYTES = 1_000_000
"""About 400 spans, 20 ms of work: a run holds the event loop no longer than that."""


async def runs(
    stream: StreamT[Any], *, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES
) -> AsyncIterator[list[EventT[Any]]]:
    """Yield what has arrived, in order, and acknowledge it when the caller asks for more.

    Never waits to fill a run. The messages after the first are taken without giving up the event loop:
    Faust empties the queue when a rebalance starts, and a run that waited then with messages in hand would
    hold the rebalance up until its session expired. Faust's own `take` waits for its whole time window, and
    acknowledges even when the caller failed.
    """
    stream = stream.noack()
    queue = stream.channel.queue
    app = stream.app
    async for first in stream.events():
        run = [first]
        size = len(first.message.value or b"")
        while len(run) < max_messages and size < max_bytes and not queue.empty():
            event = queue.get_nowait()
            message = event.message
            if message.generation_id != app.consumer_generation_id:
                continue  # fetched before a rebalance: whoever owns the partition now reads it again
            if not message.tracked:
                message.tracked = True
                app.consumer.track_message(message)
            run.append(event)
            size += len(message.value or b"")
        yield run
        for event in run:
            event.ack()
            app.progress.advance(event.message.tp, event.message.offset)
