"""A worker's start in a generation of the topics: only in one that is whole and was not left."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from aiokafka.admin import NewTopic

from lumina_api.generations import GrowthError, grow
from lumina_api.kafka import admin_client, partition_counts
from lumina_api.provision import create, provision
from lumina_api.stack.environment import environment
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DETECT_CHANGELOG, SPANS
from lumina_streams.process import Start, StartError
from lumina_streams.worker import TOPICS

pytestmark = pytest.mark.kafka


async def with_partitions(settings: Settings, spans: int, changelog: int) -> Settings:
    """Settings of another prefix, all of whose topics exist, these two with so many partitions."""
    other = settings.model_copy(update={"topic_prefix": settings.topic_prefix + "x."})
    async with admin_client(client_options(settings)) as admin:
        await create(admin, [topic for topic in TOPICS if topic.partitioned_by != "series"], other, 1)
        for topic, count in ((SPANS, spans), (DETECT_CHANGELOG, changelog)):
            await admin.create_topics([NewTopic(other.topic(topic), count, -1, {})])
        async with asyncio.timeout(15):
            while {other.topic(topic) for topic in TOPICS} - (await partition_counts(admin)).keys():
                await asyncio.sleep(0.05)
    return other


async def test_partitions_are_those_of_the_topics_in_any_generation(settings: Settings) -> None:
    assert await Start(settings, TOPICS).partitions() == 4
    await grow(settings, 6, lambda _: None)
    assert await Start(settings.in_generation(2), TOPICS).partitions() == 6


async def test_a_generation_that_was_left_is_refused(settings: Settings) -> None:
    await grow(settings, 6, lambda _: None)
    with pytest.raises(StartError, match=r"Generation 2 .* has taken over .* Set LUMINA_GENERATION=2"):
        await Start(settings, TOPICS).partitions()


async def test_a_generation_that_is_half_made_is_refused_and_a_process_says_so(
    settings: Settings, tmp_path: Path
) -> None:
    new = settings.in_generation(2)
    async with admin_client(client_options(settings)) as admin:
        await create(admin, [SPANS, DETECT_CHANGELOG], new, 6)
        async with asyncio.timeout(15):
            while new.topic(DETECT_CHANGELOG) not in await partition_counts(admin):
                await asyncio.sleep(0.05)
    with pytest.raises(StartError, match="Generation 2 of the topics is not made, or only half"):
        await Start(new, TOPICS).partitions()
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "lumina_streams.worker"),
        env=environment(new, os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(worker.communicate(), 60)
    assert worker.returncode == 1
    assert b"LUMINA_GENERATION=1" in said
    await provision(settings)  # the first generation is as it was
    assert await Start(settings, TOPICS).partitions() == 4


async def test_growing_refuses_unequal_topics(settings: Settings) -> None:
    other = await with_partitions(settings, 4, 5)
    with pytest.raises(GrowthError, match="must have equally many partitions"):
        await grow(other, 8, lambda _: None)
