"""Parameters of alerts narrow as they say, and times are those that were asked for."""

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, alert, mixed_spans
from lumina_api.rest.parameters import AlertParameters
from lumina_api.views.batch import nanoseconds
from lumina_schemas.alert import AlertKind

HOUR_NS = 3600 * SECOND_NS
NOW_NS = time.time_ns()
SPANS = mixed_spans(600, seed=11, newest_ns=NOW_NS - 60 * SECOND_NS)
CALLS = [span for span in SPANS if span.priced]
ALERTS = [
    alert(
        number,
        kind=kind,
        state=state,
        severity=severity,
        project=["shop", "bank"][number % 2],
        service=["web", "bot"][number // 2 % 2],
        endpoint=["answer", "search"][number // 4 % 2],
    )
    for number, (kind, state, severity) in enumerate(
        itertools.product(
            get_args(AlertKind),
            ("open", "acknowledged", "snoozed", "resolved"),
            ("warning", "critical"),
        )
    )
]


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rest]:
    filled = Rest(Path(tmp_path_factory.mktemp("rest")) / "views.duckdb")
    for start in range(0, len(SPANS), 100):
        filled.apply(filled.log.spans(SPANS[start : start + 100]))
    filled.apply(*(filled.log.alert(one) for one in ALERTS))
    yield filled
    filled.store.close()


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def ids(items: list[Any]) -> set[str]:
    return {item["span_id"] for item in items}


def test_every_parameter_of_alerts_is_tested_here() -> None:
    assert set(AlertParameters.model_fields) - {"limit", "order", "cursor", "at_least"} == set(ALERT_VALUES)


ALERT_VALUES: dict[str, list[Any]] = {
    "state": ["open", ["open", "resolved"]],
    "kind": ["cost_spike", ["quality_drop", "cost_and_quality"]],
    "severity": ["critical", "info"],
    "project": ["shop", ["shop", "bank"]],
    "service": ["web"],
    "endpoint": ["search"],
    "since": ["2026-01-01T12:10:00Z", "2026-01-01T14:10:00+02:00"],
    "until": ["2026-01-01T12:10:00Z"],
}


@given(
    asked=st.fixed_dictionaries({}, optional={n: st.sampled_from(v) for n, v in ALERT_VALUES.items()}),
    order=st.sampled_from(["newest", "oldest"]),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parameters_narrow_alerts(rest: Rest, asked: dict[str, Any], order: str) -> None:
    def fits(one: Any) -> bool:
        opened = nanoseconds(one.opened_at)
        return all(
            opened >= nanoseconds(value)
            if name == "since"
            else opened < nanoseconds(value)
            if name == "until"
            else getattr(one, name) in as_list(value)
            for name, value in asked.items()
        )

    expected = [one.id for one in sorted(ALERTS, key=lambda one: one.opened_at) if fits(one)]
    found = [item["id"] for item in rest.items("alerts", order=order, limit=1000, **asked)]
    assert found == (expected if order == "oldest" else expected[::-1])


def test_relative_times_count_back_from_now(rest: Rest) -> None:
    for text, hours in (("2h", 2.0), ("90m", 1.5), ("7200s", 2.0), ("1d", 24.0)):
        before = time.time_ns()
        found = ids(rest.items("calls", since=text, limit=1000))
        # The request's now lies between these two.
        assert since(time.time_ns(), hours) <= found <= since(before, hours)


def since(now_ns: int, hours: float) -> set[str]:
    return {span.span_id for span in CALLS if span.start_ns >= now_ns - hours * HOUR_NS}


def test_without_a_time_lists_show_the_last_day_and_a_trace_is_found_however_old(rest: Rest) -> None:
    old = mixed_spans(1, seed=5, newest_ns=NOW_NS - 72 * HOUR_NS)[0]
    rest.apply(rest.log.spans([old]))
    try:
        assert old.span_id not in ids(rest.items("calls", limit=1000))
        assert [item["trace_id"] for item in rest.items("traces", trace_id=old.trace_id)] == [old.trace_id]
        assert rest.get(f"/api/v1/traces/{old.trace_id}")["span_count"] == 1
    finally:
        rest.store._connection.execute("DELETE FROM spans WHERE span_id = $id", {"id": old.span_id})
