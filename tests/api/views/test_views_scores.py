"""Scores in the views: each is on its call, whichever of the two came first, and however often."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.views.span_lines import EPOCHS, NOON_NS, SECOND_NS, Log, score, span
from lumina_api.views import queries
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.contents import SCORE, whole
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page, Row
from lumina_api.views.store import Store
from lumina_schemas.span import Span


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "views.duckdb")
    yield opened
    opened.close()


def apply(store: Store, *records: LogRecord) -> None:
    store.apply(batch_of(records), EPOCHS)


def calls(store: Store, filters: Filters | None = None) -> list[Row]:
    with store.cursor() as cursor:
        return whole(cursor, queries.calls(cursor, filters or Filters(), Page(1_000, "oldest")))


def score_of(store: Store, of: Span) -> list[object]:
    (found,) = [row for row in calls(store) if (row["span_id"], row["project"]) == (of.span_id, of.project)]
    return [found[name] for name in SCORE]


def stored(store: Store) -> list[tuple[object, ...]]:
    with store.cursor() as cursor:
        return sorted(cursor.execute("SELECT * FROM scores").fetchall())


REFUSED: list[object] = [0.1, "signs", "refusal"]
NOT_JUDGED: list[object] = [None, None, None]


@pytest.mark.parametrize("order", ["before", "after", "together", "together, first"])
def test_a_score_is_on_its_call_before_and_after_it(store: Store, order: str) -> None:
    log, one, other = Log(), span(1), span(2)
    records = [log.spans([one, other]), log.scores([score(one)])]
    if order in ("before", "together, first"):
        records.reverse()
    if order.startswith("together"):
        apply(store, *records)
    else:
        for record in records:
            apply(store, record)
    assert score_of(store, one) == REFUSED
    assert score_of(store, other) == NOT_JUDGED
    assert store.positions()["scores", 0].next_offset == 1


def test_a_line_that_comes_again_changes_nothing(store: Store) -> None:
    """In one message, in one batch, in the next one, and on another partition."""
    log, one = Log(), span(1)
    apply(store, log.spans([one]), log.scores([score(one), score(one)]), log.scores([score(one)], 1))
    apply(store, log.scores([score(one), score(span(2))], 2))
    assert score_of(store, one) == REFUSED
    assert len(stored(store)) == 2


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("order", [(0.8, 0.4), (0.4, 0.8)])
def test_of_two_scores_of_a_call_the_lower_one_holds(
    store: Store, order: tuple[float, float], together: bool
) -> None:
    log, one = Log(), span(1)
    records = [log.scores([score(one, quality)], partition) for partition, quality in enumerate(order)]
    apply(store, log.spans([one]))
    for batch in [records] if together else [[record] for record in records]:
        apply(store, *batch)
    assert score_of(store, one)[0] == 0.4
    assert len(stored(store)) == 1


def test_only_that_call_has_it(store: Store) -> None:
    """Same ids in another project, and another start, are other calls."""
    log, one = Log(), span(1)
    neighbour = msgspec.structs.replace(one, project="bank")
    apply(store, log.spans([one, neighbour]), log.scores([score(neighbour), score(one, start_ns=1)]))
    assert score_of(store, one) == NOT_JUDGED
    assert score_of(store, neighbour) == REFUSED


def test_a_call_shows_the_score_of_its_further_span(store: Store) -> None:
    """Detection may have judged the span that turned out to be the second report of a call."""
    log, one = Log(), span(1, response_id="r1", scope="openai")
    two = span(2, trace_id=one.trace_id, start_ns=one.start_ns, response_id="r1", scope="langchain")
    apply(store, log.spans([one]))
    apply(store, log.spans([two]))
    (row,) = calls(store)
    call, further = (one, two) if row["span_id"] == one.span_id else (two, one)
    apply(store, log.scores([score(further)]))
    assert score_of(store, call) == REFUSED
    apply(store, log.scores([score(call, 0.9, quality_reason="")]))
    assert score_of(store, call) == [0.9, "signs", ""]


def test_filters_take_judged_calls_alone(store: Store) -> None:
    log = Log()
    bad, poor, good, unknown = spans = [span(number) for number in range(4)]
    apply(
        store,
        log.spans(spans),
        log.scores(
            [score(bad), score(poor, 0.5, quality_reason="unlike"), score(good, 1.0, quality_reason="")]
        ),
    )

    def found(**asked: object) -> list[object]:
        return [row["span_id"] for row in calls(store, Filters(**asked))]  # type: ignore[arg-type]

    assert found(max_quality=0.5) == [bad.span_id, poor.span_id]
    assert found(max_quality=1.0) == [bad.span_id, poor.span_id, good.span_id]
    assert found(max_quality=0.5, quality_reason=("unlike", "")) == [poor.span_id]
    assert found(quality_reason=("",)) == [good.span_id]
    assert found(max_quality=0.5, since=poor.start_ns, project=("shop",)) == [poor.span_id]
    assert found(max_quality=0.5, project=("bank",)) == []
    assert unknown.span_id in found()


def test_an_erasure_takes_scores_with_it(store: Store) -> None:
    """Those that are there, those that come later, and no other project's."""
    log, old, new = Log(), span(1), span(100)
    apply(store, log.scores([score(old), score(new), score(old, project="bank")]))
    apply(store, log.erasure("e", "shop", NOON_NS + 50 * SECOND_NS))
    apply(store, log.scores([score(old)]))
    assert {(project, span_id) for project, _, span_id, *_ in stored(store)} == {
        ("shop", new.span_id),
        ("bank", old.span_id),
    }
    assert store.applied.scores == 3


