"""docs/rest.md names paths and parameters that are there, and all that are there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.rest.conftest import Rest
from lumina_api.rest.cost_change import PARTS
from lumina_api.rest.sum_models import CostChange
from lumina_api.rest.sums import MOST_STEPS, STEPS_S, USUAL_STEPS
from lumina_api.series_baselines import KEPT_S, WAIT_S
from lumina_api.views.sums import GROUPS

PAGE = (Path(__file__).parents[3] / "docs" / "rest.md").read_text(encoding="utf-8")

# Parameters of every path that reads the views.
OF_ALL = {"at_least"}

PATH = r"/api/v1(?:/[\w.{}%-]+)*|(?<=`)/[\w.]*(?=`)"
COMMAND = re.compile(rf"curl -sG localhost:8080({PATH})(.*)")
ASKED = re.compile(r"(?:-d|--data-urlencode) '?([\w]+)=")
TABLE = re.findall(r"^\| (`.*?) \|", PAGE.split("### Filters")[1].split("### ")[0], re.MULTILINE)


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    running = Rest(Path(tmp_path_factory.mktemp("docs")) / "views.duckdb")
    found: dict[str, Any] = running.get("/openapi.json")["paths"]
    yield found | {"/openapi.json": {"get": {}}}
    running.store.close()


def operation(paths: dict[str, Any], path: str) -> dict[str, Any] | None:
    """The GET of a path as the page writes it, an example in place of a {name} or not; {} without one."""
    for known in (path, *(known for known in paths if "{" in known)):
        if known in paths and re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(known)), path):
            found: dict[str, Any] = paths[known].get("get", {})
            return found
    return None


def parameters(paths: dict[str, Any], path: str) -> set[str]:
    found = operation(paths, path) or {}
    return {one["name"] for one in found.get("parameters", []) if one["in"] == "query"}


def test_each_named_path_is_there(paths: dict[str, Any]) -> None:
    named = set(re.findall(PATH, PAGE)) - {"/api/v1"}
    assert len(named) > 8
    ends = {path[path.rindex("/") :] for path in paths}  # `/snooze`, behind the whole of `/acknowledge`
    assert [path for path in sorted(named - ends) if operation(paths, path) is None] == []


def test_each_path_is_named(paths: dict[str, Any]) -> None:
    ours = {path for path in paths if path.startswith("/api/v1")}
    named = set(re.findall(PATH, PAGE))
    actions = {path for path in ours if "{alert_id}/" in path and path[path.rindex("/") :] in named}
    assert sorted(ours - actions - named) == []


def test_each_example_asks_for_what_its_path_takes(paths: dict[str, Any]) -> None:
    commands = COMMAND.findall(PAGE)
    assert len(commands) == PAGE.count("curl -sG ") > 5
    for path, asked in commands:
        names = ASKED.findall(asked)
        assert len(names) == asked.count("-d ") + asked.count("--data-urlencode")
        assert set(names) <= parameters(paths, path), path


def test_the_table_of_filters_is_that_of_the_lists(paths: dict[str, Any]) -> None:
    named = {name for row in TABLE for name in re.findall(r"`(\w+)`", row)}
    for path in ("/api/v1/calls", "/api/v1/traces", "/api/v1/sessions", "/api/v1/traces/facets"):
        beside = {"limit", "order", "cursor", "facet"} | OF_ALL
        assert named == parameters(paths, path) - beside
        assert all(f"`{name}`" in PAGE for name in parameters(paths, path))


def test_the_tables_of_sums_are_those_of_the_code() -> None:
    groups = section("Sums").split("| group |")[1]
    assert set(first_column(groups)) == set(GROUPS)
    assert set(first_column(section("Costs"))) == {*PARTS, "new"} == set(CostChange.model_fields) - {"usd"}
    assert [f"`{step}`" in section("Sums") for step in STEPS_S] == [True] * len(STEPS_S)
    for known in (f"{MOST_STEPS:,} steps", f"at most {USUAL_STEPS} steps"):
        assert known in section("Sums")
    for known in (f"{KEPT_S:.0f} s old", f"within {WAIT_S:.0f} s"):
        assert known in section("Series")


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def first_column(text: str) -> list[str]:
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`(\w+)`", row)]


def test_each_example_works(tmp_path: Path) -> None:
    running = Rest(tmp_path / "views.duckdb")
    try:
        for path, asked in COMMAND.findall(PAGE):
            texts = re.findall(r"(?:-d|--data-urlencode) (?:'([^']*)'|(\S+))", asked)
            query: list[Any] = [tuple("".join(text).split("=", 1)) for text in texts]
            response = running.client.get(path, params=query)
            absent = path.endswith(("s-17", "0123456789abcdef"))
            assert response.status_code == (404 if absent else 200), response.text
    finally:
        running.store.close()
