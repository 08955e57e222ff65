"""`lumina backtest` as a process: on a file without any server, and on what a real Kafka retains."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from api.backtest.recorded import START_NS, line, recorded
from e2e.otlp_calls import dear, normal_calls, request
from lumina_schemas.alert import Alert
from lumina_schemas.control import COMMAND, TICK, Reached, SeriesCommand, Tick
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.rule import RULES, Rule, RuleChange
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Span
from lumina_schemas.topics import ALERTS, SETTINGS, SPANS, TYPE_HEADER
from topic_log import everything

Backtest = Callable[..., "subprocess.CompletedProcess[bytes]"]

COMMAND_LINE = [sys.executable, "-c", "from lumina_api.cli import app; app()", "backtest"]
DEAR: dict[str, Any] = {"dear_from": 350, "dear_until": 420}


def run(*words: str, env: dict[str, str] | None = None, stdin: bytes = b"") -> Any:
    return subprocess.run(
        [*COMMAND_LINE, *words],
        env=(env or {})
        | {
            "COLUMNS": "200",
            "NO_COLOR": "1",
        },
        input=stdin,
        capture_output=True,
        timeout=120,
    )


def transitions(found: Any) -> list[dict[str, Any]]:
    assert found.returncode == 0, found.stderr.decode()
    return [json.loads(one) for one in found.stdout.splitlines()]


def summary(found: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(found.stderr.splitlines()[-1])
    return told


def test_a_file_needs_no_server_and_says_every_transition(tmp_path: Path) -> None:
    path = tmp_path / "calls.ndjson"
    lines = [line(span) for span in recorded(900, **DEAR)]
    path.write_bytes(b"\n".join([*lines[:10], b"broken", *lines[10:]]))
    found = run("--input", str(path), "--summary", "json")
    told = transitions(found)
    assert {one["kind"] for one in told} <= {"cost_spike", "spend_spike"}
    assert [one["state"] for one in told][:1] == ["open"]
    for one in told:
        record = {name: value for name, value in one.items() if name != "event_time"}
        alert = msgspec.convert(record, Alert)
        assert one["event_time"] == alert.updated_at
        assert datetime.fromisoformat(one["event_time"]).tzinfo is not None
    assert told[0]["event_time"] == told[0]["opened_at"]
    numbers = summary(found)
    assert (numbers["calls"], numbers["series"], numbers["unreadable"]) == (900, 1, 1)
    assert numbers["alerts"] == len({one["id"] for one in told})
    assert numbers["against"] is None
    assert b"line 11 is left out" in found.stderr

    piped = run("--input", "-", stdin=path.read_bytes())
    assert [_without_wall_clock(one) for one in transitions(piped)] == [
        _without_wall_clock(one) for one in told
    ]
    quiet = run("--input", str(path), "--project", "nobody", "--summary", "json")
    assert transitions(quiet) == []
    assert summary(quiet)["calls"] == 0
    later = run("--input", str(path), "--from", "2027-01-01T00:00:00Z")
    assert transitions(later) == []
    assert b"No alert." in later.stderr


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    wrong = run("--input", "x", "--set", "cost_spike=1")
    assert wrong.returncode == 2
    assert b"cost_spike_pct=NUMBER" in wrong.stderr
    assert run("--input", "x", "--set", "quality_min=2").returncode == 2
    assert run("--input", "x", "--topic", "y").returncode == 2
    assert run("--input", "x", "--from", "1h", "--to", "2h").returncode == 2
    gone = run("--input", str(tmp_path / "gone"))
    assert gone.returncode == 1
    assert b"gone cannot be read: No such file" in gone.stderr
    away = run(env={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:42002"})
    assert away.returncode == 1
    assert b"127.0.0.1:42002 cannot be read" in away.stderr


async def write(settings: Settings, batches: Iterable[tuple[int, bytes, bytes | None]]) -> None:
    """Values of `lumina.spans` with their partition, and the type of control messages."""
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for partition, value, kind in batches:
            headers = [(TYPE_HEADER, kind)] if kind else []
            await producer.send_and_wait(settings.topic(SPANS), value, partition=partition, headers=headers)


def batches(settings: Settings, spans: Iterable[Span]) -> list[tuple[int, bytes, bytes | None]]:
    return [
        (partition_of(span.series_id, settings.partitions), msgspec.json.encode(span), None) for span in spans
    ]


@pytest.mark.kafka
async def test_what_is_retained_is_tried_with_rules_and_against_what_did_fire(
    settings: Settings, child_env: dict[str, str]
) -> None:
    spans = list(recorded(900, **DEAR))
    quiet = list(recorded(300, endpoint="quiet", seed=1))
    home = partition_of(spans[0].series_id, settings.partitions)
    await write(settings, [*batches(settings, [*spans[:400], *quiet]), (home, b"garbage", None)])
    first = run("--summary", "json", env=child_env)
    (alert, *_) = transitions(first)
    assert summary(first)["against"]["fired"] == 0
    fired = {name: value for name, value in alert.items() if name != "event_time"}
    fired |= {"state": "resolved", "reason": "false", "rev": 9, "resolved_at": fired["updated_at"]}
    command = SeriesCommand(
        v=1, type="resolve", alert_id=alert["id"], series_id=alert["series_id"], by="ada", reason="false"
    )
    tick = Tick(v=1, sources={"otlp": 1}, reached=(Reached("otlp", 0, 1, spans[-1].start_ns // 10**6),))
    await write(
        settings,
        [
            (home, msgspec.json.encode(command), COMMAND),
            (home, msgspec.json.encode(tick), TICK),
            *batches(settings, spans[400:]),
            *batches(settings, spans[:20]),
        ],
    )
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(
            settings.topic(ALERTS), json.dumps(fired).encode(), key=alert["id"].encode()
        )
    before = [len(await everything(settings, settings.topic(topic))) for topic in (SPANS, ALERTS)]

    found = run("--summary", "json", env=child_env)
    told, numbers = transitions(found), summary(found)
    assert (numbers["calls"], numbers["duplicates"], numbers["unreadable"]) == (1200, 20, 1)
    assert b"partition %d offset" % home in found.stderr
    against = numbers["against"]
    assert (against["fired"], against["same"], against["marked_false"]) == (1, 1, 1)
    assert (against["precision_then"], against["precision_now"]) == (0.0, 0.0)
    assert "false" not in {one.get("reason") for one in told}
    obeyed = transitions(run("--with-commands", env=child_env))
    assert "false" in {one.get("reason") for one in obeyed}

    only = run("--endpoint", "quiet", "--summary", "json", env=child_env)
    assert summary(only)["calls"] == 300
    assert summary(only)["against"]["fired"] == 0
    after = [len(await everything(settings, settings.topic(topic))) for topic in (SPANS, ALERTS)]
    assert after == before, "nothing is written"


@pytest.mark.kafka
async def test_rules_of_the_log_are_in_force_and_those_set_before_it(
    settings: Settings, child_env: dict[str, str]
) -> None:
    """A rule in the log holds behind it; one whose change the log no longer has, from its beginning."""
    spans = list(recorded(600, dear_from=350, times=1.7))
    home = partition_of(spans[0].series_id, settings.partitions)
    rule = Rule(v=1, endpoint="answer", cost_spike_pct=10_000)
    src = Source("settings", "control", 0, 5, 0)
    change = msgspec.json.encode(RuleChange(v=1, id="patient", src=src, rule=rule))
    key = b"rules/set-before"
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(settings.topic(SETTINGS), msgspec.json.encode(rule), key=key)
    await write(settings, batches(settings, spans))
    assert "cost_spike" not in summary(run("--summary", "json", env=child_env))["by_kind"]
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(settings.topic(SETTINGS), None, key=key)
    assert summary(run("--summary", "json", env=child_env))["by_kind"]["cost_spike"] >= 1
    await write(settings, [(home, change, RULES)])
    assert summary(run("--summary", "json", env=child_env))["by_kind"]["cost_spike"] >= 1


@pytest.mark.kafka
async def test_a_landing_topic_is_normalised_and_priced_as_the_stream_does_it(
    settings: Settings, child_env: dict[str, str]
) -> None:
    """400 calls of one endpoint, the last 50 by a model that costs many times more."""
    topic = settings.topic("otlp")
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        usual = normal_calls(random.Random(4), 400, START_NS)
        for number, one in enumerate([*usual[:350], *map(dear, usual[350:])]):
            body = request([one]).SerializeToString()
            await producer.send_and_wait(topic, body, partition=number % settings.partitions)
        await producer.send_and_wait(topic, b"no protobuf", partition=0)
    found = run("--topic", topic, "--summary", "json", env=child_env)
    told = transitions(found)
    assert told[0]["kind"] == "cost_spike"
    assert summary(found)["calls"] == 400
    assert summary(found)["unreadable"] == 1
    assert await everything(settings, settings.topic(SPANS)) == []
    missing = run("--topic", "nowhere", env=child_env)
    assert missing.returncode == 1
    assert b"Topic nowhere does not exist" in missing.stderr


def _without_wall_clock(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"detected_at": ""}
