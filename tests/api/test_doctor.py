"""`lumina doctor`: what each check says of which facts, and the whole of it on a real Kafka."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from lumina_api.cli import app
from lumina_api.commands.doctor import examine
from lumina_api.doctor import checks
from lumina_api.doctor.cluster import ClusterFacts, TopicState
from lumina_api.doctor.finding import Finding
from lumina_api.doctor.machine import MachineFacts
from lumina_api.inventory import GroupLag
from lumina_api.provision import wanted
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SPANS


def cluster(settings: Settings, brokers: int = 1, **changes: dict[str, Any]) -> ClusterFacts:
    """A cluster as it should be, but for these topics."""
    topics = {}
    for topic in wanted(settings):
        values: dict[str, Any] = {"partitions": 4, "replicas": 1, "behind": 0}
        values |= {"settings": topic.settings(settings.max_message_bytes)} | changes.get(topic.name, {})
        topics[settings.topic(topic)] = TopicState(settings.topic(topic), **values)
    return ClusterFacts("c1", brokers, topics, newest_ms=1_000_000, now_ms=1_000_100)


@pytest.fixture
def plain_settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, retention_days=7)


def verdicts(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.check, finding.verdict) for finding in findings]


def test_a_cluster_as_declared_has_nothing_to_say(plain_settings: Settings) -> None:
    facts = cluster(plain_settings)
    assert verdicts(checks.brokers(facts, plain_settings)) == [("broker", "ok")]
    assert verdicts(checks.topics(facts, plain_settings)) == [("topics", "ok")]
    assert verdicts(checks.lags(facts)) == [("lag", "ok")]
    assert checks.clock(facts).verdict == "ok"


@pytest.mark.parametrize(
    ("changes", "expected", "says"),
    [
        ({"replicas": 1, "settings": {"min.insync.replicas": "2"}}, ("min.insync.replicas", "fail"), "503"),
        (
            {"replicas": 2, "settings": {"min.insync.replicas": "2"}},
            ("min.insync.replicas", "warn"),
            "restarts",
        ),
        ({"behind": 1}, ("replicas", "warn"), "slow"),
    ],
)
def test_replicas_that_cannot_hold_are_told(
    plain_settings: Settings, changes: dict[str, object], expected: tuple[str, str], says: str
) -> None:
    findings = checks.brokers(cluster(plain_settings, alerts=changes), plain_settings)
    (found,) = (finding for finding in findings if finding.check == expected[0])
    assert found.verdict == expected[1]
    assert says in found.advice


def test_more_replicas_than_brokers_are_told(plain_settings: Settings) -> None:
    three = plain_settings.model_copy(update={"replication": 3})
    assert ("replication", "fail") in verdicts(checks.brokers(cluster(three), three))
    assert ("replication", "warn") in verdicts(checks.brokers(cluster(plain_settings, 3), plain_settings))


def test_topics_that_keep_less_than_the_views_are_told(plain_settings: Settings) -> None:
    longer = plain_settings.model_copy(update={"retention_days": 30})
    found = checks.topics(cluster(longer), longer)
    assert {finding.check for finding in found} == {"retention"}
    assert {finding.verdict for finding in found} == {"warn"}
    spans = next(finding for finding in found if "lumina.spans:" in finding.found)
    assert "retention.ms=604800000, for LUMINA_RETENTION_DAYS=30 it should be 2592000000" in spans.found
    assert "LUMINA_MANAGE_TOPICS" in spans.advice


def test_missing_and_unequal_topics_are_told(plain_settings: Settings) -> None:
    facts = cluster(plain_settings, spans={"partitions": 5})
    del facts.topics[plain_settings.topic("alerts")]
    assert verdicts(checks.topics(facts, plain_settings)) == [("topics", "fail"), ("partitions", "fail")]


def test_a_topic_with_other_settings_is_told_with_the_command_that_mends_it(plain_settings: Settings) -> None:
    wrong = {"cleanup.policy": "delete", "segment.ms": "1"}
    findings = checks.topics(cluster(plain_settings, alerts={"settings": wrong}), plain_settings)
    assert verdicts(findings) == [("topic settings", "fail"), ("topic settings", "warn")]
    assert "--add-config cleanup.policy=compact" in findings[0].advice


def test_lag_and_a_wrong_clock_are_told(plain_settings: Settings) -> None:
    facts = ClusterFacts("c", 1, {}, (GroupLag("lumina.stream", "lumina.otlp", 10**6),), 10_000, 1_000)
    assert verdicts(checks.lags(facts)) == [("lag", "warn")]
    assert checks.clock(facts).verdict == "fail"
    assert "9.0 s ahead" in checks.clock(facts).found


def test_a_full_disk_and_little_memory_are_told(plain_settings: Settings) -> None:
    facts = MachineFacts(Path("/data"), 10**8, 10**8)
    assert verdicts(checks.machine(facts, plain_settings)) == [("disk", "fail"), ("memory", "warn")]


@pytest.mark.parametrize(
    ("changes", "keys", "verdict"),
    [
        ({}, 0, "ok"),
        ({"host": "0.0.0.0"}, 0, "warn"),
        ({"auth_required": True}, 0, "fail"),
        ({"auth_required": True}, 2, "ok"),
        ({"auth_required": True, "admin_key": "x" * 32}, 0, "ok"),
    ],
)
def test_access_is_judged(
    plain_settings: Settings, changes: dict[str, object], keys: int, verdict: str
) -> None:
    (finding,) = checks.access(plain_settings.model_copy(update=changes), keys)
    assert finding.verdict == verdict
    assert bool(finding.advice) == (verdict != "ok")


async def test_a_fresh_installation_is_well(settings: Settings) -> None:
    findings = await examine(settings.model_copy(update={"retention_days": 7.0}))
    assert {finding.check for finding in findings} >= {
        "broker",
        "topics",
        "lag",
        "clock",
        "disk",
        "memory",
        "keys",
    }
    assert [finding for finding in findings if finding.verdict == "fail"] == []


async def test_a_topic_that_somebody_altered_is_found_on_the_cluster(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        name = settings.topic(SPANS)
        resource = ConfigResource(ConfigResourceType.TOPIC, name, configs={"cleanup.policy": "compact"})
        (response,) = await admin.alter_configs([resource])
        assert [code for code, *_ in response.resources] == [0], response
    finally:
        await admin.close()
    deadline = time.monotonic() + 20
    failed: list[Finding] = []
    while not failed and time.monotonic() < deadline:  # brokers take it over a moment later
        failed = [finding for finding in await examine(settings) if finding.verdict == "fail"]
    assert {finding.check for finding in failed} == {"topic settings"}
    assert any(f"{name}: cleanup.policy=compact" in finding.found for finding in failed)


def test_without_kafka_the_doctor_says_what_to_check_and_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("LUMINA_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    findings = {entry["check"]: entry for entry in map(json.loads, result.stdout.splitlines())}
    assert findings["broker"]["verdict"] == "fail"
    assert "KAFKA_BOOTSTRAP_SERVERS" in findings["broker"]["advice"]
    assert findings["disk"]["verdict"] == "ok"


def test_without_a_gateway_ingest_says_how_to_reach_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LUMINA_OTLP_HTTP_PORT", "9")
    monkeypatch.setenv("LUMINA_DATA_DIR", str(tmp_path))
    result = CliRunner().invoke(app, ["doctor", "ingest"])
    assert result.exit_code == 1
    assert "LUMINA_OTLP_HTTP_PORT" in result.stderr
