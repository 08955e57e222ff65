"""`lumina reset` on a cluster: what it names, what it refuses, and that nothing else goes."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from lumina_api.provision import wanted
from lumina_api.stack.environment import environment
from lumina_api.wipe import wipe_of
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import ALERTS

Reset = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def reset(settings: Settings) -> Reset:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LUMINA_")}

    def run(*words: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from lumina_api.cli import app; app()", "reset", *words],
            env=environment(settings, clean),
            input=answer,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.fixture
async def names(settings: Settings) -> Callable[[], Awaitable[set[str]]]:
    async def ask() -> set[str]:
        admin = AIOKafkaAdminClient(**client_options(settings))
        await admin.start()
        try:
            return set(await admin.list_topics())
        finally:
            await admin.close()

    return ask


async def test_it_names_everything_and_deletes_all_of_the_prefix_and_nothing_else(
    settings: Settings, reset: Reset, names: Callable[[], Awaitable[set[str]]]
) -> None:
    changelog = f"{settings.topic_prefix}stream-2-detect-changelog"
    neighbour = f"other-{settings.topic_prefix}alerts"
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.create_topics([NewTopic(changelog, 1, 1), NewTopic(neighbour, 1, 1)])
    try:
        ours = {settings.topic(topic) for topic in wanted(settings)} | {changelog}
        asked = reset(answer="yes\n")
        assert asked.returncode == 1
        assert "is not the prefix" in asked.stderr
        assert all(name in asked.stdout for name in ours)
        assert (await wipe_of(settings)).cluster_id in asked.stdout
        assert ours <= await names()
        done = reset(answer=f"{settings.topic_prefix}\n")
        assert done.returncode == 0, done.stderr
        left = await names()
        assert not left & ours
        assert neighbour in left
        assert "nothing to reset" in reset("--prefix", settings.topic_prefix).stdout
    finally:
        await admin.delete_topics([neighbour])
        await admin.close()


async def test_it_refuses_where_others_read_unless_forced(
    settings: Settings, reset: Reset, names: Callable[[], Awaitable[set[str]]]
) -> None:
    place = TopicPartition(settings.topic(ALERTS), 0)
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    await producer.send_and_wait(place.topic, b"{}", b"key", partition=0)
    await producer.stop()
    reader = AIOKafkaConsumer(**client_options(settings), group_id=f"billing-{settings.topic_prefix}x")
    await reader.start()
    reader.assign([place])
    await reader.commit({place: 1})
    await reader.stop()
    refused = reset("--prefix", settings.topic_prefix)
    assert refused.returncode == 1
    assert f"billing-{settings.topic_prefix}x" in refused.stderr
    assert place.topic in await names()
    assert reset("--prefix", settings.topic_prefix, "--force").returncode == 0
    assert place.topic not in await names()


async def test_it_refuses_while_a_worker_is_at_work(settings: Settings, reset: Reset) -> None:
    worker = AIOKafkaConsumer(
        settings.topic(ALERTS), **client_options(settings), group_id=settings.app_id("stream")
    )
    await worker.start()
    try:
        refused = reset("--prefix", settings.topic_prefix)
        assert refused.returncode == 1
        assert "Workers are still members" in refused.stderr
    finally:
        await worker.stop()
