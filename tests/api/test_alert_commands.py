"""`lumina ack`, `snooze`, `resolve`, `mark`, `rule`, `budget` against a real Kafka: what they write."""

import getpass
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from api.backtest.recorded import recorded
from api.views.span_lines import alert
from lumina_schemas.alert import Alert
from lumina_schemas.audit import AuditEntry
from lumina_schemas.budget import Budget
from lumina_schemas.control import Command, Mark, problem_of
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.rule import Rule
from lumina_schemas.settings import Settings
from lumina_schemas.topics import ALERTS, AUDIT, COMMANDS, SETTINGS, SPANS
from topic_log import everything

pytestmark = pytest.mark.kafka

Lumina = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def lumina(child_env: dict[str, str]) -> Lumina:
    def run(*words: str, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-c", "from lumina_api.cli import app; app()", *words],
            env=child_env | {"COLUMNS": "200", "NO_COLOR": "1"} | env,
            capture_output=True,
            timeout=120,
            text=True,
        )

    return run


async def fired(settings: Settings, *alerts: Alert) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for one in alerts:
            value = msgspec.json.encode(one)
            await producer.send_and_wait(settings.topic(ALERTS), value, key=one.id.encode())


async def commands(settings: Settings) -> list[Command]:
    return [
        msgspec.json.decode(record.value, type=Command)
        for record in await everything(settings, settings.topic(COMMANDS))
    ]


async def test_what_people_decide_is_a_command_on_the_alerts_own_partition(
    settings: Settings, lumina: Lumina
) -> None:
    known, other = alert(1, id="5f0d2f6e-1"), alert(2, id="5f0d2f7a-2", series_id="ab" * 8)
    await fired(settings, known, other, msgspec.structs.replace(known, rev=2, summary="newest words"))
    acked = lumina("ack", "5f0d2f6e-1", "--note", "rolling back", "--by", "ada")
    assert acked.returncode == 0, acked.stderr
    assert "newest words" in acked.stdout
    assert lumina("snooze", "5f0d2f7", "--for", "4h", "--by", "ada").returncode == 0
    manual = lumina("resolve", other.id)
    assert manual.returncode == 0
    found = {one.type: one for one in await commands(settings)}
    assert set(found) == {"acknowledge", "snooze", "resolve"}
    assert all(problem_of(one) == "" for one in found.values())
    assert (found["acknowledge"].alert_id, found["acknowledge"].note) == (known.id, "rolling back")
    until = found["snooze"].until
    assert until is not None
    assert abs(until - datetime.now(UTC) - timedelta(hours=4)) < timedelta(minutes=2)
    assert (found["resolve"].series_id, found["resolve"].reason) == (other.series_id, None)
    assert found["resolve"].by
    for record in await everything(settings, settings.topic(COMMANDS)):
        assert record.partition == partition_of(record.key.decode(), settings.partitions)


async def test_feedback_is_a_command_also_on_a_resolved_alert(settings: Settings, lumina: Lumina) -> None:
    known = alert(1, id="5f0d2f6e-1", state="resolved")
    other = alert(2, id="6f0d2f6e-2", kind="budget")
    await fired(settings, known, other)
    judged = lumina("feedback", "5f0d2f6e-1", "noise", "--note", "a load test", "--by", "ada")
    assert judged.returncode == 0, judged.stderr
    assert "resolved already" not in judged.stderr
    assert lumina("feedback", "5f0d2f6e-1", "meh").returncode == 2
    assert lumina("feedback", other.id, "useful").returncode == 0
    found = {one.alert_id: one for one in await commands(settings)}
    first = found[known.id]
    assert (first.type, first.feedback, first.note, first.by) == ("feedback", "noise", "a load test", "ada")
    assert (first.project, found[other.id].project) == ("", "shop"), (
        "the project decides about its own alerts"
    )
    assert all(problem_of(one) == "" for one in found.values())


async def told(settings: Settings) -> list[AuditEntry]:
    records = await everything(settings, settings.topic(AUDIT))
    entries = [msgspec.json.decode(record.value, type=AuditEntry) for record in records]
    return sorted(entries, key=lambda entry: entry.at)


