"""docs/operations.md, Access, against the code."""

import re
from pathlib import Path
from typing import get_args

import pytest

from lumina_api.commands.keys import app
from lumina_api.rest.gate import CSRF, OPEN
from lumina_schemas.key import Scope
from lumina_schemas.settings import Settings, variable

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
SECTION = PAGE.split("\n## Access\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    "field",
    [
        "auth_required",
        "allow_open",
        "host",
        "admin_key",
        "session_hours",
        "cors_origins",
        "max_request_bytes",
        "request_timeout_s",
        "max_body_bytes",
    ],
)
def test_each_setting_of_access_is_on_the_page(field: str) -> None:
    assert variable(field) in SECTION


def test_each_variable_on_the_page_is_a_setting() -> None:
    known = {variable(field) for field in Settings.model_fields}
    assert set(re.findall(r"\b(?:LUMINA_[A-Z_]+|AUTH_REQUIRED)\b", SECTION)) <= known


def test_each_scope_has_its_line() -> None:
    assert re.findall(r"^\| `(\w+)` \| ", SECTION, re.MULTILINE)[:4] == list(get_args(Scope))


def test_each_command_and_open_path_is_named() -> None:
    for command in app.registered_commands:
        assert f"lumina keys {command.name}" in SECTION
    assert all(f"`{path}`" in SECTION for path in OPEN)
    assert f"`{CSRF}`" in SECTION
