"""`/api/v1/pipeline` on a real Kafka: offsets, lag of each reader, dead letters, and their redrive."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from api.views.span_lines import span
from e2e.stack import Stack, eventually
from lumina_api.pipeline import Pipeline
from lumina_api.rest import create_app
from lumina_api.views import Views
from lumina_schemas import dead_letter as header
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.span import Span
from lumina_schemas.topics import DETECT_CHANGELOG, DLQ, OTLP, SPANS

ADMIN = "lk-admin-" + "x" * 40


@pytest.fixture
async def api(
    settings: Settings, child_env: dict[str, str], tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    stack = Stack(settings, child_env | {"LUMINA_ADMIN_KEY": ADMIN, "AUTH_REQUIRED": "1"}, tmp_path)
    try:
        await stack.start("api")
        async with httpx.AsyncClient(
            base_url=stack.api_url, headers={"authorization": f"Bearer {ADMIN}"}, timeout=20
        ) as client:
            yield client
    finally:
        stack.stop()


async def produce(settings: Settings, topic: str, value: bytes, headers: list[tuple[str, bytes]]) -> None:
    producer = AIOKafkaProducer(**client_options(settings))
    await producer.start()
    try:
        await producer.send_and_wait(topic, value, b"k", partition=0, headers=headers)
    finally:
        await producer.stop()


async def test_offsets_lags_and_letters_are_shown_and_letters_land_again(
    api: httpx.AsyncClient, settings: Settings
) -> None:
    line: Span = span(1)
    for _ in range(3):
        await produce(settings, settings.topic(SPANS), msgspec.json.encode(line), [])
    group = settings.app_id("stream")
    reader = AIOKafkaConsumer(**client_options(settings), group_id=group)
    await reader.start()
    place = TopicPartition(settings.topic(SPANS), 0)
    reader.assign([place])
    await reader.commit({place: 1})
    await reader.stop()
    letter = [
        (header.STAGE, b"normalise"),
        (header.ERROR, b"internal error: KeyError"),
        (header.SIGNAL, b"traces"),
    ]
    await produce(settings, settings.topic(DLQ), b"secret prompt", letter)
    shown: dict[str, Any] = {}

    async def seen() -> bool:
        nonlocal shown
        response = await api.get("/api/v1/pipeline")
        shown = response.json()
        return response.status_code == 200 and shown["dead_letters"] == 1

    await eventually(seen, 40, lambda: f"the letter does not show: {shown}")
    topics = {topic["topic"]: topic for topic in shown["topics"]}
    (first, *_) = topics[settings.topic(SPANS)]["partitions"]
    assert (first["end_offset"], first["begin_offset"]) == (3, 0)
    readers = {one["name"]: one for one in first["readers"]}
    assert (readers[group]["position"], readers[group]["lag"]) == (1, 2)
    assert readers["views"]["lag"] == 0
    assert {one["name"]: one["lag"] for one in shown["groups"]}[group] == 2
    (one,) = shown["newest_letters"]
    assert (one["place"], one["stage"], one["reason"]) == ("0:0", "normalise", "internal error: KeyError")
    assert "secret prompt" not in str(shown)

    async def rated() -> bool:
        found = (await api.get("/api/v1/pipeline")).json()["topics"]
        return all(topic["records_per_s"] is not None for topic in found)

    await eventually(rated, 30, lambda: "no rates")
    path = "/api/v1/pipeline/dlq/redrive"
    assert (await api.post(path, json={})).status_code == 422
    assert (await api.post(path, json={"places": ["9:9"]})).status_code == 422
    for wrong in (
        {"places": ["0:0"], "reason": "KeyError"},  # a filter that does nothing would mislead
        {"all": True, "stage": "detect"},
        {"since": "soon"},
        {"place": ["0:0"]},
    ):
        refused = await api.post(path, json=wrong)
        assert refused.status_code == 422, wrong
    for none in ({"stage": "detect"}, {"since": "2090-01-01T00:00:00Z"}, {"reason": "no such"}):
        assert (await api.post(path, json=none)).json()["landed"] == [], none
    tables = {one["app"]: one for one in shown["tables"]}
    assert tables.keys() == {"stream", "actor"}
    assert tables["stream"]["topic"] == settings.topic(DETECT_CHANGELOG)
    answered = await api.post(path, json={"reason": "KeyError", "since": "1h", "dry_run": True})
    assert answered.status_code == 200, answered.text
    dry = answered.json()
    assert (dry["landed"], dry["dry_run"]) == (["0:0"], True)
    assert await ends(settings, OTLP.name) == 0
    done = await api.post(path, json={"places": ["0:0"]})
    assert done.status_code == 200, done.text
    assert done.json()["landed"] == ["0:0"]
    assert await ends(settings, OTLP.name) == 1
    audit = (await api.get("/api/v1/audit")).json()["items"]
    assert [entry["action"] for entry in audit] == ["dlq.redrive"]


async def ends(settings: Settings, topic: str) -> int:
    async with AIOKafkaConsumer(**client_options(settings)) as consumer:
        partitions = [TopicPartition(settings.topic(topic), number) for number in range(settings.partitions)]
        found = await asyncio.wait_for(consumer.end_offsets(partitions), 20)
        return sum(found.values())


async def test_a_key_of_a_project_and_strangers_see_nothing(api: httpx.AsyncClient) -> None:
    made = await api.post("/api/v1/keys", json={"scopes": ["admin"], "project": "shop"})
    key = made.json()["key"]
    for method, path in (("GET", "/api/v1/pipeline"), ("POST", "/api/v1/pipeline/dlq/redrive")):
        own = await api.request(method, path, headers={"authorization": f"Bearer {key}"}, json={"all": True})
        assert own.status_code == 403, own.text
        nobody = await api.request(method, path, headers={"authorization": ""}, json={"all": True})
        assert nobody.status_code == 401


@pytest.mark.parametrize("listens", [False, True], ids=["refuses", "never-answers"])
async def test_without_kafka_the_answer_is_no_within_two_seconds(listens: bool, tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        if listens:
            silent.listen(50)
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = Settings(kafka_bootstrap_servers=address, data_dir=tmp_path)
        app = create_app(Views(settings))
        app.state.pipeline = watch = Pipeline(settings)
        await watch.start()
        try:
            async with httpx.AsyncClient(
                transport=httpx.ASGITransport(app), base_url="http://lumina", timeout=20
            ) as client:
                for method, path in (
                    ("GET", "/api/v1/pipeline"),
                    ("GET", "/api/v1/pipeline"),
                    ("POST", "/api/v1/pipeline/dlq/redrive"),
                ):
                    began = time.monotonic()
                    body = {"json": {"all": True}} if method == "POST" else {}
                    answered = await client.request(method, path, **body)  # type: ignore[arg-type]
                    assert time.monotonic() - began < 2
                    assert answered.status_code == 503
                    assert answered.headers["content-type"] == "application/problem+json"
                    assert answered.headers["retry-after"]
        finally:
            await watch.stop()
