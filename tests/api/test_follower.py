"""A topic followed without a group: to its end, on, and anew where it is another one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from lumina_api import follower as module
from lumina_api.follower import Follower
from lumina_api.kafka import admin_client
from lumina_api.provision import provision
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import USAGE

pytestmark = pytest.mark.kafka


class Seen:
    """What came, and how often it was begun anew."""

    def __init__(self) -> None:
        self.begun = self.completed = 0
        self.values: list[bytes] = []

    def begin(self) -> None:
        self.begun += 1
        self.values.clear()

    def apply(self, records: Sequence[ConsumerRecord]) -> None:
        self.values += [record.value for record in records]

    def complete(self) -> None:
        self.completed += 1


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def write(settings: Settings, *values: bytes) -> int:
    """When the last one arrived, Unix ms."""
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for value in values:
            done = await producer.send_and_wait(settings.topic(USAGE), value, value)
    at_ms: int = done.timestamp
    return at_ms


@asynccontextmanager
async def running(follower: Follower) -> AsyncIterator[None]:
    task = asyncio.create_task(follower.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_it_knows_all_that_lay_there_and_what_comes(settings: Settings) -> None:
    await write(settings, *(str(number).encode() for number in range(50)))
    seen = Seen()
    follower = Follower(settings, USAGE, seen)
    assert "is being read" in follower.why
    async with running(follower):
        await follower.caught_up()
        assert (follower.why, len(seen.values), seen.begun, seen.completed) == ("", 50, 1, 1)
        await write(settings, b"later")
        await until(lambda: b"later" in seen.values)


async def test_it_begins_at_a_time_of_arrival(settings: Settings) -> None:
    at_ms = await write(settings, b"before", b"last")
    seen = Seen()
    await Follower(settings, USAGE, seen, lambda: at_ms + 1).once()
    assert seen.values == []
    await asyncio.sleep(0.002)
    then_ms = await write(settings, b"after")
    await Follower(settings, USAGE, seen, lambda: then_ms).once()
    assert seen.values == [b"after"]


async def test_a_topic_that_is_another_one_is_read_anew(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.2)
    await write(settings, b"old")
    seen = Seen()
    follower = Follower(settings, USAGE, seen)
    async with running(follower):
        await follower.caught_up()
        async with admin_client(client_options(settings)) as admin:
            await admin.delete_topics([settings.topic(USAGE)])
        await until(lambda: follower._trouble)
        assert not follower.why, "what is known stays in force"
        assert seen.values == [b"old"]
        await provision(settings)
        await until(lambda: seen.begun == 2)
        await write(settings, b"new")
        await until(lambda: seen.values == [b"new"])


async def test_it_waits_for_a_topic_and_says_what_makes_it(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"topic_prefix": "nowhere."})
    follower = Follower(elsewhere, USAGE, Seen())
    async with running(follower):
        await until(lambda: "`lumina topics --create`" in follower.why)
