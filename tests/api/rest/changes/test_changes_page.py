"""docs/rest.md against the code: routes, fields of bodies, actions of the audit log."""

import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from lumina_api.rest.changes.alerts import Judge, Noted, Resolve, Snooze
from lumina_api.rest.changes.erasures import NewErasure
from lumina_api.rest.changes.keys import NewKey
from lumina_api.rest.changes.marks import NewMark
from lumina_api.rest.changes.parameters import AuditParameters
from lumina_api.rest.changes.routers import ROUTERS
from lumina_schemas.budget import Budget
from lumina_schemas.project import ProjectSettings

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "rest.md").read_text(encoding="utf-8")
CODE = "".join(
    path.read_text(encoding="utf-8")
    for folder in ("rest/changes", "commands")
    for path in (ROOT / "api" / "lumina_api" / folder).glob("*.py")
)


def section(title: str) -> str:
    found = re.search(rf"^## {title}[^\n]*\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


ROUTES = sorted(
    {
        (method, route.path.replace(":path", ""))
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
)


def routes_of(page: str) -> set[tuple[str, str]]:
    """What it says as `GET`, `PUT /api/v1/...`."""
    found = re.findall(r"((?:`[A-Z]+`, )*`[A-Z]+) (/api/v1[^`]*)`", page)
    return {(method, path) for methods, path in found for method in re.findall(r"[A-Z]+", methods)}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_is_on_the_page(method: str, path: str) -> None:
    if path.startswith("/api/v1/alerts/") and not path.endswith("/acknowledge"):
        assert f"`/{path.rpartition('/')[2]}`" in section("Alerts")
    else:
        assert (method, path) in routes_of(PAGE)


@pytest.mark.parametrize(
    ("title", "record"),
    [
        *(("Alerts", each) for each in (Noted, Snooze, Resolve, Judge)),
        ("Marks", NewMark),
        ("Budgets", Budget),
        ("Projects", ProjectSettings),
        ("Keys", NewKey),
        ("Erasures", NewErasure),
    ],
)
def test_each_field_of_a_body_is_on_the_page(title: str, record: type) -> None:
    names = {name.rstrip("_") for name in record.__struct_fields__} - {"v"}  # type: ignore[attr-defined]
    assert [name for name in names if f"`{name}`" not in section(title)] == []


def test_each_filter_of_the_audit_log_is_on_the_page() -> None:
    paging = {"limit", "cursor", "at_least"}
    assert [
        name
        for name in AuditParameters.model_fields
        if name not in paging and f"`{name}`" not in section("Audit")
    ] == []


def test_each_action_on_the_page_is_one_of_the_code() -> None:
    settings = ("rule", "price", "budget", "project")
    written = {f"{one}.{what}" for one in settings for what in ("set", "remove")} | {"erasure.remove"}
    written |= {f"alert.{what}" for what in ("acknowledge", "snooze", "resolve", "feedback")}
    written |= set(re.findall(r'tell\((?:\s*settings,)?\s*"([a-z]+\.[a-z]+)"', CODE))
    rows = re.findall(r"^\| (`[^|]*) \|", section("Audit"), re.MULTILINE)
    assert set(re.findall(r"`([a-z]+\.[a-z]+)`", "".join(rows))) == written
