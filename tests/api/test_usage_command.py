"""`lumina usage`: today's traces, read from Kafka alone."""

import asyncio
import json
import os
import time

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from typer.testing import CliRunner

from lumina_api.cli import app
from lumina_api.door import put
from lumina_schemas.kafka import client_options
from lumina_schemas.project import ProjectSettings
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS, USAGE
from lumina_schemas.usage import UsedTraces, day_of, packed

pytestmark = pytest.mark.kafka


async def tell(settings: Settings, *records: bytes) -> None:
    """Records as gateways write them."""
    async with AIOKafkaProducer(**client_options(settings)) as producer:
        for value in records:
            await producer.send_and_wait(
                settings.topic(USAGE), value, b"any", headers=[("lumina-type", b"traces")]
            )
        await producer.send_and_wait(settings.topic(USAGE), b"when a key was used", b"any")


def used(project: str, traces: int, **more: object) -> bytes:
    record = UsedTraces(
        v=1, project=project, day=day_of(time.time()), replica="r", fingerprints=packed(range(traces))
    )
    return msgspec.json.encode(msgspec.structs.replace(record, **more))


async def lumina(environment: dict[str, str], *arguments: str) -> str:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["usage", *arguments], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


async def test_it_shows_what_the_gateways_told(settings: Settings, child_env: dict[str, str]) -> None:
    env = {name: value for name, value in child_env.items() if os.environ.get(name) != value}
    env |= {"LUMINA_DAILY_TRACE_LIMIT": "1000"}
    assert "No traces yet today (UTC). Limit a project and day: 1,000." in await lumina(env)
    await put(
        settings, SETTINGS, "projects/full", msgspec.json.encode(ProjectSettings(v=1, daily_trace_limit=5))
    )
    yesterday = day_of(time.time()) - 1
    await tell(
        settings,
        used("shop", 923),
        used("shop", 100, replica="other"),
        used("full", 5, refused_spans=12),
        used("shop", 999, day=yesterday),
        used("shop", 1, fingerprints=b"odd"),
        b"junk",
    )
    output = await lumina(env)
    full, shop = (
        next(line for line in output.splitlines() if line.startswith(name)) for name in ("full", "shop")
    )
    assert full.split()[1:6] == ["5", "5", "100.0", "%", "12"]
    assert shop.split()[1:6] == ["923", "1,000", "92.3", "%", "0"]
    assert full.endswith("T00:00:00Z")
    assert "At the limit: full." in output
    assert "LUMINA_DAILY_TRACE_LIMIT" in output
    (line,) = (await lumina(env, "--project", "shop", "--json")).splitlines()
    assert json.loads(line) | {"resets_at": ""} == {
        "project": "shop",
        "traces": 923,
        "estimated": False,
        "limit": 1_000,
        "percent": 92.3,
        "refused_spans": 0,
        "resets_at": "",
    }


async def test_without_the_topic_it_says_what_makes_it(kafka: str) -> None:
    env = {"KAFKA_BOOTSTRAP_SERVERS": kafka, "LUMINA_TOPIC_PREFIX": "nowhere."}
    result = await asyncio.to_thread(CliRunner().invoke, app, ["usage"], env=env)
    assert result.exit_code == 1
    assert "`lumina topics --create`" in result.output
