"""The views' tables: who wins among duplicates, that a rebuild is identical, that nothing is half written."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.views.span_lines import EPOCH, EPOCHS, NOON_NS, SECOND_NS, Log, alert, content, message, score, span
from lumina_api.views import queries
from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.contents import merged
from lumina_api.views.file import Unusable, former_of, is_corruption
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page, Row
from lumina_api.views.store import Position, Store
from lumina_schemas.source import Source
from lumina_schemas.span import Message, Span


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "views" / "views.duckdb"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store.open(path)
    yield opened
    opened.close()


def apply(store: Store, *records: LogRecord) -> None:
    store.apply(batch_of(records), EPOCHS)


def every_row(store: Store) -> list[Any]:
    """All rows of all views, sorted."""
    with store.cursor() as cursor:
        return sorted(
            (
                (table, *row)
                for table in ("spans", "contents", "alerts", "corrections", "scores", "erasures")
                for row in cursor.execute(f"SELECT * FROM {table}").fetchall()
            ),
            key=repr,
        )


def calls(store: Store, **filters: Any) -> list[Row]:
    with store.cursor() as cursor:
        rows = queries.calls(cursor, Filters(**filters), Page(1000, "oldest"))
        return merged(rows, queries.contents(cursor, [str(row["span_id"]) for row in rows]))


def names(store: Store) -> list[object]:
    return [row["name"] for row in calls(store)]


def sighted(number: int, offset: int, **changes: Any) -> Span:
    """The same span, read at an offset of its source."""
    return span(number, src=Source(EPOCH, "otlp", 0, offset, 0), name=f"from {offset}", **changes)


def test_a_row_holds_the_span(store: Store) -> None:
    apply(store, Log().spans([span(1)]))
    (row,) = calls(store)
    assert row["model"] == "gpt-4o-mini-2024-07-18"
    assert (row["src_epoch"], row["src_offset"]) == ("0" * 32, 1)
    assert row["cost_status"] == "exact"
    answer = message("assistant", "answer 1 <b>ünïcode</b>")
    assert msgspec.json.decode(str(row["output_messages"]), type=list[Message]) == [answer]
    assert row["tool_calls"] is None


@pytest.mark.parametrize("order", [(3, 5), (5, 3)])
def test_the_smallest_source_wins_whatever_came_first(store: Store, order: tuple[int, int]) -> None:
    log = Log()
    for offset in order:
        apply(store, log.spans([sighted(1, offset), span(10 + offset)]))
    assert names(store) == ["from 3", "chat", "chat"]
    assert store.applied.duplicates == 1


def test_the_same_position_again_changes_nothing(store: Store) -> None:
    log = Log()
    for _ in range(3):
        apply(store, log.spans([sighted(1, 3)]))
    assert names(store) == ["from 3"]


@pytest.mark.parametrize("epoch", ["0" * 32, "f" * 32])  # below and above that of the landing topic
def test_a_span_that_comes_back_from_the_dead_letters_is_one_row(tmp_path: Path, epoch: str) -> None:
    """Accepted before or not, re-driven once or thrice, from one letter or two: a rebuild agrees."""
    log = Log()

    def letter(number: int, offset: int) -> Span:
        return span(number, src=Source(epoch, "dlq", 3, offset, 0), name=f"letter {offset}")

    accepted, refused = sighted(1, 7), letter(2, 41)
    records = [
        log.spans([accepted]),
        log.spans([letter(1, 50), refused]),
        log.spans([refused, letter(1, 40), letter(2, 60)], partition=1),
        log.spans([letter(1, 50), refused]),
    ]
    rows = []
    for number, order in enumerate(([0, 1, 2, 3], [2, 0, 1, 3], [0, 1, 3, 2])):
        for whole in (False, True):
            store = Store.open(tmp_path / f"{number}-{whole}.duckdb")
            chosen = [records[index] for index in order]
            for batch in [chosen] if whole else [[record] for record in chosen]:
                apply(store, *batch)
            assert names(store) == ["letter 40" if epoch < EPOCH else "from 7", "letter 41"]
            rows.append(every_row(store))
            store.close()
    assert all(each == rows[0] for each in rows)


@pytest.mark.parametrize("change", [{"project": "bank"}, {"trace_id": "a" * 32}])
def test_equal_span_ids_of_other_traces_and_projects_are_other_spans(
    store: Store, change: dict[str, str]
) -> None:
    log = Log()
    apply(store, log.spans([span(1)]))
    apply(store, log.spans([span(1, **change)]))
    assert len(calls(store)) == 2


def test_rows_and_positions_are_one(store: Store, path: Path) -> None:
    log = Log()
    apply(store, log.spans([span(1)]), log.spans([span(2)], partition=3), log.alert(alert()))
    store.close()
    again = Store.open(path)
    assert again.positions() == {
        ("spans", 0): Position(EPOCH, 1),
        ("spans", 3): Position(EPOCH, 1),
        ("alerts", 0): Position(EPOCH, 1),
    }
    assert len(calls(again)) == 2
    again.close()


def test_a_batch_that_fails_leaves_nothing(store: Store) -> None:
    log = Log()
    apply(store, log.spans([span(1)]))
    before = every_row(store)
    batch = batch_of([log.spans([span(2)]), log.erasure("e", "bank", NOON_NS)])
    store._connection.execute("DROP TABLE positions")  # the last table that a batch writes
    with pytest.raises(duckdb.CatalogException):
        store.apply(batch, EPOCHS)
    assert every_row(store) == before
    assert store.applied.spans == 1


def test_a_row_that_fits_no_column_is_left_out_and_its_neighbours_stay(store: Store) -> None:
    batch = batch_of([Log().spans([span(1), span(2), span(3)])])
    (bad,) = (row for row in batch.spans.values() if row.span_id == span(2).span_id)
    bad.series_id = "\ud800"  # no line of JSON gives this
    store.apply(batch, EPOCHS)
    assert {row["span_id"] for row in calls(store)} == {span(1).span_id, span(3).span_id}
    assert store.applied.skipped == {"row fits no column": 1}
    assert store.positions()["spans", 0].next_offset == 1


def test_texts_come_back_as_they_were(store: Store) -> None:
    text = "a\x00b ' \" \\ \u202e <script> 漢字 🙂"
    apply(store, Log().spans([span(1, name=text, input_messages=(message("user", text),))]))
    (row,) = calls(store)
    assert row["name"] == text
    assert msgspec.json.decode(str(row["input_messages"]))[0]["parts"][0]["content"] == text


# Content lines


BARE = span(1, system="", input_messages=(), output_messages=())


@pytest.mark.parametrize("span_first", [True, False])
def test_content_joins_its_span_whichever_comes_first(store: Store, span_first: bool) -> None:
    log = Log()
    records = [
        log.spans([BARE, span(2)]),
        log.spans([content(BARE, 7, output_messages=(message("assistant", "late"),))]),
        log.spans([content(BARE, 3, system="rules", input_messages=(message("user", "early"),))]),
    ]
    for record in records if span_first else reversed(records):
        apply(store, record)
    mine, other = calls(store)
    assert mine["system"] == "rules"
    assert "early" in str(mine["input_messages"])
    assert "late" in str(mine["output_messages"])
    assert "question 2" in str(other["input_messages"])


def test_contents_of_several_records_are_joined_in_order_each_once(store: Store) -> None:
    log = Log()
    for offset, text in ((9, "third"), (4, "first"), (5, "second"), (4, "first"), (12, "first")):
        apply(store, log.spans([content(BARE, offset, input_messages=(message("user", text),))]))
    apply(store, log.spans([BARE]))
    (row,) = calls(store)
    said = [one["parts"][0]["content"] for one in msgspec.json.decode(str(row["input_messages"]))]
    assert said == ["first", "second", "third"]


def test_what_a_span_carries_itself_wins(store: Store) -> None:
    log = Log()
    apply(
        store,
        log.spans([span(1), content(span(1), 1, system="other", input_messages=(message("user", "x"),))]),
    )
    (row,) = calls(store)
    assert row["system"] == "Be brief."
    assert "question 1" in str(row["input_messages"])


# Alerts


def test_alerts_keep_the_highest_revision(store: Store) -> None:
    log = Log()
    for rev, state in ((1, "open"), (3, "resolved"), (2, "open"), (3, "resolved")):
        apply(store, log.alert(alert(1, rev=rev, state=state)))
    with store.cursor() as cursor:
        record = queries.alert(cursor, alert(1).id)
    assert record is not None
    assert msgspec.json.decode(record)["state"] == "resolved"


def test_a_removed_alert_is_gone_and_may_come_back(store: Store) -> None:
    log = Log()
    apply(store, log.alert(alert(1, rev=5)))
    apply(store, log.tombstone("alerts", alert(1).id))
    with store.cursor() as cursor:
        assert queries.alert(cursor, alert(1).id) is None
    apply(store, log.alert(alert(2)), log.tombstone("alerts", alert(2).id), log.alert(alert(2, rev=2)))
    apply(store, log.alert(alert(1, rev=1)))
    with store.cursor() as cursor:
        assert queries.alert(cursor, alert(1).id)
        assert queries.alert(cursor, alert(2).id)


# Erasures


def test_an_erasure_hides_what_was_there_and_what_comes_later(store: Store) -> None:
    log = Log()
    before = NOON_NS + 10 * SECOND_NS
    old, late, new, other = span(1), span(2), span(20), span(3, project="bank")
    apply(
        store,
        log.spans([old, new, other, content(old, 1, system="x")]),
        log.alert(alert(0)),
        log.alert(alert(5)),
    )
    apply(store, log.erasure("demo", "shop", before))
    apply(store, log.spans([late, content(old, 2, system="x")], arrived_ms=before // 1_000_000 - 1))
    apply(store, log.alert(alert(0, rev=2)))
    assert {row["span_id"] for row in calls(store)} == {new.span_id, other.span_id}
    with store.cursor() as cursor:
        assert queries.alert(cursor, alert(0).id) is None  # opened at 12:00:00
        assert queries.alert(cursor, alert(5).id)
        assert cursor.execute("SELECT count(*) FROM contents").fetchone() == (0,)


def test_an_erasure_is_remembered_and_can_be_taken_back(store: Store, path: Path) -> None:
    log = Log()
    apply(store, log.erasure("demo", "shop", NOON_NS + 10 * SECOND_NS))
    store.close()
    again = Store.open(path)
    apply(again, log.spans([span(1)]))
    assert calls(again) == []
    apply(again, log.tombstone("settings", "erasures/demo"))
    apply(again, log.spans([span(2)]))
    assert [row["span_id"] for row in calls(again)] == [span(2).span_id]
    again.close()


def test_of_several_erasures_the_widest_counts(store: Store) -> None:
    log = Log()
    apply(
        store,
        log.erasure("a", "shop", NOON_NS + 5 * SECOND_NS),
        log.erasure("b", "shop", NOON_NS + 2 * SECOND_NS),
        log.spans([span(number) for number in range(8)]),
    )
    assert [row["span_id"] for row in calls(store)] == [span(number).span_id for number in (5, 6, 7)]


# Rebuilding


def some_log(seed: int) -> list[LogRecord]:
    """A log with all that can happen: duplicates in any order, contents, scores, revisions, an erasure."""
    rng = random.Random(seed)
    log = Log()
    records: list[LogRecord] = []
    for number in range(40):
        lines = [
            sighted(rng.randrange(25), rng.randrange(6), project=rng.choice(["shop", "bank"]))
            for _ in range(5)
        ]
        lines[0] = span(100 + number, project="demo")
        notes = []
        for line in lines:
            if rng.random() < 0.3:
                offset = rng.randrange(50)
                notes.append(content(line, offset, system=f"s{offset}"))
        records.append(log.spans([*lines, *notes, b"garbage"], partition=rng.randrange(4)))
        judged = [score(line, rng.randrange(11) / 10) for line in lines if rng.random() < 0.8]
        records.append(log.scores([*judged, b"garbage"], partition=rng.randrange(4)))
        records.append(log.alert(alert(rng.randrange(5), rev=number, summary=str(number))))
        if number == 20:
            records.append(log.erasure("demo", "demo", NOON_NS + 130 * SECOND_NS))
    return records


def interleaved(records: Iterable[LogRecord], rng: random.Random) -> list[LogRecord]:
    """Another order in which a reader may get the same log: partitions keep theirs."""
    queues: dict[tuple[str, int], list[LogRecord]] = {}
    for record in records:
        queues.setdefault((record.topic, record.partition), []).append(record)
    out: list[LogRecord] = []
    while queues:
        which = rng.choice(sorted(queues))
        out.append(queues[which].pop(0))
        if not queues[which]:
            del queues[which]
    return out


@given(seed=st.integers(0, 2**32))
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_rebuild_gives_identical_rows(tmp_path: Path, seed: int) -> None:
    records = some_log(seed)
    rows = []
    for attempt in range(2):
        rng = random.Random(seed + attempt)
        path = tmp_path / f"{seed}-{attempt}.duckdb"
        path.unlink(missing_ok=True)
        store = Store.open(path)
        left = interleaved(records, rng)
        while left:
            size = rng.randrange(1, 12)
            apply(store, *left[:size])
            if rng.random() < 0.2:  # a crash of whoever wrote the log: the same again
                apply(store, *left[:size])
            left = left[size:]
        rows.append((every_row(store), store.positions()))
        store.close()
    assert rows[0] == rows[1]
    assert len(rows[0][0]) > 40


WRITER = """
import sys
from pathlib import Path
from api.views.span_lines import EPOCHS, Log, score, span
from lumina_api.views.batch import batch_of
from lumina_api.views.store import Store
store = Store.open(Path(sys.argv[1]))
start = store.positions().get(("spans", 0))
number = start.next_offset if start else 0
log = Log({("spans", 0): number, ("scores", 0): number})
print("open", flush=True)
while True:
    # Record n holds spans n..n+199: neighbours overlap, so that a record applied twice would show.
    lines = [span(n) for n in range(number, number + 200)]
    store.apply(batch_of([log.spans(lines), log.scores(score(line) for line in lines)]), EPOCHS)
    number += 1
    print(number, flush=True)