async def test_each_change_is_told_to_the_audit_log(settings: Settings, lumina: Lumina) -> None:
    await fired(settings, alert(1, id="5f0d2f6e-1"))
    for words in (
        ("ack", "5f0d2f6e-1", "--note", "mine"),
        ("rule", "set", "r", "cooldown_s=60", "--project", "shop"),
        ("rule", "rm", "r"),
        ("mark", "release 1.4", "--project", "shop"),
        ("reprice", "--from", "1h", "--to", "0s", "--dry-run"),
        ("reprice", "--from", "1h", "--to", "0s"),
    ):
        done = lumina(*words)
        assert done.returncode == 0, done.stderr
    entries = await told(settings)
    assert [(entry.action, entry.project) for entry in entries] == [
        ("alert.acknowledge", "shop"),
        ("rule.set", "shop"),
        ("rule.remove", "shop"),
        ("mark.create", "shop"),
        ("reprice.run", ""),
    ]
    assert {entry.by for entry in entries} == {f"cli:{getpass.getuser()}"}
    assert entries[0].target == "5f0d2f6e-1"
    assert (entries[1].target, entries[1].change["cooldown_s"]) == ("rules/r", 60)
    assert entries[3].change["text"] == "release 1.4"


async def test_what_cannot_be_told_is_not_done(settings: Settings, lumina: Lumina) -> None:
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.delete_topics([settings.topic(AUDIT)])
    await admin.close()
    refused = lumina("rule", "set", "r", "cooldown_s=60")
    assert refused.returncode == 1
    assert f"Topic {settings.topic(AUDIT)} does not exist" in refused.stderr
    assert await everything(settings, settings.topic(SETTINGS)) == []


