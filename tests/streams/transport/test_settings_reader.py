"""The reader of settings on a real Kafka: all of it before its process works, and each change afterwards."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import pytest
from aiokafka import AIOKafkaProducer

from lumina_api.kafka import admin_client, partition_counts
from lumina_api.provision import provision
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SERIES, SETTINGS
from lumina_streams.metrics import Metrics
from lumina_streams.transport.settings_reader import SettingsReader

pytestmark = pytest.mark.kafka

DEADLINE_S = 30.0


@asynccontextmanager
async def reading(reader: SettingsReader) -> AsyncIterator[None]:
    task = asyncio.create_task(reader.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


async def write(settings: Settings, values: Mapping[str, bytes | None]) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for key, value in values.items():
            await producer.send_and_wait(settings.topic(SETTINGS), value, key=key.encode())


async def test_all_is_read_before_it_is_ready_and_changes_follow(settings: Settings) -> None:
    first = {f"prices/{number}": b"%d" % number for number in range(50)} | {"rules/a": b"r"}
    await write(settings, first)
    await write(settings, {"prices/7": b"new", "prices/8": None})
    first |= {"prices/7": b"new"}
    del first["prices/8"]
    reader = SettingsReader(settings, Metrics())
    told: list[Mapping[str, bytes]] = []
    reader.watch("prices/", told.append)
    others: list[Mapping[str, bytes]] = []
    reader.watch("webhooks/", others.append)
    assert reader.why == f"reading {settings.topic(SETTINGS)}"
    async with reading(reader):
        await asyncio.wait_for(reader.caught_up(), DEADLINE_S)
        assert reader.why == ""
        assert reader.values == first
        assert told == [{key: value for key, value in first.items() if key != "rules/a"}]
        assert others == [{}]
        await write(settings, {"rules/b": b"r"})
        await until(lambda: "rules/b" in reader.values)
        assert len(told) == 1  # another kind
        await write(settings, {"prices/9": None})
        await until(lambda: len(told) == 2)
        assert "prices/9" not in told[-1]
        await write(settings, {"prices/new": b"1"})
        await until(lambda: len(told) == 3)
        assert told[-1]["prices/new"] == b"1"
        assert others == [{}]


async def test_followers_of_another_topic_are_told_what_has_changed(settings: Settings) -> None:
    metrics = Metrics()
    reader = SettingsReader(settings, metrics, SERIES)
    told: list[Mapping[str, bytes | None]] = []
    reader.follow(told.append)
    topic = settings.topic(SERIES)
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for key, value in (("a", b"1"), ("b", b"2"), ("a", b"3")):
            await producer.send_and_wait(topic, value, key=key.encode())
        async with reading(reader):
            await asyncio.wait_for(reader.caught_up(), DEADLINE_S)
            assert told == [{"a": b"3", "b": b"2"}]
            await producer.send_and_wait(topic, b"2", key=b"b")  # as it was
            await producer.send_and_wait(topic, None, key=b"a")
            await until(lambda: len(told) == 2)
            assert told[1] == {"a": None}
    assert metrics["series_records"] == 5


async def test_an_empty_topic_is_read_at_once(settings: Settings) -> None:
    reader = SettingsReader(settings, Metrics())
    told: list[Mapping[str, bytes]] = []
    reader.watch("prices/", told.append)
    async with reading(reader):
        await asyncio.wait_for(reader.caught_up(), DEADLINE_S)
    assert told == [{}]


async def test_what_lies_on_a_wrong_partition_is_ignored_and_counted(settings: Settings) -> None:
    metrics = Metrics()
    reader = SettingsReader(settings, metrics)
    home = partition_of("prices/a", settings.partitions)
    topic = settings.topic(SETTINGS)
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(topic, b"right", key=b"prices/a", partition=home)
        wrong = (home + 1) % settings.partitions
        await producer.send_and_wait(topic, b"wrong", key=b"prices/a", partition=wrong)
        await producer.send_and_wait(topic, b"no text", key=b"\xff", partition=0)
    async with reading(reader):
        await asyncio.wait_for(reader.caught_up(), DEADLINE_S)
    assert reader.values == {"prices/a": b"right"}
    assert metrics["bad_settings"] == 2


async def test_a_topic_that_was_recreated_is_read_anew(settings: Settings) -> None:
    await write(settings, {"prices/a": b"1", "prices/b": b"2"})
    reader = SettingsReader(settings, Metrics())
    async with reading(reader):
        await asyncio.wait_for(reader.caught_up(), DEADLINE_S)
        name = settings.topic(SETTINGS)
        async with admin_client(client_options(settings)) as admin:
            await admin.delete_topics([name])
            async with asyncio.timeout(DEADLINE_S):
                while name in await partition_counts(admin):
                    await asyncio.sleep(0.05)
        assert reader.values == {"prices/a": b"1", "prices/b": b"2"}  # in force while it is away
        assert reader.why == ""
        await provision(settings)
        await write(settings, {"prices/b": b"3"})
        await until(lambda: reader.values == {"prices/b": b"3"})


async def test_it_waits_for_kafka() -> None:
    reader = SettingsReader(Settings(kafka_bootstrap_servers="127.0.0.1:42001"), Metrics())
    async with reading(reader):
        await until(lambda: "cannot be read" in reader.why)
