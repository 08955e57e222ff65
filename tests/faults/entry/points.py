"""The stream worker with something that happens at a chosen point of a run, and with a rule switched off.

`FAULT_POINT` names what happens (once for each `FAULT_MARK`, a file), `FAULT_BREAK` the rule that is off.
An attack with a point and all rules must be exact; with its rule off it must not be, or it proves nothing.
"""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaTimeoutError
from faust.types import RecordMetadata

from lumina_streams.agents.outbox import Outbox
from lumina_streams.core.series.positions import Positions
from lumina_streams.transport.lease import Lease
from lumina_streams.transport.membership import Membership
from lumina_streams.transport.producer import Producer
from lumina_streams.transport.table import SeriesTable
from lumina_streams.worker import main

LATE_S = 3.0
"""How late changelog writes leave at the point `late-changelog`: more than a commit interval."""

WRITES = 150
"""So many writes into the table (sends of spans) are as always; the point is at the next one."""


def once() -> bool:
    """True for the first process that asks."""
    try:
        Path(os.environ["FAULT_MARK"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


# What happens


def late_changelog() -> None:
    """Every write of the table leaves three seconds late; the producer was handed it in time."""
    append = SeriesTable._append

    async def late(self: SeriesTable, partition: int, key: bytes, stored: bytes) -> None:
        loop = asyncio.get_running_loop()
        handed: asyncio.Future[None] = loop.create_future()
        self.app.producer._watch(handed)

        async def send() -> None:
            await append(self, partition, key, stored)
            handed.set_result(None)

        loop.call_later(LATE_S, lambda: asyncio.ensure_future(send()))

    SeriesTable._append = late  # type: ignore[method-assign]


def failed_send() -> None:
    """One batch of spans is not taken by Kafka, as after a time-out; later ones are."""
    send = Producer.send
    count = 0

    async def failing(self: Producer, topic: str, *rest: Any, **more: Any) -> Awaitable[RecordMetadata]:
        nonlocal count
        count += topic.endswith(".spans")
        if topic.endswith(".spans") and count == WRITES and once():
            failed: asyncio.Future[RecordMetadata] = asyncio.get_running_loop().create_future()
            self._watch(failed)
            failed.set_exception(KafkaTimeoutError())
            return failed
        return await send(self, topic, *rest, **more)

    Producer.send = failing  # type: ignore[method-assign]


def stopped_in_mid_run() -> None:
    """The process stops itself (SIGSTOP) with decisions made and nothing of them written."""
    write = SeriesTable.write
    count = 0

    async def stopping(self: SeriesTable, partition: int, key: bytes, payload: bytes) -> None:
        nonlocal count
        count += 1
        if count == WRITES and once():
            os.kill(os.getpid(), signal.SIGSTOP)
        await write(self, partition, key, payload)

    SeriesTable.write = stopping  # type: ignore[method-assign]


def killed_between_writes() -> None:
    """Kill -9 between the two writes of a series that has learned: one is on Kafka, the other is not."""
    write = SeriesTable.write
    count = 0
    learned: set[bytes] = set()

    async def dying(self: SeriesTable, partition: int, key: bytes, payload: bytes) -> None:
        nonlocal count
        series = key[2:18]
        first_of_two = key.startswith(b"c|") if not _hot_first else key.startswith(b"h|")
        await write(self, partition, key, payload)
        if key.startswith(b"c|"):
            learned.add(series)
        count += 1
        if count >= WRITES and first_of_two and series in learned and _both_pending(key) and once():
            await self.app.producer.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    SeriesTable.write = dying  # type: ignore[method-assign]


# Rules that do not hold

_hot_first = False
_stash: list[tuple[int, bytes, bytes]] = []


def _both_pending(key: bytes) -> bool:
    return not key.startswith(b"h|") or any(stashed[1][2:18] == key[2:18] for stashed in _stash)


def no_flush() -> None:
    """Commits do not wait for what they stand for, as Faust's do not."""

    async def flush(self: Producer) -> None:
        return None

    Producer.flush = flush  # type: ignore[method-assign]


def no_contiguity() -> None:
    """A run does not wait for its sends, and one that failed is only logged, as Faust does."""

    async def deliver(self: Outbox, producer: Producer) -> None:
        for topic, key, value, partition, headers in self._messages:
            await producer.send(topic, key, value, partition, None, headers)
        self._messages.clear()

    def settle(self: Producer, future: asyncio.Future[Any]) -> None:
        self._handed.discard(future)
        if not future.cancelled():
            future.exception()

    Outbox.deliver = deliver  # type: ignore[method-assign]
    Producer._settle = settle  # type: ignore[method-assign]


def no_lease() -> None:
    """Whoever was replaced writes on."""
    Lease.check = lambda self: None  # type: ignore[method-assign]
    Membership.look = lambda self, request, response, asked_at: None  # type: ignore[method-assign]


def no_position() -> None:
    """What was applied before is applied again."""
    Positions.advance = lambda self, src: True  # type: ignore[method-assign]


def no_order() -> None:
    """A series' hot value is written before the cold one that it names."""
    global _hot_first
    _hot_first = True
    write = SeriesTable.write

    async def hot_first(self: SeriesTable, partition: int, key: bytes, payload: bytes) -> None:
        if key.startswith(b"c|"):
            _stash.append((partition, key, payload))
            return
        await write(self, partition, key, payload)
        while _stash:
            await write(self, *_stash.pop(0))

    SeriesTable.write = hot_first  # type: ignore[method-assign]


POINTS: dict[str, Callable[[], None]] = {
    "late-changelog": late_changelog,
    "failed-send": failed_send,
    "stopped-in-mid-run": stopped_in_mid_run,
    "killed-between-writes": killed_between_writes,
}
BREAKS: dict[str, Callable[[], None]] = {
    "flush": no_flush,
    "contiguity": no_contiguity,
    "lease": no_lease,
    "position": no_position,
    "run order": no_order,
}


if __name__ == "__main__":
    if point := os.environ.get("FAULT_POINT"):
        POINTS[point]()
    if broken := os.environ.get("FAULT_BREAK"):
        BREAKS[broken]()
    main()
