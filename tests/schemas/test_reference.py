"""The docs' tables hold every setting and topic, under the names that work."""

import subprocess
import sys
from pathlib import Path

import pytest

from lumina_schemas.reference import (
    BEGIN,
    END,
    settings_table,
    table,
    topics_table,
    with_table,
)
from lumina_schemas.settings import Settings, variable
from lumina_schemas.topics import TOPICS

BOUNDED = {
    "quality_min": "0.5",
    "max_message_bytes": "10000",
    "max_request_bytes": "10000",
    "retention_at": "03:30",
    "manage_topics": "1",
}
VALUES = {int: "17", float: "7.5", bool: "0", str: "x", Path: "x"}


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_documented_variable_sets_the_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    info = Settings.model_fields[name]
    kind = type(info.get_default()) if info.get_default() is not None else Path
    if isinstance(info.get_default(), Path):
        kind = Path
    value = BOUNDED.get(name, VALUES[kind])
    monkeypatch.setenv(variable(name), value)
    assert name in Settings().model_fields_set
    assert f"| `{variable(name)}` |" in settings_table()


def test_every_setting_says_what_it_means() -> None:
    assert not [name for name, info in Settings.model_fields.items() if not info.description]


def test_every_topic_is_in_the_table() -> None:
    rows = topics_table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == [topic.name for topic in TOPICS]


def test_cells_cannot_break_a_table() -> None:
    assert table(("a",), [("b|c",)]).splitlines()[2] == "| b&#124;c |"


def test_only_the_part_between_the_marks_is_replaced() -> None:
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_table(page, "new") == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    with pytest.raises(ValueError, match="marks"):
        with_table("no marks", "new")


def test_a_differing_file_fails_the_check_and_is_written(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    for name in ("settings", "topics"):
        (docs / f"{name}.md").write_text(f"# {name}\n{BEGIN}\nstale\n{END}\n")
    command = [sys.executable, "-m", "lumina_schemas.reference"]
    check = subprocess.run([*command, "--check"], cwd=tmp_path, capture_output=True, text=True)
    assert check.returncode == 1
    assert "docs/settings.md" in check.stderr
    assert "make schemas" in check.stderr
    assert "stale" in (docs / "settings.md").read_text()
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    assert settings_table() in (docs / "settings.md").read_text()
    assert subprocess.run([*command, "--check"], cwd=tmp_path, capture_output=True).returncode == 0
