"""Every path of the OpenAPI, asked with the key of another project: nothing of the hidden one shows.

A new path without a case here fails.
"""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from api.rest.conftest import Rest
from api.rest.test_rest_projects import as_caller
from api.views.span_lines import SECOND_NS, alert, message, score, span
from lumina_api.access.principal import Principal
from lumina_api.views.batch import LogRecord
from lumina_schemas.alert import TopSpan
from lumina_schemas.audit import AuditEntry
from lumina_schemas.budget import Budget
from lumina_schemas.control import MARK, SeriesMark
from lumina_schemas.key import ApiKey
from lumina_schemas.partition import series_id
from lumina_schemas.price import Price
from lumina_schemas.project import ProjectSettings
from lumina_schemas.rule import Rule
from lumina_schemas.source import Source
from lumina_schemas.topics import TYPE_HEADER

SECRET = "zebra"
"""In every name and text of the hidden project, and in its name: no answer may hold it."""

HIDDEN, OWN = f"{SECRET}-project", "own-project"
NOW_NS = time.time_ns() - 60 * SECOND_NS
NOW = datetime.now(UTC)
TRACE, ALERT, KEY = "ab" * 16, "00000000-0000-5000-8000-000000000001", "0f" * 8
SERIES = series_id(HIDDEN, f"{SECRET}-service", f"{SECRET}-endpoint")


def hidden_records(rest: Rest) -> list[LogRecord]:
    """One of everything that a project can have."""
    names = {"project": HIDDEN, "service": f"{SECRET}-service", "endpoint": f"{SECRET}-endpoint"}
    call = span(
        1,
        **names,
        trace_id=TRACE,
        start_ns=NOW_NS,
        name=f"{SECRET} call",
        request_model=f"{SECRET}-model",
        response_model=f"{SECRET}-model",
        input_messages=(message("user", f"a {SECRET} asks"),),
        session_id=f"{SECRET}-session",
        user_id=f"{SECRET}-user",
        tags=(f"{SECRET}-tag",),
        environment=SECRET,
        prompt_name=SECRET,
        status="error",
    )
    shown = TopSpan(TRACE, call.span_id, "2026-01-01T00:00:00Z")
    told = alert(1, **names, id=ALERT, series_id=SERIES, summary=f"a {SECRET} alert", top_spans=(shown,))
    settings = {
        f"rules/{SECRET}": Rule(v=1, project=HIDDEN, cost_spike_pct=50),
        f"prices/{SECRET}": Price(model=f"{SECRET}-*", project=HIDDEN, input=1.0, output=2.0),
        f"budgets/{SECRET}": Budget(v=1, project=HIDDEN, period="day", usd=1.0),
        f"projects/{HIDDEN}": ProjectSettings(v=1, retention_days=3),
        f"keys/{KEY}": ApiKey(
            v=1, id=KEY, sha256="0a" * 32, scopes=("read",), project=HIDDEN, name=SECRET, created_at=NOW
        ),
    }
    mark = SeriesMark(
        v=1,
        type="mark",
        id=f"{SECRET}-mark",
        text=f"{SECRET} release",
        at=NOW,
        by=SECRET,
        project=HIDDEN,
        src=Source("e", "control", 0, 0, 0),
    )
    entry = AuditEntry(
        v=1, id="a1", at=NOW, by=SECRET, action="rule.set", target=f"rules/{SECRET}", project=HIDDEN
    )
    return [
        rest.log.spans([call]),
        rest.log.scores([score(call)]),
        rest.log.alert(told),
        *(rest.log.setting(key, msgspec.json.encode(value)) for key, value in settings.items()),
        rest.log.setting(
            f"erasures/{SECRET}", msgspec.json.encode({"v": 1, "project": f"{HIDDEN}-2", "before_ns": 1})
        ),
        rest.log._append("spans", 0, None, msgspec.json.encode(mark), headers=((TYPE_HEADER, MARK),)),
        rest.log._append("audit", 0, HIDDEN.encode(), msgspec.json.encode(entry)),
    ]


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    running = Rest(tmp_path_factory.mktemp("isolation") / "views.duckdb")
    own = span(2, project=OWN, start_ns=NOW_NS, service="own-service")
    running.apply(*hidden_records(running), running.log.spans([own]), running.log.scores([score(own)]))
    running.plain = running.client  # type: ignore[attr-defined]
    yield running
    running.store.close()


IDS = {
    "trace_id": TRACE,
    "session_id": f"{SECRET}-session",
    "series_id": SERIES,
    "alert_id": ALERT,
    "rule_id": SECRET,
    "price_id": SECRET,
    "budget_id": SECRET,
    "name": HIDDEN,
    "mark_id": f"{SECRET}-mark",
    "key_id": KEY,
    "erasure_id": SECRET,
}

