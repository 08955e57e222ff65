"""The public doors: what a record of `lumina.commands` or `lumina.settings` becomes in the logs behind."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from lumina_schemas.budget import BUDGET_VERSION, Budget, BudgetChange
from lumina_schemas.budget import KIND as BUDGETS
from lumina_schemas.control import COMMAND, MARK, Command, Mark, SeriesCommand, SeriesMark, problem_of
from lumina_schemas.partition import partition_of
from lumina_schemas.project import BUDGET
from lumina_schemas.rule import KIND, RULE_VERSION, RULES, Rule, RuleChange
from lumina_schemas.source import Source
from lumina_schemas.topics import COMMANDS, PROJECTS, SETTINGS, SPANS, Topic


class Entry(NamedTuple):
    """One record of a door."""

    key: bytes
    value: bytes | None
    src: Source
    doors: int
    """Partitions of the door's topic."""


class Logs(NamedTuple):
    """Partitions of the logs behind the doors."""

    spans: int
    projects: int


class Control(NamedTuple):
    """One control message for a partition of a log."""

    partition: int
    value: bytes
    header: bytes
    """Value of `lumina-type`."""
    topic: Topic = SPANS
    """The log: of the series, or of the projects."""
    key: bytes | None = None


class Door(NamedTuple):
    """A public door. `open` raises ValueError, saying why, for what cannot pass."""

    topic: Topic
    open: Callable[[Entry, Logs], list[Control]]


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encode = msgspec.json.Encoder().encode


class _Typed(Struct):
    """As much of a record as tells which it is."""

    type: str = ""


_decode_type = msgspec.json.Decoder(_Typed).decode
_decode_command = msgspec.json.Decoder(Command).decode
_decode_mark = msgspec.json.Decoder(Mark).decode
_decode_rule = msgspec.json.Decoder(Rule).decode
_decode_change = msgspec.json.Decoder(RuleChange).decode
_decode_budget = msgspec.json.Decoder(Budget).decode
_decode_budget_change = msgspec.json.Decoder(BudgetChange).decode


def asked_of(entry: Entry, logs: Logs) -> list[Control]:
    """A command goes to its series, or to its project; a mark to every partition of `lumina.spans`."""
    try:
        is_mark = _decode_type(entry.value or b"").type == "mark"
    except UNREADABLE:
        is_mark = False  # what is wrong with it is said as of a command
    return mark_of(entry, logs) if is_mark else command_of(entry, logs)


def mark_of(entry: Entry, logs: Logs) -> list[Control]:
    """A mark goes to every partition: it may meet any series."""
    try:
        mark = _decode_mark(entry.value or b"")
    except UNREADABLE as error:
        raise ValueError(f"not a mark: {error}") from error
    for name, text in (("text", mark.text), ("by", mark.by)):
        if not text.strip():
            raise ValueError(f"not a mark: `{name}` is blank.")
    fields = {name: getattr(mark, name) for name in Mark.__struct_fields__}
    value = _encode(SeriesMark(src=entry.src, **fields))
    return [Control(partition, value, MARK) for partition in range(logs.spans)]


def command_of(entry: Entry, logs: Logs) -> list[Control]:
    """A command goes to the partition of its series, or to that of its project where it names one."""
    try:
        command = _decode_command(entry.value or b"")
        problem = problem_of(command)
    except UNREADABLE as error:
        problem = str(error)
    if problem:
        raise ValueError(f"not a command: {problem}")
    fields = {name: getattr(command, name) for name in Command.__struct_fields__}
    value = _encode(SeriesCommand(src=entry.src, **fields))
    if command.project:
        home = partition_of(command.project, logs.projects)
        return [Control(home, value, COMMAND, PROJECTS, command.project.encode())]
    return [Control(partition_of(command.series_id, logs.spans), value, COMMAND)]


def setting_of(entry: Entry, logs: Logs) -> list[Control]:
    """Rules go to the series' log, budgets to the projects'; settings of other kinds pass nowhere."""
    return budget_of(entry, logs) if entry.key.startswith(BUDGETS.encode()) else rule_of(entry, logs)


def rule_of(entry: Entry, logs: Logs) -> list[Control]:
    """A rule goes to every partition; settings of other kinds pass nowhere.

    Refused is a rule that lies in another settings partition than its key says (its producer's partitioner is
    not Kafka's own): two partitions that hold one rule have no common order, and the partitions of
    `lumina.spans` could come to hold different rules.
    """
    if not entry.key.startswith(KIND.encode()):
        return []
    try:
        key = entry.key.decode()
        rule = None if entry.value is None else _decode_rule(entry.value)
        change = RuleChange(v=RULE_VERSION, id=key.removeprefix(KIND), src=entry.src, rule=rule)
        value = _encode(change)
        _decode_change(value)  # the id's bounds
    except UNREADABLE as error:
        raise ValueError(f"not a rule: {error}") from error
    _check_home(key, entry)
    return [Control(partition, value, RULES) for partition in range(logs.spans)]


def budget_of(entry: Entry, logs: Logs) -> list[Control]:
    """A budget goes to every partition of the projects' log: the project that held it so far may be on any.

    Refused, as a rule is, where it lies in another settings partition than its key says: each project takes
    changes of one budget in the order of the door.
    """
    try:
        key = entry.key.decode()
        budget = None if entry.value is None else _decode_budget(entry.value)
        change = BudgetChange(v=BUDGET_VERSION, id=key.removeprefix(BUDGETS), src=entry.src, budget=budget)
        value = _encode(change)
        _decode_budget_change(value)  # the id's bounds
    except UNREADABLE as error:
        raise ValueError(f"not a budget: {error}") from error
    _check_home(key, entry)
    return [Control(partition, value, BUDGET, PROJECTS) for partition in range(logs.projects)]


def _check_home(key: str, entry: Entry) -> None:
    home = partition_of(key, entry.doors)
    if home != entry.src.partition:
        raise ValueError(
            f"key {key} belongs on partition {home}: write it with the partitioner murmur2, Kafka's default "
            "(kcat: -X topic.partitioner=murmur2)"
        )


DOORS = (
    Door(COMMANDS, asked_of),
    Door(SETTINGS, setting_of),
)

COUNTED_AS = {COMMAND: "commands", MARK: "commands", RULES: "rules", BUDGET: "budgets"}
"""The metric that counts what came through a door, by what passed it."""
