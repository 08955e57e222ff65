"""Rows of traces: whatever comes in whatever order and batches, they are what their spans and scores say."""

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from api.views.span_lines import EPOCHS, NOON_NS, SECOND_NS, Log, mixed_spans, score, span
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.store import Store
from lumina_schemas.source import Source
from lumina_schemas.span import Span

Row = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "views.duckdb")
    yield opened
    opened.close()


def apply(store: Store, *records: LogRecord) -> None:
    store.apply(batch_of(records), EPOCHS)


def rows(store: Store, table: str) -> list[Row]:
    with store.cursor() as cursor:
        result = cursor.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def expected(store: Store) -> dict[tuple[str, str], Row]:
    """Rows of traces, made in Python of the rows of spans and scores.

    A score that came before its span counts from then on, and maybe earlier.
    """
    by_trace = defaultdict(list)
    for row in rows(store, "spans"):
        by_trace[row["project"], row["trace_id"]].append(row)
    worst: dict[tuple[str, str], Any] = {}
    for scored in rows(store, "scores"):
        key = scored["project"], scored["trace_id"]
        if worst.get(key) is not ANY:
            worst[key] = min(scored["quality"], worst.get(key, 1.0))
        if scored["span_id"] not in {row["span_id"] for row in by_trace[key]}:
            worst[key] = ANY
    return {key: trace_of(key, spans, worst.get(key)) for key, spans in by_trace.items() if spans}


def trace_of(key: tuple[str, str], spans: list[Row], worst: float | None) -> Row:
    root = min(spans, key=lambda row: (row["parent_span_id"] != "", row["start_ns"], row["span_id"]))
    calls = [row for row in spans if row["priced"]]
    costs = [row["cost_usd"] for row in calls if row["cost_usd"] is not None]
    models = {row["response_model"] or row["request_model"] for row in calls}
    return {
        "project": key[0],
        "trace_id": key[1],
        "trace_key": int(key[1][-8:], 16),
        "start_ns": min(row["start_ns"] for row in spans),
        "end_ns": max(row["start_ns"] + round(row["duration_ms"] * 1e6) for row in spans),
        "root_child": root["parent_span_id"] != "",
        "root_ns": root["start_ns"],
        "root_span_id": root["span_id"],
        "name": root["name"],
        "service": root["service"],
        "failed": any(row["status"] == "error" for row in spans),
        "succeeded": any(row["status"] == "ok" for row in spans),
        "span_count": len(spans),
        "call_count": len(calls),
        "priced_calls": len(costs),
        "error_count": sum(row["status"] == "error" for row in spans),
        "cost_usd": pytest.approx(sum(costs)) if costs else None,
        "input_tokens": sum(row["input_tokens"] or 0 for row in calls),
        "output_tokens": sum(row["output_tokens"] or 0 for row in calls),
        "models": sorted(models - {""}),
        "session_id": max(row["session_id"] for row in spans),
        "user_id": max(row["user_id"] for row in spans),
        "worst_quality": worst,
    }


def check(store: Store) -> None:
    found = rows(store, "traces")
    by_trace = {(row["project"], row["trace_id"]): row for row in found}
    assert len(by_trace) == len(found), "a trace has two rows"
    wanted = expected(store)
    assert by_trace.keys() == wanted.keys()
    for key, row in by_trace.items():
        assert row == wanted[key]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), batches=st.integers(1, 12))
def test_any_order_and_any_batches_give_what_the_spans_say(
    tmp_path_factory: pytest.TempPathFactory, seed: int, batches: int
) -> None:
    rng = random.Random(seed)
    spans = mixed_spans(60, seed, NOON_NS)
    log = Log()
    lines: list[tuple[str, Any]] = [("span", each) for each in spans]
    for each in rng.sample(spans, 20):  # the same spans again, from elsewhere in the log: the smaller wins
        source = Source(rng.choice("0z") * 32, "otlp", 0, rng.randrange(999), 0)
        lines.append(("span", replace(each, src=source, status=rng.choice(["ok", "error"]))))
    priced = [each for each in spans if each.priced]
    lines += [("score", score(each, rng.random())) for each in rng.choices(priced, k=25)]
    lines += [("correction", each) for each in rng.sample(priced, 8)]
    rng.shuffle(lines)
    with_store = Store.open(tmp_path_factory.mktemp("views") / "views.duckdb")
    try:
        size = -(-len(lines) // batches)
        for first in range(0, len(lines), size):
            apply(with_store, *(record(log, kind, line) for kind, line in lines[first : first + size]))
            check(with_store)
    finally:
        with_store.close()


def record(log: Log, kind: str, line: Any) -> LogRecord:
    if kind == "span":
        return log.spans([line])
    return log.scores([line]) if kind == "score" else log.correction(line, cost_usd=3.0)


def of_trace(number: int, **changes: Any) -> Span:
    return span(number, trace_id="f" * 32, session_id=f"s{number}", **changes)


def test_the_root_is_the_span_without_a_parent_whenever_it_comes(store: Store) -> None:
    log = Log()
    apply(store, log.spans([of_trace(1, parent_span_id="a" * 16, name="child")]))
    assert [row["name"] for row in rows(store, "traces")] == ["child"]
    apply(store, log.spans([of_trace(5, name="root", service="front")]))
    assert [(row["name"], row["service"]) for row in rows(store, "traces")] == [("root", "front")]
    check(store)


def test_projects_with_one_trace_id_have_a_row_each(store: Store) -> None:
    log = Log()
    apply(store, log.spans([of_trace(1, project="a"), of_trace(2, project="b")]))
    apply(store, log.spans([of_trace(3, project="a")]))
    assert sorted((row["project"], row["span_count"]) for row in rows(store, "traces")) == [
        ("a", 2),
        ("b", 1),
    ]
    check(store)


def test_ids_that_end_alike_are_told_apart(store: Store) -> None:
    log = Log()
    one, other = "1" * 24 + "cafecafe", "2" * 24 + "cafecafe"
    apply(store, log.spans([span(1, trace_id=one), span(2, trace_id=other)]))
    apply(store, log.spans([span(3, trace_id=one)]))
    assert {row["trace_id"]: row["span_count"] for row in rows(store, "traces")} == {one: 2, other: 1}
    check(store)


def test_a_score_alone_makes_no_trace_and_is_not_forgotten(store: Store) -> None:
    log = Log()
    call = of_trace(1)
    apply(store, log.scores([score(call, 0.2)]))
    assert rows(store, "traces") == []
    apply(store, log.spans([call]))
    check(store)
    apply(store, log.scores([score(call, 0.1)]))
    assert [row["worst_quality"] for row in rows(store, "traces")] == [0.1]
    check(store)


def test_a_duration_without_end_stops_nothing(store: Store) -> None:
    log = Log()
    apply(store, log.spans([of_trace(1, duration_ms=1e300), of_trace(2, start_ns=2**63 - 1)]))
    ((row),) = rows(store, "traces")
    assert row["end_ns"] == 2**63 - 1
    assert row["span_count"] == 2


def test_erased_spans_take_their_traces_along(store: Store) -> None:
    log = Log()
    apply(store, log.spans([span(1), span(2, project="other")]))
    apply(store, log.erasure("x", "shop", NOON_NS + 1000 * SECOND_NS))
    assert [row["project"] for row in rows(store, "traces")] == ["other"]