def test_what_is_no_score_is_left_out_and_its_neighbours_stay(store: Store) -> None:
    log, one = Log(), span(1)
    good = msgspec.json.encode(score(one))
    bad = [
        b"garbage",
        b"{}",
        b"[" * 100_000,
        b"\xff",
        good.replace(b'"quality":0.1', b'"quality":7'),
        good.replace(b'"quality":0.1', b'"quality":"0.1"'),
        good.replace(b'"start_ns":', b'"start_ns":-'),
        good.replace(b'"project":"shop"', b'"project":"\xff"'),
    ]
    apply(store, log.spans([one]), log.scores([*bad, b"", good]), log._append("scores", 1, None, None))
    assert score_of(store, one) == REFUSED
    assert sum(store.applied.skipped.values()) == len(bad)
    assert store.positions()["scores", 1].next_offset == 1


def test_a_later_writers_tier_and_reason_are_kept(store: Store) -> None:
    log, one = Log(), span(1)
    line = msgspec.json.encode(score(one)).replace(b'"signs"', b'"oracle"').replace(b'"refusal"', b'"rude"')
    apply(store, log.spans([one]), log.scores([line]))
    assert score_of(store, one) == [0.1, "oracle", "rude"]


def test_a_score_whose_span_is_gone_shows_nowhere(store: Store) -> None:
    """Scores are kept on Kafka for longer than spans: a rebuild may find one without its call."""
    log, gone, there = Log(), span(1), span(2)
    apply(store, log.scores([score(gone), score(there)]), log.spans([there]))
    assert [row["span_id"] for row in calls(store, Filters(max_quality=1.0))] == [there.span_id]


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    order=st.permutations(range(9)),
    cuts=st.lists(st.integers(1, 8), max_size=4),
)
def test_any_order_of_calls_and_scores_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], cuts: list[int]
) -> None:
    """Batches of any cut, messages in any order, lines that come twice, a call that was judged twice."""
    spans = [span(number) for number in range(4)]
    log = Log()
    records = [
        *(log.spans([one], partition) for partition, one in enumerate(spans)),
        log.scores([score(spans[0], 0.2), score(spans[1], 0.4)], 0),
        log.scores([score(spans[0], 0.2), score(spans[1], 0.4)], 1),
        log.scores([score(spans[1], 0.3)], 2),
        log.scores([score(spans[2], 0.0)], 3),
        log.scores([score(span(77), 0.9)], 4),
    ]
    queue = [records[place] for place in order]
    store = Store.open(tmp_path_factory.mktemp("views") / "views.duckdb")
    try:
        edges = [0, *sorted(set(cuts)), len(queue)]
        for start, end in pairwise(edges):
            apply(store, *queue[start:end])
        found = [score_of(store, one)[0] for one in spans]
        assert len(stored(store)) == 4
    finally:
        store.close()
    assert found == [0.2, 0.3, 0.0, None]
