"""docs/operations.md against the code: commands with their options, settings, metrics and paths are there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from fastapi import FastAPI
from starlette.routing import Route

from lumina_api.cli import app
from lumina_api.gateway.app import create_app as gateway_app
from lumina_api.gateway.doorway import Doorway
from lumina_api.gateway.sink import Sink
from lumina_api.rest import create_app
from lumina_api.views import Views
from lumina_schemas.settings import Settings, variable

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
WORKERS = "".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "streams" / "lumina_streams").rglob("*.py")
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """Each command by its words, with its options."""
    yield (
        path,
        {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)},
    )
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))


KNOWN = dict(commands(typer.main.get_command(app)))
GROUPS = {path[:-1] for path in KNOWN if path}


def said() -> Iterator[str]:
    """Each `lumina ...`: a line of a block with its comment, and in the text what is in backticks."""
    blocks = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for line in "\n".join(blocks).splitlines():
        if found := re.match(r"(?:[A-Z_]+=\S* )*lumina (.*)", line):
            yield found[1]
    text = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    yield from re.findall(r"`lumina ([^`]*)`", text.replace("\n", " "))


@pytest.mark.parametrize("line", sorted(set(said())))
def test_each_command_exists_with_its_options(line: str) -> None:
    words = shlex.split(line, comments=True)
    path: tuple[str, ...] = ()
    while words and (*path, words[0]) in KNOWN:
        path = (*path, words.pop(0))
    assert path, f"there is no command `lumina {line}`"
    assert path not in GROUPS or not words or words[0].startswith("-"), f"{path} has no {words[0]}"
    assert set(OPTION.findall(line)) <= KNOWN[path] | {"--help"}


def test_the_page_names_commands() -> None:
    assert len(set(said())) > 40


def test_each_setting_exists() -> None:
    known = {variable(field) for field in Settings.model_fields}
    said = set(re.findall(r"\b(?:LUMINA_[A-Z_]+|AUTH_REQUIRED|KAFKA_[A-Z_]+)\b", PAGE))
    # A family of settings is named by its beginning.
    assert {
        name for name in said if name not in known and not any(k.startswith(name) for k in known)
    } == set()


@pytest.fixture(scope="module")
def doorway() -> Doorway:
    settings = Settings()
    return Doorway(settings, Sink(settings))


@pytest.fixture(scope="module")
def rest() -> FastAPI:
    return create_app(Views(Settings()))


def test_each_metric_exists(rest: FastAPI, doorway: Doorway) -> None:
    registries = (rest.state.metrics.registry, doorway.measures.registry)
    known = {family.name for registry in registries for family in registry.collect()}
    said = set(re.findall(r"`(lumina_[a-z_]+)", PAGE))
    assert len(said) > 5
    assert {re.sub(r"_(total|bucket|count|sum)$", "", name) for name in said} <= known
    for name in re.findall(r"`((?:lag|restore|lease)_[a-z_]+)`", PAGE):  # a worker's, without its prefix
        assert f'"{name}"' in WORKERS, name


def test_each_path_exists(rest: FastAPI, doorway: Doorway) -> None:
    paths = set(rest.openapi()["paths"])
    said = {path.rstrip("/.,") for path in re.findall(r"/api/v1/[A-Za-z0-9_/{}-]*", PAGE)} - {"/api/v1"}
    assert len(said) > 5
    assert [path for path in said if not any(matches(path, known) for known in paths)] == []
    pages = {route.path for route in gateway_app(doorway).routes if isinstance(route, Route)} | paths
    bare = set(re.findall(r"`(?:[A-Z]+ )?(/[a-z]+(?:/[a-z]+)*)`", PAGE))
    assert {"/ready", "/metrics"} <= bare
    assert bare - pages == set()


def matches(path: str, known: str) -> bool:
    """Whether a path is one of REST's, with values or names in the place of its parameters."""
    pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(known))
    return re.fullmatch(pattern, path) is not None


def test_each_trouble_has_its_section() -> None:
    section = PAGE.split("\n## Troubleshooting\n")[1].split("\n## ")[0]
    assert re.findall(r"^### (.+)$", section, re.MULTILINE) == [
        "Nothing shows up",
        "Limit reached",
        "REST answers, but lists are empty",
        "Alerts are missing",
        "Begin anew",
    ]
