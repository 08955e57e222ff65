"""Calls rolled up: a bucket that holds equals its calls, and what changes a call takes its bucket out."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.views.span_lines import EPOCHS, NOON_NS, SECOND_NS, Log, mixed_spans, score, span
from lumina_api.views import rollup
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.rollup import STEP_NS, WITHIN, facts_of
from lumina_api.views.store import Store
from lumina_schemas.source import Source
from lumina_schemas.span import Span

DIMENSIONS = (
    *("project", "service", "endpoint", "environment", "provider", "request_model", "response_model"),
    *("prompt_name", "prompt_version", "status", "sample_rate", "cost_known"),
)
SUMS = (
    *("calls", "cost_usd", "priced_calls", "estimated_calls", "input_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "output_tokens", "reasoning_tokens", "seen_calls", "sampled_calls"),
    *("judged_calls", "quality"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "views.duckdb"


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(rollup, "QUIET_S", 0.0)
    opened = Store.open(path)
    yield opened
    opened.close()


def apply(store: Store, *records: LogRecord) -> None:
    store.apply(batch_of(records), EPOCHS)


def roll_all(store: Store) -> None:
    while store.roll_up():
        pass


def rolled(store: Store) -> set[int]:
    with store.cursor() as cursor:
        return {bucket for (bucket,) in cursor.execute("SELECT start_ns FROM rolled").fetchall()}


def check(store: Store) -> None:
    """Whatever is rolled is what the calls of its time sum up to."""
    sums = ", ".join(f"sum({name})" for name in SUMS)
    names = ", ".join(DIMENSIONS)
    bins = {"duration_bins": "duration_bin", "ttft_bins": "ttft_bin", "quality_bins": "quality_bin"}
    with store.cursor() as cursor:
        for bucket in rolled(store):
            bounds = {"first_ns": bucket, "last_ns": bucket + STEP_NS - 1}
            facts = facts_of("true", WITHIN, judged=True)
            raw = cursor.execute(f"SELECT {names}, {sums} FROM ({facts}) GROUP BY ALL", bounds).fetchall()
            held = {"bucket": bucket}
            where = "FROM calls_5m WHERE start_ns = $bucket"
            assert by_place(cursor.execute(f"SELECT {names}, {sums} {where} GROUP BY ALL", held)) == {
                row[: len(DIMENSIONS)]: pytest.approx(numbers(row)) for row in raw
            }
            for column, bin_ in bins.items():
                kept = cursor.execute(
                    f"SELECT e.key, sum(e.value) FROM (SELECT unnest(map_entries({column})) AS e {where}) "
                    "GROUP BY 1 ORDER BY 1",
                    held,
                ).fetchall()
                seen = cursor.execute(
                    f"SELECT {bin_}, count(*) FROM ({facts}) WHERE {bin_} IS NOT NULL GROUP BY 1 ORDER BY 1",
                    bounds,
                ).fetchall()
                assert kept == seen


def by_place(result: Any) -> dict[tuple[Any, ...], list[float]]:
    return {row[: len(DIMENSIONS)]: numbers(row) for row in result.fetchall()}


def numbers(row: tuple[Any, ...]) -> list[float]:
    return [-1.0 if value is None else float(value) for value in row[len(DIMENSIONS) :]]


@pytest.mark.parametrize("seed", range(4))
def test_rolled_buckets_equal_their_calls_whatever_comes_when(store: Store, seed: int) -> None:
    rng = random.Random(seed)
    spans = [
        replace(each, start_ns=NOON_NS + each.start_ns % (3600 * SECOND_NS))
        for each in mixed_spans(80, seed, NOON_NS)
    ]
    log = Log()
    again = [
        replace(each, src=Source("0" * 32, "otlp", 0, n, 0), sample_rate=0.5, cost_usd=7.0)
        for n, each in enumerate(rng.sample(spans, 20))
    ]
    priced = [each for each in spans if each.priced]
    lines: list[Callable[[], LogRecord]] = [
        *(lambda each=each: log.spans([each]) for each in spans + again),
        *(lambda each=each: log.scores([score(each, rng.random())]) for each in rng.sample(priced, 30)),
        *(lambda each=each: log.correction(each, cost_usd=3.0) for each in rng.sample(priced, 8)),
    ]
    rng.shuffle(lines)
    for first in range(0, len(lines), 20):
        apply(store, *(line() for line in lines[first : first + 20]))
        check(store)
        roll_all(store)
        assert rolled(store)
        check(store)


def changing(log: Log, call: Span) -> list[LogRecord]:
    """Records that change what the bucket of a call sums up to."""
    return [
        log.spans([span(700, start_ns=call.start_ns + 1)]),
        log.spans([replace(call, src=Source("", "otlp", 0, 0, 0), cost_usd=0.5)]),
        log.correction(call),
        log.scores([score(call, 0.3)]),
        log.erasure("gone", "shop", call.start_ns + 1),
    ]


@pytest.mark.parametrize("which", range(5))
def test_what_changes_a_call_takes_its_bucket_out(store: Store, which: int) -> None:
    log = Log()
    call, other = span(0), span(1, start_ns=NOON_NS + 4 * STEP_NS)
    apply(store, log.spans([call, other]))
    roll_all(store)
    both = rolled(store)
    assert len(both) == 2
    apply(store, changing(log, call)[which])
    assert rolled(store) == both - {min(both)}
    roll_all(store)
    check(store)


def test_a_bucket_waits_until_it_is_quiet(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rollup, "QUIET_S", 3600.0)
    apply(store, Log().spans([span(0)]))
    assert not store.roll_up()
    monkeypatch.setattr(rollup, "QUIET_S", 0.0)
    assert store.roll_up()


def test_a_new_process_rolls_what_the_last_one_left(store: Store, path: Path) -> None:
    log = Log()
    apply(store, log.spans([span(0)]))
    roll_all(store)
    apply(store, log.spans([span(1, start_ns=NOON_NS + STEP_NS)]))
    store.close()
    again = Store.open(path)
    assert len(rolled(again)) == 1
    roll_all(again)
    assert len(rolled(again)) == 2
    check(again)
    again.close()
