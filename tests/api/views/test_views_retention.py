"""Retention on a clock of the test's own: what goes when, in small steps, and that a rebuild agrees."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.views.span_lines import EPOCHS, NOON_NS, SECOND_NS, Log, alert, content, score, span
from api.views.test_views_store import every_row
from lumina_api.views import retention
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.retention import DAY_NS, MINUTE_NS, Policy, plan
from lumina_api.views.store import Store
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Span

WEEK = Policy(7.0, at_minute=120)
RUN_NS = NOON_NS - 10 * 3600 * SECOND_NS  # 02:00 of that day


class Clock:
    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock(NOON_NS)


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    opened = Store.open(tmp_path / "views.duckdb", policy=WEEK, clock=clock)
    yield opened
    opened.close()


def days_ago(number: int, days: float, **changes: object) -> Span:
    """A span of a trace of its own, so many days before noon."""
    return span(number, start_ns=NOON_NS - round(days * DAY_NS), **changes)


def swept(store: Store) -> int:
    """Let go of all that is due; returns in how many steps."""
    steps = 1
    while store.let_go():
        steps += 1
    return steps


def counted(store: Store) -> dict[str, int]:
    with store.cursor() as cursor:
        tables = ("spans", "contents", "scores", "corrections", "traces", "alerts", "audit")
        return {
            table: int(cursor.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]) for table in tables
        }


def audited(log: Log, id: str, at: str) -> LogRecord:
    entry = {"v": 1, "id": id, "at": at, "by": "cli:x", "action": "rule.set", "target": "rules/a"}
    return log._append("audit", 0, b"", msgspec.json.encode(entry))


def project(log: Log, name: str, days: float | None) -> LogRecord:
    value = None if days is None else msgspec.json.encode({"v": 1, "retention_days": days})
    return log._append("settings", 0, f"projects/{name}".encode(), value)


def everything(log: Log) -> list[LogRecord]:
    """Ten days of spans, each with all that belongs to it, of two projects."""
    records = []
    for number in range(40):
        one = days_ago(number, number / 4, project=("shop", "bank")[number % 2])
        arrived_ms = one.start_ns // 1_000_000
        records += [
            log.spans(
                [one, content(one, number, system="late")], partition=number % 4, arrived_ms=arrived_ms
            ),
            log.scores([score(one)]),
            log.correction(one),
        ]
    resolved = {"state": "resolved", "resolved_at": "2025-12-20T12:00:00Z"}
    records += [
        log.alert(alert(1)),
        log.alert(alert(2, **resolved)),
        log.alert(alert(3, project="bank", **(resolved | {"resolved_at": "2025-12-28T12:00:00Z"}))),
        audited(log, "old", "2025-09-01T00:00:00Z"),
        audited(log, "new", "2025-12-01T00:00:00Z"),
    ]
    return records


@given(now_ns=st.integers(0, 2**62), minute=st.integers(0, 1439))
def test_the_last_run_is_at_its_time_of_day_and_less_than_a_day_ago(now_ns: int, minute: int) -> None:
    due = Policy(1, minute).last_run(now_ns)
    assert 0 <= now_ns - due < DAY_NS
    assert due % DAY_NS == minute * MINUTE_NS


def test_the_environment_says_how_long_and_when() -> None:
    policy = Policy.of(Settings(retention_days=3.5, retention_at="23:30"))
    assert (policy.days, policy.at_minute) == (3.5, 23 * 60 + 30)
    at = datetime(2026, 5, 5, 23, 29, tzinfo=UTC)
    assert (
        policy.last_run(int(at.timestamp()) * SECOND_NS)
        == int(at.replace(day=4, minute=30).timestamp()) * SECOND_NS
    )
    assert Policy(0).in_force(NOON_NS).latest_ns == 0


def test_nothing_goes_before_its_time_and_all_of_it_then(store: Store, clock: Clock) -> None:
    log = Log()
    clock.now_ns = NOON_NS - 8 * DAY_NS
    store.apply(batch_of(everything(log)), EPOCHS)
    whole = counted(store)
    assert whole["spans"] == 40
    clock.now_ns = RUN_NS - 1
    swept(store)
    day_before = counted(store)
    clock.now_ns = RUN_NS
    with store.cursor() as cursor:
        planned = plan(cursor, store.policy.in_force(clock.now_ns))
    swept(store)
    left = counted(store)
    assert left["spans"] == left["scores"] == left["corrections"] == left["traces"] == left["contents"] == 30
    assert day_before["spans"] == 34
    assert left["alerts"] == 2  # the open one, and the lately resolved one
    assert left["audit"] == 1
    gone: dict[str, int] = {}
    for one in planned:
        gone[one.table] = gone.get(one.table, 0) + one.rows
    assert gone == {
        name: day_before[name] - left[name] for name in ("spans", "scores", "corrections", "contents")
    }
    assert store.applied.let_go["spans"] == 10
    assert not store.let_go()
    assert counted(store) == left
    with store.cursor() as cursor:
        run = retention.last_run(cursor)
    assert run is not None
    assert run.cuts.run_ns == RUN_NS


def test_projects_may_keep_theirs_longer_shorter_or_for_ever(store: Store, clock: Clock) -> None:
    log = Log()
    clock.now_ns = NOON_NS - 8 * DAY_NS
    store.apply(batch_of([*everything(log), project(log, "shop", 0), project(log, "bank", 2)]), EPOCHS)
    clock.now_ns = NOON_NS
    swept(store)
    with store.cursor() as cursor:
        left = dict(cursor.execute("SELECT project, count(*) FROM spans GROUP BY project").fetchall())
    assert left == {"shop": 20, "bank": 5}
    store.apply(batch_of([project(log, "shop", None)]), EPOCHS)
    swept(store)
    assert counted(store)["spans"] == 15 + 5


def test_it_goes_in_small_steps(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "STEP_ROWS", 3)
    log = Log()
    clock.now_ns = NOON_NS - 8 * DAY_NS
    store.apply(batch_of(everything(log)), EPOCHS)
    clock.now_ns = NOON_NS
    before = counted(store)["spans"]
    while store.let_go():
        now = counted(store)["spans"]
        assert before - now <= 3
        before = now
    assert before == 30


def test_what_arrives_too_late_is_not_stored_and_is_counted(store: Store) -> None:
    log = Log()
    store.apply(
        batch_of([log.spans([days_ago(1, 7.3), days_ago(2, 7.5)]), log.scores([score(days_ago(2, 7.5))])]),
        EPOCHS,
    )
    assert counted(store)["spans"] == 1
    assert counted(store)["scores"] == 0
    assert store.applied.skipped == {"span is older than retention": 1}


def test_an_alert_that_was_resolved_long_ago_takes_its_open_revision_along(
    store: Store, clock: Clock
) -> None:
    log = Log()
    store.apply(batch_of([log.alert(alert(1))]), EPOCHS)
    clock.now_ns = NOON_NS + 30 * DAY_NS
    resolved = alert(1, rev=2, state="resolved", resolved_at="2026-01-02T12:00:00Z")
    store.apply(batch_of([log.alert(resolved), log.alert(alert(2))]), EPOCHS)
    with store.cursor() as cursor:
        assert cursor.execute("SELECT id FROM alerts").fetchall() == [(alert(2).id,)]


@pytest.mark.parametrize("seed", range(4))
def test_a_rebuild_gives_the_rows_that_were_kept(tmp_path: Path, seed: int) -> None:
    """One follows day by day, the other one reads it all later, before it knows what projects keep."""
    rng = random.Random(seed)
    log = Log()
    records = everything(log)
    long_trace = [
        days_ago(
            100 + step, 7.7 - step * 0.01, trace_id="f" * 32, src=Source("0" * 32, "otlp", 0, 100 + step, 0)
        )
        for step in range(60)
    ]
    records += [log.spans([one], partition=1, arrived_ms=one.start_ns // 1_000_000) for one in long_trace]
    records += [log.scores([score(one, 0.1 + place / 100)]) for place, one in enumerate(long_trace)]
    records += [project(log, "bank", 2)]
    records.sort(key=lambda record: record.timestamp_ms)
    clock = Clock(NOON_NS - 9 * DAY_NS)
    kept = Store.open(tmp_path / "kept.duckdb", policy=WEEK, clock=clock)
    for at in range(0, len(records), 10):
        kept.apply(batch_of(records[at : at + 10]), EPOCHS)
        if rng.random() < 0.3:
            clock.now_ns = min(NOON_NS, clock.now_ns + DAY_NS)
            swept(kept)
    clock.now_ns = NOON_NS
    swept(kept)
    anew = Store.open(tmp_path / "anew.duckdb", policy=WEEK, clock=clock)
    anew.apply(batch_of(records[:100]), EPOCHS, retain=False)
    anew.apply(batch_of(records[100:]), EPOCHS)
    swept(anew)
    assert every_row(kept) == every_row(anew)
    traces = []
    for store in (kept, anew):
        with store.cursor() as cursor:
            traces.append(sorted(cursor.execute("SELECT * FROM traces").fetchall(), key=repr))
        store.close()
    assert traces[0] == traces[1]
    assert any(row[1] == "f" * 32 for row in traces[0])


def test_rolled_sums_of_what_went_go(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lumina_api.views.rollup.QUIET_S", -1.0)
    log = Log()
    clock.now_ns = NOON_NS - 8 * DAY_NS
    store.apply(batch_of([*everything(log), project(log, "bank", 2)]), EPOCHS)
    while store.roll_up():
        pass
    clock.now_ns = NOON_NS
    swept(store)
    while store.roll_up():
        pass
    cut = replace(WEEK, projects={"bank": 2}).in_force(NOON_NS).earliest_ns
    with store.cursor() as cursor:
        rolled = cursor.execute("SELECT min(start_ns), sum(seen_calls) FROM calls_5m").fetchall()[0]
        calls = cursor.execute("SELECT count(*) FROM calls").fetchall()[0][0]
        buckets = cursor.execute("SELECT min(start_ns) FROM rolled").fetchall()[0][0]
    assert rolled[1] == calls
    assert min(rolled[0], buckets) >= cut // (300 * SECOND_NS) * 300 * SECOND_NS
