"""Whatever body comes: it is refused by the name of a field, or taken; never an error of ours."""

import json
import math
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.rest.conftest import Rest
from lumina_api.rest.changes.body import record_of, schema_of
from lumina_api.rest.problem import Problem
from lumina_schemas.budget import Budget
from lumina_schemas.price import Price
from lumina_schemas.project import ProjectSettings
from lumina_schemas.rule import Rule

ROUTES = (
    ("PUT", "rules/r"),
    ("PUT", "prices/p"),
    ("PUT", "budgets/b"),
    ("PUT", "projects/p"),
    ("POST", "marks"),
    ("POST", "keys"),
    ("POST", "erasures"),
    ("POST", "alerts/a/acknowledge"),
    ("POST", "alerts/a/snooze"),
    ("POST", "alerts/a/resolve"),
    ("POST", "alerts/a/feedback"),
)

FIELDS = sorted(
    {name for record in (Rule, Price, Budget, ProjectSettings) for name in record.__struct_fields__}
    | {"from", "for", "until", "text", "at", "scopes", "expires_at", "before", "user_id", "note", "reason"}
    | {"feedback", "id", "expected", "name"}
)

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(
        ["shop", "day", "noise", "2026-01-01", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "4h"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS) | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
objects = st.dictionaries(st.sampled_from(FIELDS), values, max_size=6)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(route=st.sampled_from(ROUTES), body=objects | values)
def test_json_is_refused_or_taken(rest: Rest, route: tuple[str, str], body: Any) -> None:
    method, path = route
    text = json.dumps(body).encode("utf-8", "surrogatepass")
    send(rest, method, path, text)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(route=st.sampled_from(ROUTES), body=st.binary(max_size=200))
def test_bytes_are_refused(rest: Rest, route: tuple[str, str], body: bytes) -> None:
    send(rest, *route, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"usd":1e400}',
        b'{"usd":NaN}',
        b'{"project":"\\ud800"}',
        b"\xff",
    ],
)
def test_hostile_bodies_are_refused(rest: Rest, body: bytes) -> None:
    for method, path in ROUTES:
        assert send(rest, method, path, body) == 422


def send(rest: Rest, method: str, path: str, body: bytes) -> int:
    """The status: 404 where there is no such alert, 503 where all is well and there is no Kafka here."""
    headers = {"content-type": "application/json"}
    response = rest.client.request(method, f"/api/v1/{path}", content=body, headers=headers)
    assert response.status_code in (404, 422, 503), response.text
    assert response.headers["content-type"] == "application/problem+json"
    if response.status_code == 422:
        assert response.json()["errors"]
    return response.status_code


@settings(max_examples=100, deadline=None)
@given(body=objects, record=st.sampled_from([Rule, Price, Budget, ProjectSettings]))
def test_what_is_taken_is_read_again_as_it_was(body: dict[str, Any], record: type[msgspec.Struct]) -> None:
    try:
        taken = record_of(body, record, 1)
    except Problem:
        return
    assert msgspec.json.decode(msgspec.json.encode(taken), type=record) == taken
    for name in body:
        assert name == "v" or name in json.dumps(schema_of(record))


@given(number=st.sampled_from([math.inf, -math.inf, math.nan]))
def test_numbers_that_json_does_not_have_are_refused_wherever_they_are(number: float) -> None:
    for body, name in (
        ({"project": "p", "period": "day", "usd": number}, "usd"),
        ({"model": "m", "input": 1, "tiers": [{"above": 1, "output": number}]}, "tiers.output"),
    ):
        with pytest.raises(Problem) as refused:
            record_of(body, Budget if name == "usd" else Price, 1)
        assert refused.value.errors[0][0] == name


def test_schemas_of_bodies_are_in_one_piece() -> None:
    for record in (Rule, Price, Budget, ProjectSettings):
        text = json.dumps(schema_of(record))
        assert "$ref" not in text
        assert schema_of(record)["additionalProperties"] is False
