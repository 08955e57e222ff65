"""What passes the public doors, whereto, and what is said about the rest."""

import json
from typing import Any

import msgspec
import pytest

from lumina_schemas.budget import Budget, BudgetChange
from lumina_schemas.control import COMMAND as COMMAND_TYPE
from lumina_schemas.control import MARK, SeriesCommand, SeriesMark
from lumina_schemas.partition import partition_of
from lumina_schemas.project import BUDGET
from lumina_schemas.rule import Rule, RuleChange
from lumina_schemas.source import Source
from lumina_schemas.topics import PROJECTS, SPANS
from lumina_streams.agents.doors import (
    Control,
    Entry,
    Logs,
    asked_of,
    command_of,
    mark_of,
    rule_of,
    setting_of,
)

DOORS = 4
PARTITIONS = 3
LOGS = Logs(PARTITIONS, 5)
COMMAND: dict[str, Any] = {
    "v": 1,
    "type": "resolve",
    "alert_id": "5f0d",
    "series_id": "0123456789abcdef",
    "by": "ada",
}


def entry(value: Any, key: str = "rules/shop", partition: int | None = None) -> Entry:
    home = partition_of(key, DOORS) if partition is None else partition
    body = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Entry(key.encode("utf-8", "surrogateescape"), body, Source("doors", "control", home, 7, 0), DOORS)


def change(control: Control) -> RuleChange:
    return msgspec.json.decode(control.value, type=RuleChange)


def test_a_command_goes_to_its_series_with_its_position() -> None:
    come = entry(COMMAND, "5f0d")
    (control,) = command_of(come, LOGS)
    assert control.partition == partition_of(COMMAND["series_id"], PARTITIONS)
    sent = msgspec.json.decode(control.value, type=SeriesCommand)
    assert (sent.src, sent.type, sent.by) == (come.src, "resolve", "ada")


def test_a_rule_goes_to_every_partition_with_its_position() -> None:
    come = entry({"v": 1, "project": "shop", "cost_spike_pct": 50})
    controls = rule_of(come, LOGS)
    assert [control.partition for control in controls] == list(range(PARTITIONS))
    rule = Rule(v=1, project="shop", cost_spike_pct=50)
    assert {change(control) for control in controls} == {RuleChange(v=1, id="shop", src=come.src, rule=rule)}


def test_a_tombstone_removes_its_rule_everywhere() -> None:
    assert [change(control).rule for control in rule_of(entry(None), LOGS)] == [None] * PARTITIONS


@pytest.mark.parametrize("key", ["webhooks/shop", "prices/mine", "rule/shop", "rules", ""])
def test_other_settings_pass_nowhere(key: str) -> None:
    assert rule_of(entry(b"no JSON at all", key), LOGS) == []


@pytest.mark.parametrize(
    ("come", "said"),
    [
        (entry(b"{"), "not a rule"),
        (entry({"v": 1, "quality_min": 2}), "quality_min"),
        (entry({"project": "shop"}), "`v`"),
        (entry(b"\xff"), "not a rule"),
        (entry({"v": 1}, "rules/"), "id"),
        (entry({"v": 1}, "rules/" + "x" * 101), "id"),
        (entry({"v": 1}, "rules/\udcff", partition=0), "not a rule"),
        (entry({"v": 1}, partition=(partition_of("rules/shop", DOORS) + 1) % DOORS), "murmur2"),
        (entry(None, partition=(partition_of("rules/shop", DOORS) + 1) % DOORS), "murmur2"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_reason(come: Entry, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        rule_of(come, LOGS)


@pytest.mark.parametrize(
    ("value", "said"),
    [(b"dance", "not a command"), (None, "not a command"), (COMMAND | {"by": " "}, "say who asks")],
)
def test_what_is_no_command_is_refused_with_the_reason(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        command_of(entry(value, "5f0d"), LOGS)


MARK_VALUE: dict[str, Any] = {
    "v": 1,
    "type": "mark",
    "id": "m1",
    "text": "release 1.4",
    "at": "2026-01-01T08:00:00Z",
    "by": "ada",
    "service": "checkout",
}


def test_a_mark_goes_to_every_partition_with_its_position() -> None:
    come = entry(MARK_VALUE, "m1")
    controls = asked_of(come, LOGS)
    assert [control.partition for control in controls] == list(range(PARTITIONS))
    assert {control.header for control in controls} == {MARK}
    (sent,) = {msgspec.json.decode(control.value, type=SeriesMark) for control in controls}
    assert (sent.src, sent.id, sent.text, sent.service, sent.expected) == (
        come.src,
        "m1",
        "release 1.4",
        "checkout",
        False,
    )


def test_the_door_tells_commands_from_marks() -> None:
    (control,) = asked_of(entry(COMMAND, "5f0d"), LOGS)
    assert control.header == COMMAND_TYPE
    with pytest.raises(ValueError, match="not a command"):
        asked_of(entry(b"dance", "5f0d"), LOGS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": " "}, "`text` is blank"),
        ({"by": "\t"}, "`by` is blank"),
        ({"at": "2026-01-01T08:00:00"}, "at"),
        ({"id": ""}, "id"),
        ({"text": "x" * 201}, "text"),
    ],
)
def test_what_is_no_mark_is_refused_with_the_reason(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mark_of(entry(MARK_VALUE | changes, "m1"), LOGS)


BUDGET_VALUE: dict[str, Any] = {"v": 1, "project": "shop", "period": "day", "usd": 20}


def test_a_command_on_an_alert_of_a_project_goes_to_the_log_of_that_project() -> None:
    come = entry(COMMAND | {"project": "shop"}, "5f0d")
    (control,) = command_of(come, LOGS)
    assert (control.topic, control.partition, control.key) == (PROJECTS, partition_of("shop", 5), b"shop")
    assert msgspec.json.decode(control.value, type=SeriesCommand).src == come.src
    assert command_of(entry(COMMAND, "5f0d"), LOGS)[0].topic is SPANS


@pytest.mark.parametrize("value", [BUDGET_VALUE, None])
def test_a_budget_goes_to_every_partition_of_the_log_of_projects(value: Any) -> None:
    come = entry(value, "budgets/b1")
    controls = setting_of(come, LOGS)
    assert [(one.topic, one.partition, one.header) for one in controls] == [
        (PROJECTS, number, BUDGET) for number in range(5)
    ]
    budget = None if value is None else Budget(v=1, project="shop", period="day", usd=20.0)
    (told,) = {msgspec.json.decode(one.value, type=BudgetChange) for one in controls}
    assert told == BudgetChange(v=1, id="b1", src=come.src, budget=budget)


def test_rules_and_budgets_come_through_one_door() -> None:
    assert setting_of(entry({"v": 1}), LOGS) == rule_of(entry({"v": 1}), LOGS)
    assert setting_of(entry(b"{}", "projects/shop"), LOGS) == []


@pytest.mark.parametrize(
    ("come", "said"),
    [
        (entry(BUDGET_VALUE | {"usd": 0}, "budgets/b1"), "usd"),
        (entry(BUDGET_VALUE | {"period": "week"}, "budgets/b1"), "period"),
        (entry(b"{", "budgets/b1"), "not a budget"),
        (entry(BUDGET_VALUE, "budgets/"), "id"),
        (entry(BUDGET_VALUE, "budgets/b1", (partition_of("budgets/b1", DOORS) + 1) % DOORS), "murmur2"),
    ],
)
def test_what_is_no_budget_is_refused_with_the_reason(come: Entry, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        setting_of(come, LOGS)