# Bodies that would change something of the hidden project.
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/api/v1/alerts/{alert_id}/acknowledge"): {},
    ("post", "/api/v1/alerts/{alert_id}/snooze"): {"for": "1h"},
    ("post", "/api/v1/alerts/{alert_id}/resolve"): {},
    ("post", "/api/v1/alerts/{alert_id}/feedback"): {"feedback": "noise"},
    ("put", "/api/v1/rules/{rule_id}"): {"project": HIDDEN, "cost_spike_pct": 10},
    ("put", "/api/v1/prices/{price_id}"): {"project": HIDDEN, "model": "x", "input": 1, "output": 1},
    ("put", "/api/v1/budgets/{budget_id}"): {"project": HIDDEN, "period": "day", "usd": 1},
    ("put", "/api/v1/projects/{name}"): {"retention_days": 1},
    ("post", "/api/v1/marks"): {"text": "release", "project": HIDDEN},
    ("post", "/api/v1/keys"): {"scopes": ["read"], "project": HIDDEN},
    ("post", "/api/v1/keys/{key_id}/revoke"): {},
    ("post", "/api/v1/erasures"): {"project": HIDDEN, "user_id": "u"},
    ("post", "/api/v1/query"): {"sql": "SELECT * FROM spans"},
}

# What concerns the whole installation, or nobody's data; and the stream, which tests/api/live asks.
ELSEWHERE = {
    *("/", "/health", "/ready", "/metrics", "/docs", "/api/v1/login", "/api/v1/stream"),
    # Asked of the gateways' count, which this application does not have: tests/api/rest/test_rest_usage.py.
    "/api/v1/usage",
    # tests/api/rest/test_rest_pipeline.py: a key of a project is refused.
    *("/api/v1/pipeline", "/api/v1/pipeline/dlq/redrive"),
}

ADMIN = Principal("k-own", frozenset({"admin"}), OWN)


def operations(rest: Rest) -> list[tuple[str, str, dict[str, Any]]]:
    paths = rest.plain.app.openapi()["paths"]  # type: ignore[attr-defined]
    return [(method, path, one) for path, methods in paths.items() for method, one in methods.items()]


def filled(path: str) -> str:
    return path.format(**IDS)


def test_a_key_of_another_project_sees_and_changes_nothing(rest: Rest) -> None:
    asked = [one for one in operations(rest) if one[1] not in ELSEWHERE]
    for caller in (ADMIN, Principal("k-own", frozenset({"write"}), OWN)):
        rest.client = rest.plain  # type: ignore[attr-defined]
        as_caller(rest, caller)
        for method, path, described in asked:
            names = {parameter["name"] for parameter in described.get("parameters", ())}
            if method == "get":
                params = {"what": "traces"} if path.endswith("/export") else {}
                answer = rest.client.get(filled(path), params=params)
                if "{" in path:
                    assert answer.status_code in (403, 404), f"{path}: {answer.status_code} {answer.text}"
                else:
                    assert answer.status_code in (200, 403), f"{path}: {answer.status_code} {answer.text}"
                assert SECRET not in without_asked(answer.text, path), f"{path} shows {answer.text}"
                if "project" in names and "{" not in path:
                    named = rest.client.get(path, params={**params, "project": HIDDEN})
                    assert named.status_code == 403, f"{path}: {named.status_code} {named.text}"
            else:
                assert method == "delete" or (method, path) in BODIES, f"{method} {path} has no case"
                answer = rest.client.request(method, filled(path), json=BODIES.get((method, path)))
                told = f"{method} {path}: {answer.status_code} {answer.text}"
                assert answer.status_code in (403, 404), told
                assert SECRET not in without_asked(answer.text, path)


def without_asked(text: str, path: str) -> str:
    """An answer without what the question named itself."""
    for name in sorted((*IDS.values(), HIDDEN), key=len, reverse=True):
        if "{" in path:
            text = text.replace(json.dumps(name)[1:-1], "")
    return text


def test_a_key_of_all_projects_sees_each_of_them(rest: Rest) -> None:
    """So that the test above cannot pass because there is nothing to see."""
    rest.client = rest.plain  # type: ignore[attr-defined]
    as_caller(rest, Principal("k-all", frozenset({"admin"})))
    for method, path, _ in operations(rest):
        if method != "get" or path in ELSEWHERE or path in ("/api/v1/settings", "/api/v1/retention"):
            continue
        params: dict[str, Any] = {"what": "traces"} if path.endswith("/export") else {"limit": 100}
        if "{" in path or path.endswith(("/summary", "/stats")):
            params.pop("limit", None)
        if path.endswith(("/breakdown", "/timeline")):
            params["group_by"] = "project"
        answer = rest.client.get(filled(path), params=params)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        if not path.endswith("/summary"):
            assert SECRET in answer.text, f"{path} shows nothing"
