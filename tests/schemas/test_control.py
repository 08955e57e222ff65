"""Commands as people write them: what the types refuse, and what is said about the rest."""

from typing import Any

import msgspec
import pytest

from lumina_schemas.control import Command, SeriesCommand, problem_of
from lumina_schemas.source import Source

FINE: dict[str, Any] = {
    "v": 1,
    "type": "snooze",
    "alert_id": "5f0d2f6e-6c1b-5c0e-9d0e-1a6b7c3f2e10",
    "series_id": "0123456789abcdef",
    "by": "ada@example.com",
    "until": "2026-01-01T08:00:00+01:00",
}


def read(**changes: Any) -> Command:
    fields = {name: value for name, value in (FINE | changes).items() if value is not ...}
    return msgspec.json.decode(msgspec.json.encode(fields), type=Command)


def test_a_command_survives_its_encoding() -> None:
    command = read(note="known")
    assert msgspec.json.decode(msgspec.json.encode(command), type=Command) == command
    assert problem_of(command) == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "delete"},
        {"alert_id": ""},
        {"alert_id": "x" * 65},
        {"series_id": "0123456789ABCDEF"},
        {"series_id": "0123456789abcdef0"},
        {"by": ""},
        {"by": "x" * 201},
        {"note": "x" * 1001},
        {"until": "tomorrow"},
        {"until": "2026-01-01T08:00:00"},
        {"reason": "silent"},
        {"v": ...},
        {"by": ...},
    ],
)
def test_the_types_refuse(changes: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"by": "  "}, "say who asks"),
        ({"until": ...}, "needs `until`"),
        ({"type": "acknowledge"}, "`until` belongs to a snooze"),
        ({"reason": "false"}, "`reason` belongs to a resolve"),
    ],
)
def test_what_the_types_cannot_see_is_said_in_words(changes: dict[str, Any], said: str) -> None:
    assert said in problem_of(read(**changes))


def test_a_command_in_its_series_log_is_the_command_with_its_position() -> None:
    line = msgspec.json.encode(FINE | {"src": ["doors", "control", 2, 7, 0]})
    command = msgspec.json.decode(line, type=SeriesCommand)
    assert command.src == Source("doors", "control", 2, 7, 0)
    assert msgspec.json.decode(msgspec.json.encode(FINE), type=SeriesCommand).src is None
