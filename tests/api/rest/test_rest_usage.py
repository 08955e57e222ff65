"""Traces of the day over REST: each project's count and limit, for whoever may see it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from api.rest.conftest import Rest
from lumina_api.access.principal import ANONYMOUS, Principal
from lumina_api.rest.doors import caller_of
from lumina_api.usage.limiter import Limiter
from lumina_schemas.settings import Settings

NOON = 20_000.5 * 86_400


class Followed(Limiter):
    """One that knows everything, without a broker."""

    why = ""


@pytest.fixture
def limiter(rest: Rest) -> Limiter:
    """Six projects with traces, of which one is at its limit."""
    found = Followed(Settings(daily_trace_limit=4), "a", lambda: NOON)
    for number, project in enumerate(("a", "b", "c", "d/e", "f", "g")):
        found.admit({project: range(number)})
    found.refused("g", 7)
    rest.client.app.state.limiter = found  # type: ignore[attr-defined]
    return found


@pytest.fixture
def caller(rest: Rest) -> Iterator[Any]:
    """Has every request come from whom it is told."""
    app: Any = rest.client.app

    def comes_from(principal: Principal) -> None:
        app.dependency_overrides[caller_of] = lambda: principal

    yield comes_from
    app.dependency_overrides.clear()


def test_all_projects_with_traces_today(rest: Rest, limiter: Limiter) -> None:
    found = rest.get("/api/v1/usage")
    assert [(item["project"], item["traces"]) for item in found["items"]] == [
        ("b", 1),
        ("c", 2),
        ("d/e", 3),
        ("f", 4),
        ("g", 4),
    ]
    assert found["items"][-1] == {
        "project": "g",
        "traces": 4,
        "estimated": False,
        "limit": 4,
        "percent": 100.0,
        "refused_spans": 7,
        "resets_at": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(NOON + 86_400)),
    }
    assert found["next_cursor"] is None


def test_a_page_follows_the_other(rest: Rest, limiter: Limiter) -> None:
    names: list[str] = []
    cursor: dict[str, Any] = {}
    for _ in range(3):
        page = rest.get("/api/v1/usage", limit=2, **cursor)
        names += [item["project"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert names == ["b", "c", "d/e", "f", "g"]
    assert page["next_cursor"] is None


def test_a_project_without_traces_has_its_limit_all_the_same(rest: Rest, limiter: Limiter) -> None:
    (item,) = rest.get("/api/v1/usage", project="new")["items"]
    assert (item["traces"], item["limit"], item["percent"]) == (0, 4, 0.0)
    assert [item["project"] for item in rest.get("/api/v1/usage", project=["f", "b"])["items"]] == ["b", "f"]


def test_without_a_limit_there_is_no_share_of_it(rest: Rest, limiter: Limiter) -> None:
    limiter.limits.default = 0
    (item,) = rest.get("/api/v1/usage", project="f")["items"]
    assert (item["limit"], item["percent"]) == (0, None)


def test_a_key_of_a_project_sees_that_project(rest: Rest, limiter: Limiter, caller: Any) -> None:
    caller(Principal("k", frozenset({"read"}), "f"))
    assert [item["project"] for item in rest.get("/api/v1/usage")["items"]] == ["f"]
    assert "sees no other" in rest.get("/api/v1/usage", 403, project="b")["detail"]
    caller(Principal("k", frozenset({"ingest"}), "f"))
    assert "`read`" in rest.get("/api/v1/usage", 403)["detail"]
    caller(ANONYMOUS)
    assert len(rest.get("/api/v1/usage")["items"]) == 5


@pytest.mark.parametrize(
    ("params", "field"),
    [({"cursor": "ä"}, "cursor"), ({"cursor": "_w=="}, "cursor"), ({"limit": 0}, "limit"), ({"x": 1}, "x")],
)
def test_what_cannot_be_used_is_said(rest: Rest, limiter: Limiter, params: Any, field: str) -> None:
    assert [error["parameter"] for error in rest.get("/api/v1/usage", 422, **params)["errors"]] == [field]


def test_until_all_is_known_it_says_so(rest: Rest) -> None:
    assert "does not follow" in rest.get("/api/v1/usage", 503)["detail"]
    app: Any = rest.client.app
    app.state.limiter = Limiter(Settings(), "a")
    assert "lumina.settings is being read" in rest.get("/api/v1/usage", 503)["detail"]
