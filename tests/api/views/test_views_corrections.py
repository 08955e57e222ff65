"""Corrections of costs in the views: the last one holds, whichever of call and correction came first."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.views.span_lines import EPOCHS, NOON_NS, SECOND_NS, Log, correction, span
from lumina_api.views import queries, sums
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page, Row
from lumina_api.views.store import Store
from lumina_api.views.sums import Asked
from lumina_schemas.source import Source


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "views.duckdb")
    yield opened
    opened.close()


def apply(store: Store, *records: LogRecord) -> None:
    store.apply(batch_of(records), EPOCHS)


def calls(store: Store) -> dict[str, Row]:
    with store.cursor() as cursor:
        rows = queries.calls(cursor, Filters(), Page(1_000, "oldest"))
    return {str(row["span_id"]): row for row in rows}


def cost_of(store: Store, span_id: str) -> tuple[Any, ...]:
    row = calls(store)[span_id]
    return row["cost_usd"], row["cost_status"], row["cost_reason"], row["price_version"]


CORRECTED = (9.0, "exact", "", "file:new@00000000")


@pytest.mark.parametrize("order", ["before", "after", "together", "together, first"])
def test_a_correction_holds_before_and_after_its_call(store: Store, order: str) -> None:
    log, one, other = Log(), span(1, cost_usd=0.5), span(2, cost_usd=0.25)
    records = [log.spans([one, other]), log.correction(one)]
    if order in ("before", "together, first"):
        records.reverse()
    if order.startswith("together"):
        apply(store, *records)
    else:
        for record in records:
            apply(store, record)
    assert cost_of(store, one.span_id) == CORRECTED
    assert cost_of(store, other.span_id)[0] == 0.25
    with store.cursor() as cursor:
        (row,) = sums.costs(cursor, Asked(Filters()))
    assert row["cost_usd"] == 9.25
    assert store.positions()["corrections", 0].next_offset == 1


def test_the_last_correction_of_a_call_holds(store: Store) -> None:
    log, one = Log(), span(1)
    apply(store, log.spans([one]), log.correction(one, cost_usd=3.0), log.correction(one, cost_usd=4.0))
    assert cost_of(store, one.span_id)[0] == 4.0
    apply(store, log.correction(one, cost_usd=None, cost_status="unknown", cost_reason="no price for x"))
    assert cost_of(store, one.span_id) == (None, "unknown", "no price for x", CORRECTED[3])
    apply(store, log.tombstone("corrections", "shop/a/b"))
    with store.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM corrections").fetchall() == [(1,)]


def test_a_better_duplicate_is_corrected_too(store: Store) -> None:
    """Of two rows of a call the smaller position wins, also where the other one was corrected before."""
    log, late = Log(), span(1, src=Source("0" * 32, "otlp", 0, 9, 0))
    apply(store, log.spans([late]), log.correction(late))
    early = msgspec.structs.replace(late, src=Source("0" * 32, "otlp", 0, 3, 0), name="early")
    apply(store, log.spans([early]))
    assert calls(store)[early.span_id]["name"] == "early"
    assert cost_of(store, early.span_id) == CORRECTED


def test_only_that_call_is_corrected(store: Store) -> None:
    """Same ids in another project, another start, and a second report of a call stay as they are."""
    log, one = Log(), span(1, cost_usd=0.5)
    neighbour = msgspec.structs.replace(one, project="bank")
    duplicate = span(2, cost_usd=None, cost_status=None, priced=False, cost_reason="duplicate of x")
    apply(store, log.spans([one, neighbour, duplicate]), log.correction(neighbour), log.correction(duplicate))
    with store.cursor() as cursor:
        rows = cursor.execute("SELECT project, cost_usd FROM spans ORDER BY start_ns, project").fetchall()
    assert rows == [("bank", 9.0), ("shop", 0.5), ("shop", None)]


def test_what_is_no_correction_is_left_out(store: Store) -> None:
    log, one = Log(), span(1, cost_usd=0.5)
    good = msgspec.json.encode(correction(one))
    bad: list[tuple[bytes, bytes]] = [
        (b"shop/x/y", good),
        (b"k", b"garbage"),
        (b"k", good.replace(b"Z", b"")),
        (b"k", b"\xff"),
        (b"k", b"[" * 100_000),
        (b"k", b"{}"),
    ]
    apply(store, log.spans([one]), *(log._append("corrections", 0, key, value) for key, value in bad))
    assert cost_of(store, one.span_id)[0] == 0.5
    assert sum(store.applied.skipped.values()) == len(bad)


def test_an_erasure_takes_corrections_with_it(store: Store) -> None:
    log, old, new = Log(), span(1), span(100)
    apply(store, log.spans([old, new]), log.correction(old), log.correction(new))
    apply(store, log.erasure("e", "shop", NOON_NS + 50 * SECOND_NS))
    apply(store, log.correction(old))
    with store.cursor() as cursor:
        assert cursor.execute("SELECT span_id FROM corrections").fetchall() == [(new.span_id,)]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    order=st.permutations(range(8)),
    cuts=st.lists(st.integers(1, 7), max_size=4),
)
def test_any_order_of_calls_and_corrections_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: list[int]
) -> None:
    """Each partition keeps its own order; how they interleave, and where batches end, makes no difference."""
    spans = [span(number) for number in range(4)]
    log = Log()
    by_spans = [log.spans([one]) for one in spans]
    by_corrections = [log.correction(one, cost_usd=float(number)) for one in spans[:2] for number in range(2)]
    queue = [by_spans[place] if place < 4 else by_corrections[place - 4] for place in order]
    # In their partitions' order: sort what belongs to one topic, keep which topic is next.
    spans_left, corrections_left = iter(by_spans), iter(by_corrections)
    queue = [next(spans_left if record.topic == "spans" else corrections_left) for record in queue]
    store = Store.open(tmp_path_factory.mktemp("views") / "views.duckdb")
    try:
        edges = [0, *sorted(set(cuts)), len(queue)]
        for start, end in pairwise(edges):
            apply(store, *queue[start:end])
        costs = [cost_of(store, one.span_id)[0] for one in spans]
    finally:
        store.close()
    assert costs == [1.0, 1.0, spans[2].cost_usd, spans[3].cost_usd]