"""


def test_kill_9_in_mid_write_loses_nothing_and_doubles_nothing(path: Path) -> None:
    rng = random.Random(5)
    tests = str(Path(__file__).parents[2])
    promised = 0
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": tests},
            text=True,
        ) as writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "open\n"
            for _ in range(rng.randrange(3, 12)):
                promised = int(writer.stdout.readline())
            time.sleep(rng.random() * 0.05)  # somewhere inside a transaction
            writer.send_signal(signal.SIGKILL)
        store = Store.open(path)
        positions = store.positions()
        applied = positions["spans", 0].next_offset
        assert positions["scores", 0].next_offset == applied >= promised
        with store.cursor() as cursor:
            for table in ("spans", "scores"):
                found = cursor.execute(f"SELECT count(*), count(DISTINCT span_id) FROM {table}").fetchone()
                assert found == (applied + 199, applied + 199)
        store.close()
    assert not list(path.parent.glob("*.aside"))


# The file


def test_a_file_in_use_is_said_with_who_has_it(store: Store, path: Path) -> None:
    with pytest.raises(Unusable, match=f"in use by another process .pid {os.getpid()}.*LUMINA_VIEWS_PATH"):
        Store.open(path)


def test_what_is_no_file_is_left_where_it_is(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(Unusable, match=r"is no file.*LUMINA_VIEWS_PATH"):
        Store.open(path)
    assert path.is_dir()


@pytest.mark.parametrize("damage", ["garbage", "header alone", "zeros"])
def test_a_corrupted_file_is_put_aside_and_built_anew(path: Path, damage: str) -> None:
    store = Store.open(path)
    apply(store, Log().spans([span(number) for number in range(3000)]))
    store.close()
    whole = path.read_bytes()
    path.write_bytes(
        {
            "garbage": b"not a database" * 1000,
            "header alone": whole[:4096],
            "zeros": whole[:100] + bytes(20_000) + whole[20_100:],
        }[damage]
    )
    again = Store.open(path)
    assert again.positions() == {}
    assert path.with_name(path.name + ".aside").is_file()
    apply(again, Log().spans([span(1)]))
    assert len(calls(again)) == 1
    again.close()


def test_damage_in_any_block_is_told_from_other_errors_or_harmless(path: Path) -> None:
    store = Store.open(path)
    apply(store, Log().spans([span(number) for number in range(3000)]))
    rows = every_row(store)
    store.close()
    whole = path.read_bytes()
    aside = path.with_name(path.name + ".aside")
    outcomes = set()
    for at in range(12_288 + 100, len(whole), 262_144):
        path.write_bytes(whole[:at] + os.urandom(64) + whole[at + 64 :])
        aside.unlink(missing_ok=True)
        store = Store.open(path)
        try:
            if aside.exists():
                outcomes.add("when opened")
            else:
                assert every_row(store) == rows
                outcomes.add("harmless")  # a free block
        except duckdb.Error as error:
            outcomes.add("when read" if is_corruption(error) else str(error))
        finally:
            store.close()
    assert outcomes <= {"when opened", "when read", "harmless"}
    assert "when read" in outcomes


def test_a_file_of_another_schema_becomes_the_former_one(path: Path) -> None:
    store = Store.open(path)
    apply(store, Log().spans([span(1)]))
    store._connection.execute("UPDATE meta SET version = 'of another release'")
    store.close()
    again = Store.open(path)
    assert again.positions() == {}
    assert former_of(path).is_file()
    apply(again, Log().spans([span(1)]))
    again._connection.execute("UPDATE meta SET version = 'of a release in between'")
    again.close()
    third = Store.open(path)  # what was begun of it goes, and the complete one stays
    assert third.positions() == {}
    third.close()
    with duckdb.connect(str(former_of(path))) as former:
        assert former.execute("SELECT version FROM meta").fetchall() == [("of another release",)]


def test_readers_see_whole_batches(store: Store) -> None:
    apply(store, Log().spans([span(1)]))
    with store.cursor() as cursor:
        cursor.begin()
        assert cursor.execute("SELECT count(*) FROM spans").fetchone() == (1,)
        apply(store, Log().spans([span(2)]))
        assert cursor.execute("SELECT count(*) FROM spans").fetchone() == (1,)
        cursor.rollback()
        assert cursor.execute("SELECT count(*) FROM spans").fetchone() == (2,)