async def test_what_names_no_alert_writes_nothing(settings: Settings, lumina: Lumina) -> None:
    await fired(settings, alert(1, id="5f0d2f6e-1"), alert(2, id="5f0d2f6e-2"))
    assert "There is no alert 'nobody'" in lumina("ack", "nobody").stderr
    assert "2 alerts begin with '5f0d2f6e'" in lumina("ack", "5f0d2f6e").stderr
    assert lumina("snooze", "5f0d2f6e-1").returncode == 2
    assert lumina("snooze", "5f0d2f6e-1", "--for", "soon").returncode == 2
    assert lumina("snooze", "5f0d2f6e-1", "--until", "2026-01-01T00:00:00Z").returncode == 2
    away = lumina("ack", "5f0d2f6e-1", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:42002")
    assert away.returncode == 1
    assert "127.0.0.1:42002 cannot be used" in away.stderr
    assert await commands(settings) == []


async def test_a_false_alert_is_answered_with_the_setting_that_silences_it(
    settings: Settings, lumina: Lumina
) -> None:
    spans = list(recorded(700, dear_from=350, dear_until=460, times=1.5))
    home = partition_of(spans[0].series_id, settings.partitions)
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for span in spans:
            value = msgspec.json.encode(span)
            await producer.send_and_wait(settings.topic(SPANS), value, partition=home)
    tried = lumina("backtest")
    first = json.loads(tried.stdout.splitlines()[0])
    first.pop("event_time")
    await fired(settings, msgspec.convert(first, Alert))
    rule = Rule(v=1, project="shop", cooldown_s=60)
    assert lumina("rule", "set", "of-shop", "cooldown_s=60", "--project", "shop").returncode == 0
    answer = lumina("resolve", first["id"], "--false", "--by", "ada")
    assert answer.returncode == 0, answer.stderr
    (command,) = await commands(settings)
    assert (command.type, command.reason) == ("resolve", "false")
    assert "it would have been quiet (700 calls of its series were tried)" in answer.stdout
    (words,) = [line.split() for line in answer.stdout.splitlines() if line.startswith("  lumina rule set")]
    assert words[3] == f"series-{first['series_id']}"
    assert "cooldown_s=60" in words, "what is in force there now stays so"
    assert lumina(*words[1:]).returncode == 0
    by_id = {
        record.key.decode(): record.value for record in await everything(settings, settings.topic(SETTINGS))
    }
    proposed = msgspec.json.decode(by_id[f"rules/{words[3]}"], type=Rule)
    assert (proposed.service, proposed.endpoint, proposed.cooldown_s) == (
        "checkout",
        "answer",
        rule.cooldown_s,
    )
    again = lumina("backtest", "--summary", "json")
    assert first["id"] in {json.loads(line)["id"] for line in again.stdout.splitlines()}, (
        "the rule came behind the calls of the log"
    )
    assert lumina("resolve", first["id"], "--false", "--no-proposal").stdout.count("\n") == 1


async def test_a_mark_is_told_and_kept_in_bounds(settings: Settings, lumina: Lumina) -> None:
    done = lumina("mark", "release 1.4", "--service", "checkout", "--expected", "--by", "ada", "--at", "10m")
    assert done.returncode == 0, done.stderr
    assert "Marked release 1.4 at" in done.stdout
    (record,) = await everything(settings, settings.topic(COMMANDS))
    told = msgspec.json.decode(record.value, type=Mark)
    assert (told.text, told.service, told.project, told.expected, told.by) == (
        "release 1.4",
        "checkout",
        "",
        True,
        "ada",
    )
    assert record.key.decode() == told.id
    assert abs(datetime.now(UTC) - told.at - timedelta(minutes=10)) < timedelta(minutes=2)
    assert lumina("mark", " ").returncode == 2
    assert lumina("mark", "x" * 201).returncode == 2
    assert lumina("mark", "x", "--at", "soon").returncode == 2
    assert len(await everything(settings, settings.topic(COMMANDS))) == 1


async def test_rules_are_set_listed_and_removed(settings: Settings, lumina: Lumina) -> None:
    assert "No rules" in lumina("rule", "list").stdout
    words = ["cost_spike_pct=50", "off=no_data,unpriced", "severity=cost_spike:info"]
    made = lumina("rule", "set", "checkout", *words, "--service", "checkout")
    assert made.returncode == 0, made.stderr
    assert lumina("rule", "set", "b", "cooldown_s=60.5").returncode == 0
    listed = lumina("rule", "list").stdout.splitlines()
    assert listed == [
        "b  */*/*  cooldown_s=60.5",
        "checkout  */checkout/*  cost_spike_pct=50 off=no_data,unpriced severity=cost_spike:info",
    ]
    (record, *_) = [
        one for one in await everything(settings, settings.topic(SETTINGS)) if b"checkout" in one.key
    ]
    assert record.partition == partition_of("rules/checkout", settings.partitions)
    rule = msgspec.json.decode(record.value, type=Rule)
    assert (rule.service, rule.cost_spike_pct, rule.off) == ("checkout", 50.0, ("no_data", "unpriced"))
    assert lumina("rule", "rm", "checkout").returncode == 0
    assert [json.loads(line)["id"] for line in lumina("rule", "list", "--json").stdout.splitlines()] == ["b"]
    for wrong in (["cost_spike=1"], ["quality_min=7"], ["active_series=3"], ["cost_spike_pct"]):
        refused = lumina("rule", "set", "c", *wrong)
        assert refused.returncode == 2
        assert "cost_spike_pct=NUMBER" in refused.stderr
    assert lumina("rule", "set", "x" * 101, "cooldown_s=1").returncode == 2
    assert "There is no rule 'gone'" in lumina("rule", "rm", "gone").stderr


async def test_budgets_are_set_listed_and_removed(settings: Settings, lumina: Lumina) -> None:
    assert "No budgets" in lumina("budget", "list").stdout
    made = lumina("budget", "set", "of-shop", "--project", "shop", "--service", "search", "--day", "20")
    assert made.returncode == 0, made.stderr
    assert lumina("budget", "set", "b", "--project", "acme", "--month", "1500.5").returncode == 0
    assert lumina("budget", "list").stdout.splitlines() == [
        "b  acme/*  1,500.50 USD a month, alerts at 50, 80, 100 %",
        "of-shop  shop/search  20.00 USD a day, alerts at 50, 80, 100 %",
    ]
    records = await everything(settings, settings.topic(SETTINGS))
    (record,) = [one for one in records if one.key == b"budgets/of-shop"]
    assert record.partition == partition_of("budgets/of-shop", settings.partitions)
    assert msgspec.json.decode(record.value, type=Budget) == Budget(
        v=1, project="shop", service="search", period="day", usd=20.0
    )
    assert lumina("budget", "rm", "of-shop").returncode == 0
    assert [json.loads(line)["id"] for line in lumina("budget", "list", "--json").stdout.splitlines()] == [
        "b"
    ]
    for wrong in (["--day", "0"], [], ["--day", "1", "--month", "1"], ["--day", "nan"]):
        assert lumina("budget", "set", "c", "--project", "shop", *wrong).returncode == 2, wrong
    assert lumina("budget", "set", "c", "--project", "", "--day", "1").returncode == 2
    assert "There is no budget 'gone'" in lumina("budget", "rm", "gone").stderr


async def test_a_command_on_an_alert_of_a_project_names_the_project(
    settings: Settings, lumina: Lumina
) -> None:
    await fired(settings, alert(1, id="5f0d2f6e-1", kind="budget", project="shop", service="", endpoint=""))
    resolved = lumina("resolve", "5f0d2f6e-1", "--false")
    assert resolved.returncode == 0, resolved.stderr
    assert "today's rules" not in resolved.stdout, "no rule keeps a budget quiet"
    (command,) = await commands(settings)
    assert (command.project, command.reason) == ("shop", "false")
