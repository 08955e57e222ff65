"""The public doors: what a record of `lumina.commands` or `lumina.settings` becomes in the series' log."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from lumina_schemas.control import COMMAND, MARK, Command, Mark, SeriesCommand, SeriesMark, problem_of
from lumina_schemas.partition import partition_of
from lumina_schemas.rule import KIND, RULE_VERSION, RULES, Rule, RuleChange
from lumina_schemas.source import Source
from lumina_schemas.topics import COMMANDS, SETTINGS, Topic


class Entry(NamedTuple):
    """One record of a door."""

    key: bytes
    value: bytes | None
    src: Source
    doors: int
    """Partitions of the door's topic."""


class Control(NamedTuple):
    """One control message for a partition of `lumina.spans`."""

    partition: int
    value: bytes
    header: bytes
    """Value of `lumina-type`."""


class Door(NamedTuple):
    """A public door. `open` raises ValueError, saying why, for what cannot pass."""

    topic: Topic
    counted_as: str
    """The metric that counts its entries."""
    open: Callable[[Entry, int], list[Control]]
    """(entry, partitions of `lumina.spans`) to what goes there."""


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


def asked_of(entry: Entry, partitions: int) -> list[Control]:
    """A command goes to the partition of its series, a mark to every partition."""
    try:
        is_mark = _decode_type(entry.value or b"").type == "mark"
    except UNREADABLE:
        is_mark = False  # what is wrong with it is said as of a command
    return mark_of(entry, partitions) if is_mark else command_of(entry, partitions)


def mark_of(entry: Entry, partitions: int) -> list[Control]:
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
    return [Control(partition, value, MARK) for partition in range(partitions)]


def command_of(entry: Entry, partitions: int) -> list[Control]:
    """A command goes to the partition of its series."""
    try:
        command = _decode_command(entry.value or b"")
        problem = problem_of(command)
    except UNREADABLE as error:
        problem = str(error)
    if problem:
        raise ValueError(f"not a command: {problem}")
    fields = {name: getattr(command, name) for name in Command.__struct_fields__}
    value = _encode(SeriesCommand(src=entry.src, **fields))
    return [Control(partition_of(command.series_id, partitions), value, COMMAND)]


def rule_of(entry: Entry, partitions: int) -> list[Control]:
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
    home = partition_of(key, entry.doors)
    if home != entry.src.partition:
        raise ValueError(
            f"key {key} belongs on partition {home}: write it with the partitioner murmur2, Kafka's default "
            "(kcat: -X topic.partitioner=murmur2)"
        )
    return [Control(partition, value, RULES) for partition in range(partitions)]


DOORS = (
    Door(COMMANDS, "commands", asked_of),
    Door(SETTINGS, "rules", rule_of),
)
