"""The way to Kafka: a worker waits for it as long as it takes, and says what it is waiting for."""

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.admin import NewTopic

from faults.proxy import Proxy
from lumina_api.kafka import admin_client
from lumina_api.stack.ports import free_port
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import (
    COMMANDS,
    DETECT_CHANGELOG,
    OTLP,
    PROJECTS,
    PROJECTS_CHANGELOG,
    SPANS,
    Topic,
)
from lumina_streams import process
from lumina_streams.metrics import Metrics
from lumina_streams.page import Page
from lumina_streams.process import Start, StartError

WAIT_S = 30.0


async def test_it_finds_the_partitions_of_the_series_log(settings: Settings) -> None:
    assert await Start(settings, (SPANS, OTLP, DETECT_CHANGELOG)).partitions() == settings.partitions


async def test_without_a_topic_by_series_there_is_still_a_count(settings: Settings) -> None:
    assert await Start(settings, (COMMANDS, SPANS)).partitions() == settings.partitions


async def test_it_waits_while_kafka_is_away(settings: Settings) -> None:
    door = free_port()
    away = settings.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{door}"})
    start = Start(away, (SPANS,))
    finding = asyncio.create_task(start.partitions())
    async with asyncio.timeout(WAIT_S):
        while "cannot be reached" not in start.why:
            await asyncio.sleep(0.05)
    assert "KAFKA_BOOTSTRAP_SERVERS" in start.why
    async with Proxy(int(settings.kafka_bootstrap_servers.rpartition(":")[2]), door):
        assert await asyncio.wait_for(finding, WAIT_S) == settings.partitions


async def test_it_waits_for_topics_without_a_leader_but_not_for_ever(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "MISSING_S", 1.0)
    start = Start(Settings(kafka_bootstrap_servers=kafka, topic_prefix="never-made."), (SPANS,))
    with pytest.raises(StartError, match=r"never-made.spans. Create them with `lumina topics --create`"):
        await asyncio.wait_for(start.partitions(), WAIT_S)


@pytest.mark.parametrize("partitions", [3, 5])
@pytest.mark.parametrize("pair", [(SPANS, DETECT_CHANGELOG), (PROJECTS, PROJECTS_CHANGELOG)])
async def test_it_refuses_unequal_topics(
    settings: Settings, pair: tuple[Topic, Topic], partitions: int
) -> None:
    other = settings.model_copy(update={"topic_prefix": settings.topic_prefix + "unequal."})
    log, changelog = (other.topic(topic) for topic in pair)
    async with admin_client(client_options(settings)) as admin:
        await admin.create_topics([NewTopic(log, 4, 1), NewTopic(changelog, partitions, 1)])
        try:
            with pytest.raises(StartError, match="equally many partitions"):
                await asyncio.wait_for(Start(other, pair).partitions(), WAIT_S)
        finally:
            await admin.delete_topics([log, changelog])


class TestPage:
    @pytest.fixture
    def reasons(self) -> list[str]:
        return ["starting"]

    @pytest.fixture
    def page(self, reasons: list[str]) -> Iterator[Page]:
        metrics = Metrics("actor")
        metrics.add("commands", 3)
        metrics.gauge("lag_records", lambda: 7)
        page = Page(0, lambda: reasons, metrics.text)
        page.start()
        yield page
        page.close()

    def get(self, page: Page, path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{page.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def test_it_is_alive_and_says_why_it_is_not_ready(self, page: Page, reasons: list[str]) -> None:
        assert self.get(page, "/health")[0] == 200
        status, body = self.get(page, "/ready")
        assert (status, json.loads(body)) == (503, {"status": "starting", "reasons": ["starting"]})
        reasons.clear()
        status, body = self.get(page, "/ready?x=1")
        assert (status, json.loads(body)) == (200, {"status": "ready", "reasons": []})

    def test_counters_and_gauges(self, page: Page) -> None:
        assert self.get(page, "/metrics") == (
            200,
            "# TYPE lumina_actor_commands_total counter\nlumina_actor_commands_total 3\n"
            "# TYPE lumina_actor_lag_records gauge\nlumina_actor_lag_records 7\n",
        )

    def test_elsewhere_is_nothing(self, page: Page) -> None:
        status, body = self.get(page, "/")
        assert status == 404
        assert "/metrics" in body
