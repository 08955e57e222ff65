"""Erasures of users and sessions: whole traces, whatever comes first; nothing of them after a rebuild."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.views.span_lines import EPOCHS, NOON_NS, SECOND_NS, Log, alert, content, score, span
from api.views.test_views_store import apply, every_row
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.store import Store
from lumina_schemas.alert import Answers, TopSpan
from lumina_schemas.erasure import Erasure
from lumina_schemas.partition import series_id
from lumina_schemas.span import Span

HOUR_NS = 3600 * SECOND_NS
TABLES = ("spans", "contents", "scores", "corrections", "traces")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "views.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path)
    yield opened
    opened.close()


def erasure(log: Log, id: str, **what: object) -> LogRecord:
    values = {"project": "shop", "before_ns": NOON_NS + HOUR_NS} | what
    return log._append(
        "settings", 0, f"erasures/{id}".encode(), msgspec.json.encode(msgspec.convert(values, Erasure))
    )


def trace_of(user: str, first: int, session: str = "") -> list[Span]:
    """Three spans of a trace, of which the second carries user and session."""
    trace_id = f"{first:032x}"
    return [
        span(first, trace_id=trace_id),
        span(first + 1, trace_id=trace_id, user_id=user, session_id=session, service="other"),
        span(first + 2, trace_id=trace_id),
    ]


def traces_in(store: Store, table: str) -> set[str]:
    with store.cursor() as cursor:
        return {row[0] for row in cursor.execute(f"SELECT trace_id FROM {table}").fetchall()}


def records_of(log: Log) -> list[LogRecord]:
    """Traces of two users with all that belongs to them, and alerts that quote them."""
    one, two, three = trace_of("ann", 10), trace_of("bob", 20, "s-1"), trace_of("ann", 30)
    here = series_id("shop", "checkout", "answer")
    quoting = {"series_id": here, "answers": Answers("ann is born in May", "ann?")}
    return [
        log.spans([one[0], two[0]]),
        log.spans([content(one[2], 1, system="told to ann"), content(two[0], 2, system="told to bob")]),
        log.scores([score(one[0], 0.2), score(two[0], 0.3), score(two[1], 0.9)]),
        log.correction(one[1]),
        log.correction(two[1]),
        log.spans([one[1], two[1], two[2]], partition=1),
        log.alert(alert(1, top_spans=(_top(one[0]), _top(two[0])), **quoting)),
        log.alert(alert(2, series_id=series_id("shop", "quiet", "answer"), top_spans=(_top(two[1]),))),
        log.alert(alert(3, **quoting, top_spans=(_top(two[2]),)), partition=1),
        log.spans([one[2], *three], partition=2),
        log.spans(
            [span(50, user_id="ann", project="bank"), span(51, user_id="ann", start_ns=NOON_NS + 2 * HOUR_NS)]
        ),
    ]


def _top(of: Span) -> TopSpan:
    return TopSpan(of.trace_id, of.span_id, "2026-01-01T12:00:00Z", 0.1)


def test_whole_traces_go_and_all_that_belongs_to_them(store: Store) -> None:
    log = Log()
    apply(store, *records_of(log))
    assert f"{10:032x}" in traces_in(store, "contents")
    apply(store, erasure(log, "x", user_id="ann"))
    for table in TABLES:
        assert not {f"{10:032x}", f"{30:032x}"} & traces_in(store, table), table
    assert f"{20:032x}" in traces_in(store, "spans")
    # Another project's, and what came after.
    assert {span(50).trace_id, span(51).trace_id} <= traces_in(store, "spans")


def test_evidence_of_alerts_goes_and_the_alerts_stay(store: Store) -> None:
    log = Log()
    apply(store, *records_of(log), erasure(log, "x", user_id="ann"))
    with store.cursor() as cursor:
        rows = cursor.execute("SELECT record, trace_ids FROM alerts ORDER BY id").fetchall()
    one, two, three = (msgspec.json.decode(record) for record, _ in rows)
    assert [top["trace_id"] for top in one["top_spans"]] == [f"{20:032x}"]
    assert rows[0][1] == [f"{20:032x}"]
    assert "answers" not in one
    untouched = alert(
        2, series_id=series_id("shop", "quiet", "answer"), top_spans=(_top(trace_of("bob", 20)[1]),)
    )
    assert two == msgspec.json.decode(msgspec.json.encode(untouched))
    assert "answers" not in three  # nobody knows whose they are: ann was in this series
    assert len(three["top_spans"]) == 1


def test_what_comes_later_of_such_a_trace_is_not_stored(store: Store, path: Path) -> None:
    log = Log()
    apply(store, erasure(log, "x", user_id="ann", session_id="s-1"))
    one = trace_of("ann", 10)
    apply(store, log.spans([one[0]]))
    assert one[0].trace_id in traces_in(store, "spans")  # nobody can know yet
    apply(store, log.spans([one[1]]))
    assert not traces_in(store, "spans")
    store.close()
    again = Store.open(path)  # what was met is remembered
    late = [
        log.spans([one[2], content(one[0], 5, system="late")]),
        log.scores([score(one[0])]),
        log.correction(one[0]),
    ]
    apply(again, *late, log.spans(trace_of("bob", 20, "s-1")))
    for table in TABLES:
        assert not traces_in(again, table), table
    apply(again, log.tombstone("settings", "erasures/x"))
    apply(again, log.spans(trace_of("ann", 60)))
    assert len(traces_in(again, "spans")) == 1
    again.close()


def test_sums_that_were_rolled_up_forget_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lumina_api.views.rollup.QUIET_S", -1.0)
    log = Log()
    apply(store, *records_of(log))
    while store.roll_up():
        pass
    apply(store, erasure(log, "x", user_id="ann"))
    with store.cursor() as cursor:
        left = cursor.execute("SELECT count(*) FROM rolled").fetchall()
    assert left == [(1,)]  # that of two hours later
    while store.roll_up():
        pass
    with store.cursor() as cursor:
        rolled, raw = cursor.execute(
            "SELECT (SELECT sum(seen_calls) FROM calls_5m), (SELECT count(*) FROM calls)"
        ).fetchall()[0]
    assert rolled == raw


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_any_order_of_arrival_gives_the_same_rows(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    log = Log()
    records = [*records_of(log), erasure(log, "x", user_id="ann"), erasure(log, "y", session_id="s-1")]
    rows: list[list[Any]] = []
    for order in (records, _shuffled(records, rng)):
        store = Store.open(tmp_path / f"{seed}-{len(rows)}-{rng.random()}.duckdb")
        at = 0
        while at < len(order):
            step = rng.randrange(1, 5)
            store.apply(batch_of(order[at : at + step]), EPOCHS)
            at += step
        rows.append(every_row(store))
        store.close()
    assert rows[0] == rows[1]
    erased = {f"{first:032x}" for first in (10, 20, 30)}
    assert not any(row[0] in TABLES and erased & set(row) for row in rows[0])


def _shuffled(records: list[LogRecord], rng: random.Random) -> list[LogRecord]:
    """Another order that keeps each partition's."""
    partitions: dict[tuple[str, int], list[LogRecord]] = {}
    for record in records:
        partitions.setdefault((record.topic, record.partition), []).append(record)
    left = list(partitions.values())
    order: list[LogRecord] = []
    while left:
        chosen = rng.choice(left)
        order.append(chosen.pop(0))
        left = [one for one in left if one]
    return order
