"""The views' tables: batches of the log go in, rows and positions in one transaction; cursors read.

Among rows of one span the smallest source position wins, whatever came first, so that a file that is
built anew from the same log holds the same rows.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Condition
from typing import NamedTuple, Self

import duckdb
import pyarrow as pa
import structlog
from msgspec import Raw

from lumina_api.views import decided
from lumina_api.views.batch import (
    Arrival,
    Batch,
    CorrectionRow,
    Erasure,
    ScoreRow,
    StoredAlert,
    nanoseconds_of,
)
from lumina_api.views.columns import CONTENT_COLUMNS, SPAN_COLUMNS, Column, Row
from lumina_api.views.erasure import Erasures
from lumina_api.views.file import ViewsFile, open_file
from lumina_api.views.recent import Recent
from lumina_api.views.retention import FOR_EVER, Policy, Sweep, last_run, own_retention, young
from lumina_api.views.rollup import RollUp
from lumina_api.views.settling import Correction, correct, settle_batch
from lumina_api.views.traces import Touched, TraceKey, judge, refold
from lumina_schemas.views import part

log = structlog.get_logger(__name__)

_SOURCE = ("src_epoch", "src_origin", "src_partition", "src_offset", "src_ordinal")
_SOURCE_TYPES = (pa.string(), pa.string(), pa.int64(), pa.int64(), pa.int64())

# Errors of values, not of the file or the machine: some row does not fit its column.
UNFIT = (pa.ArrowException, UnicodeError, OverflowError, duckdb.DataError, duckdb.InvalidInputException)


KEY = ("project", "trace_id", "span_id", "start_ns")
"""Names a span, and where its duplicates lie in the table."""

READERS_GO_S = 5.0

# Arrow's own pool keeps what a batch needed; the system's gives it back: 30 MB less at the end of a replay.
pa.set_memory_pool(pa.system_memory_pool())


class Position(NamedTuple):
    """How far a partition was applied. `epoch` is the topic's Kafka id."""

    epoch: str
    next_offset: int


@dataclass
class Applied:
    """What this process has written."""

    lines: int = 0
    spans: int = 0
    duplicates: int = 0
    contents: int = 0
    alerts: int = 0
    corrections: int = 0
    scores: int = 0
    batches: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    let_go: Counter[str] = field(default_factory=Counter)
    """Rows that retention has deleted, by table."""
    let_go_ns: int = 0
    """When it last ended here, Unix time; 0 = not yet."""


class Store:
    """The open views. One thread writes; any number read through `cursor()`."""

    def __init__(
        self,
        file: ViewsFile,
        applied: Applied | None = None,
        policy: Policy = FOR_EVER,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._file = file
        self._connection = file.connection
        self._reading: set[duckdb.DuckDBPyConnection] = set()
        self._no_reader = Condition()
        self.applied = applied if applied is not None else Applied()
        self._recent = Recent()
        self.reached: Mapping[tuple[str, int], Position] = {}
        """Positions at hand, for readers who wait for them. Replaced, never changed."""
        self._roll_up = RollUp()
        self._erasures = Erasures(self._connection)
        self._clock = clock
        self.policy = replace(policy, projects=own_retention(self._connection))
        """How long rows are kept, as the environment and `lumina.settings` say."""
        self._sweep: Sweep | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        applied: Applied | None = None,
        policy: Policy = FOR_EVER,
        clock: Callable[[], int] = time.time_ns,
    ) -> Self:
        """Open or make the file, counting on in `applied`. `clock` tells Unix time in ns.

        Raises `file.Unusable` where that fails now.
        """
        file = open_file(path)
        try:
            return cls(file, applied, policy, clock)
        except BaseException:
            file.close()
            raise

    def drain(self, within_s: float) -> None:
        """Wait until nobody reads, or the time is over."""
        with self._no_reader:
            self._no_reader.wait_for(lambda: not self._reading, within_s)

    def limit_memory(self, limit: str) -> None:
        """Bound what DuckDB holds for this file, from now on."""
        self._connection.execute(f"SET memory_limit = '{limit}'")

    def close(self) -> None:
        """Interrupt the readers and close the file."""
        with self._no_reader:
            for cursor in self._reading:
                cursor.interrupt()
            # An instance of DuckDB lives as long as its last reader, and two on one file do not go together.
            self._no_reader.wait_for(lambda: not self._reading, READERS_GO_S)
        self._file.close()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own for reading: it sees whole batches only."""
        with self._connection.cursor() as cursor:
            with self._no_reader:
                self._reading.add(cursor)
            try:
                cursor.execute("USE views")
                yield cursor
            finally:
                with self._no_reader:
                    self._reading.discard(cursor)
                    self._no_reader.notify_all()

    @property
    def usable(self) -> bool:
        """Whether the file still answers: after a checkpoint that failed DuckDB wants it opened anew."""
        try:
            self.positions()
        except duckdb.Error:
            return False
        return True

    def positions(self) -> dict[tuple[str, int], Position]:
        """What was applied, by (topic, partition)."""
        rows = self._connection.execute(part("positions")).fetchall()
        return {
            (topic, partition): Position(epoch, next_offset) for topic, partition, epoch, next_offset in rows
        }

    def apply(self, batch: Batch, epochs: Mapping[str, str], retain: bool = True) -> None:
        """Write a batch and its positions, all or nothing. `epochs`: the Kafka id of each topic. `retain`:
        whether the settings of projects are known, so that what is too old can be left out.

        A row that fits no column is left out and counted; any other error of DuckDB is raised, and
        nothing of the batch is written then.
        """
        try:
            self._apply(batch, epochs, retain)
        except UNFIT:
            self._apply(self._fitting(batch), epochs, retain)

    def _apply(self, batch: Batch, epochs: Mapping[str, str], retain: bool) -> None:
        policy = self._policy_with(batch)
        arriving = batch.spans.values()
        batch, expired = young(batch, policy.in_force(self._clock())) if retain else (batch, [])
        self._connection.begin()
        try:
            erased = self._erasures.write(batch.erasures, arriving)
            spans = [row for row in batch.spans.values() if not erased.span(row)]
            contents = [arrival for arrival in batch.contents if not erased.content(arrival)]
            alerts = [erased.shown(alert) for alert in batch.alerts.values() if not erased.alert(alert)]
            corrections = [row for row in batch.corrections.values() if not erased.correction(row)]
            scores = [row for row in batch.scores.values() if not erased.score(row)]
            touched = self._write_corrections(corrections)
            self._write_scores(scores)
            stored, duplicates = self._write_spans(spans, scores, touched)
            self._judge(scores, touched)
            self._write_contents(contents)
            starts = [trace.start_ns for trace in touched] + [row.start_ns for row in scores]
            starts += [start for new in batch.erasures.values() if new for start in self._hidden(new)]
            starts += erased.buckets
            buckets = self._roll_up.forget(self._connection, starts)
            for removed in batch.removed_alerts:
                self._connection.execute(part("remove_alert"), {"id": removed})
            for alert in alerts:
                self._connection.execute(part("upsert_alert"), _alert_values(alert))
            for alert in expired:
                self._connection.execute(part("expire_alert"), {"id": alert.row.id, "rev": alert.row.rev})
            decided.write(self._connection, batch.settings, batch.marks.values(), batch.audit.values())
            self._write_positions(batch.positions, epochs)
            self._connection.commit()
        except BaseException:
            self._roll_back()
            raise
        self._erasures.keep(erased)
        self.policy = policy
        self.reached = dict(self.reached) | {
            (topic, number): Position(epochs.get(topic, ""), next_offset)
            for (topic, number), next_offset in batch.positions.items()
        }
        self._roll_up.forgotten(buckets)
        done = self.applied
        done.batches += 1
        done.lines += batch.lines
        done.spans += stored
        done.duplicates += batch.duplicates + duplicates
        done.contents += len(contents)
        done.alerts += len(alerts)
        done.corrections += len(corrections)
        done.scores += len(scores)
        done.skipped += batch.skipped

    def _hidden(self, erasure: Erasure) -> list[int]:
        if not erasure.whole_project:
            return []
        self._roll_up.load(self._connection)
        return self._roll_up.before(erasure.before_ns)

    def _policy_with(self, batch: Batch) -> Policy:
        own = {**self.policy.projects, **batch.retention}
        kept = {project: days for project, days in own.items() if days is not None}
        return replace(self.policy, projects=kept) if batch.retention else self.policy

    def let_go(self) -> bool:
        """Delete a little of what retention lets go of; says whether anything may be left.

        Nothing happens where the last run has done all that is due by now.
        """
        now_ns = self._clock()
        cuts = self.policy.in_force(now_ns)
        if self._sweep is None:
            last = last_run(self._connection)
            if not cuts.latest_ns or (last is not None and last.cuts == cuts):
                return False
            self._sweep = Sweep(cuts, now_ns)
        more = self._sweep.step(self._connection, self._roll_up, self._refold, now_ns)
        if not more:
            done = {table: rows for table, rows in self._sweep.rows.items() if rows}
            self.applied.let_go.update(done)
            self.applied.let_go_ns = now_ns
            log.info("retention has run", before=cuts._asdict(), rows=done)
            self._sweep = None
        return more

    def _refold(self, touched: list[Touched]) -> None:
        refold(self._connection, _table([], SPAN_COLUMNS), touched)

    def roll_up(self) -> bool:
        """Roll up the calls of quiet buckets, if there are any that want it; says whether."""
        self._roll_up.load(self._connection)
        buckets = self._roll_up.due()
        if buckets:
            self._roll_up.roll(self._connection, buckets)
        return bool(buckets)

    def _roll_back(self) -> None:
        try:
            self._connection.rollback()
        except duckdb.Error as error:
            # After a fatal error there is no transaction left to roll back: the caller opens anew.
            log.debug("rollback failed", error=str(error))

    def _write_spans(
        self, rows: list[Row], scores: list[ScoreRow], touched: list[Touched]
    ) -> tuple[int, int]:
        """Write the rows that are new or win over the stored ones; returns how many, and how many lost.

        `touched` are the traces that the batch has changed so far; it takes in those of the rows.
        """
        found: list[tuple[int, ...]] = []
        lost: set[int] = set()
        replacing: set[int] = set()
        if rows:
            starts = [row.start_ns for row in rows]  # type: ignore[attr-defined]
            with self._incoming(_keys(rows)):
                found = self._connection.execute(
                    part("duplicates"), {"first_ns": min(starts), "last_ns": max(starts)}
                ).fetchall()
                lost = {index for index, _, *source in found if rows[index].src >= tuple(source)}
                replacing = {index for index, *_ in found} - lost
                if beaten := [stored for index, stored, *_ in found if index not in lost]:
                    self._connection.execute(part("delete_rows"), {"rows": beaten})
        kept = [row for index, row in enumerate(rows) if index not in lost]
        settled = settle_batch(self._connection, kept, self._recent) if kept else []
        correct(self._connection, settled)
        touched += self._traces_of(settled)
        table = _table(kept, SPAN_COLUMNS)
        corrected = False
        if kept:
            with self._incoming(table):
                self._connection.execute(part("insert_spans"))
                corrected = self._correct([row.start_ns for row in kept])  # type: ignore[attr-defined]
        touched += [
            Touched(row.project, row.trace_id, row.start_ns, corrected or index in replacing)  # type: ignore[attr-defined]
            for index, row in enumerate(rows)
            if index not in lost
        ]
        traces = {(trace.project, trace.trace_id) for trace in touched}
        touched += [
            Touched(score.project, score.trace_id, score.start_ns)
            for score in scores
            if (score.project, score.trace_id) in traces
        ]
        refold(self._connection, table, touched)
        return len(rows) - len(lost), len(found)

    def _traces_of(self, settled: list[Correction]) -> list[Touched]:
        """The traces of stored rows whose standing has changed."""
        if not settled:
            return []
        rows = [correction.row for correction in settled]
        found = self._connection.execute(part("spans.traces"), {"rows": rows}).fetchall()
        return [Touched(project, trace_id, start, anew=True) for project, trace_id, start in found]

    def _judge(self, rows: list[ScoreRow], touched: list[Touched]) -> None:
        """Tell the traces of scores whose spans came in earlier batches."""
        done = {(trace.project, trace.trace_id) for trace in touched}
        late = [row for row in rows if (row.project, row.trace_id) not in done]
        worst: dict[TraceKey, float] = {}
        for row in late:
            trace = row.project, row.trace_id
            worst[trace] = min(row.quality, worst.get(trace, row.quality))
        if late:
            starts = [row.start_ns for row in late]
            judge(self._connection, worst, min(starts), max(starts))

    def _write_corrections(self, rows: list[CorrectionRow]) -> list[Touched]:
        """Keep corrections in place of former ones, and correct the rows that are there already."""
        if not rows:
            return []
        with self._incoming(_correction_table(rows)):
            self._connection.execute(part("replace_corrections"))
            self._connection.execute(part("insert_corrections"))
            self._correct([row.start_ns for row in rows])
        return [Touched(row.project, row.trace_id, row.start_ns, anew=True) for row in rows]

    def _write_scores(self, rows: list[ScoreRow]) -> None:
        """Write the scores that are new or lower than the stored ones."""
        if not rows:
            return
        starts = [row.start_ns for row in rows]
        with self._incoming(_score_table(rows)):
            found = self._connection.execute(
                part("scored"), {"first_ns": min(starts), "last_ns": max(starts)}
            ).fetchall()
            lost = {index for index, _, *rank in found if rows[index].rank >= tuple(rank)}
            if beaten := [stored for index, stored, *_ in found if index not in lost]:
                self._connection.execute(part("delete_scores"), {"rows": beaten})
            self._connection.execute(part("insert_scores"), {"lost": list(lost)})

    def _correct(self, starts: list[int]) -> bool:
        """Put the corrections of what is incoming into their rows; says whether there were any."""
        between = {"first_ns": min(starts), "last_ns": max(starts)}
        ((found,),) = self._connection.execute(part("corrected_between"), between).fetchall()
        if found:
            self._connection.execute(part("correct_spans"), between)
        return bool(found)

    def _write_positions(self, positions: Mapping[tuple[str, int], int], epochs: Mapping[str, str]) -> None:
        if positions:
            self._connection.execute(
                part("set_positions"),
                {
                    "topics": [topic for topic, _ in positions],
                    "partitions": [partition for _, partition in positions],
                    "epochs": [epochs.get(topic, "") for topic, _ in positions],
                    "next_offsets": list(positions.values()),
                },
            )

    def _write_contents(self, arrivals: list[Arrival]) -> None:
        if not arrivals:
            return
        unique = {(arrival.row.key, arrival.row.src): arrival for arrival in arrivals}
        table = _table([arrival.row for arrival in unique.values()], CONTENT_COLUMNS)
        arrived = pa.array([arrival.arrived_ns for arrival in unique.values()], pa.int64())
        with self._incoming(table.append_column("arrived_ns", arrived)):
            self._connection.execute(part("insert_contents"))

    @contextmanager
    def _incoming(self, table: pa.Table) -> Iterator[None]:
        self._connection.register("incoming", table)
        try:
            yield
        finally:
            self._connection.unregister("incoming")

    def _fitting(self, batch: Batch) -> Batch:
        """The batch without rows that no table takes, found by trying each alone."""
        spans = {key: row for key, row in batch.spans.items() if self._fits([row], SPAN_COLUMNS)}
        contents = [arrival for arrival in batch.contents if self._fits([arrival.row], CONTENT_COLUMNS)]
        lost = len(batch.spans) - len(spans) + len(batch.contents) - len(contents)
        skipped = batch.skipped + Counter({"row fits no column": lost})
        log.warning("rows left out of the views: they fit no column", rows=lost)
        return replace(batch, spans=spans, contents=contents, skipped=skipped)

    def _fits(self, rows: list[Row], columns: tuple[Column, ...]) -> bool:
        try:
            with self._incoming(_table(rows, columns)):
                self._connection.execute("SELECT * FROM incoming").fetchall()
        except UNFIT:
            return False
        return True


def _alert_values(alert: StoredAlert) -> dict[str, object]:
    row = alert.row
    return {
        "id": row.id,
        "rev": row.rev,
        "project": row.project,
        "service": row.service,
        "endpoint": row.endpoint,
        "series_id": row.series_id,
        "kind": row.kind,
        "state": row.state,
        "severity": row.severity,
        "opened_ns": alert.opened_ns,
        "updated_ns": alert.updated_ns,
        "resolved_ns": alert.resolved_ns,
        "trace_ids": alert.trace_ids,
        "record": alert.record,
    }


def _keys(rows: list[Row]) -> pa.Table:
    """What duplicates are found by, and each row's place."""
    columns = [column for column in SPAN_COLUMNS if column.name in KEY]
    values = {column.name: _values(rows, column) for column in columns}
    return pa.table(values | {"row": pa.array(range(len(rows)), pa.int64())})


def _correction_table(rows: list[CorrectionRow]) -> pa.Table:
    names = [name for name in CorrectionRow.__struct_fields__ if name != "at"]
    values = {name: [getattr(row, name) for row in rows] for name in names}
    kinds = {"start_ns": pa.int64(), "cost_usd": pa.float64()}
    columns = {name: pa.array(column, kinds.get(name, pa.string())) for name, column in values.items()}
    return pa.table(columns | {"at_ns": pa.array([nanoseconds_of(row.at) for row in rows], pa.int64())})


def _score_table(rows: list[ScoreRow]) -> pa.Table:
    kinds = {"start_ns": pa.int64(), "quality": pa.float64()}
    columns = {
        name: pa.array([getattr(row, name) for row in rows], kinds.get(name, pa.string()))
        for name in ScoreRow.__struct_fields__
    }
    return pa.table(columns | {"row": pa.array(range(len(rows)), pa.int64())})


def _table(rows: list[Row], columns: tuple[Column, ...]) -> pa.Table:
    values = {column.name: _values(rows, column) for column in columns}
    for index, (name, kind) in enumerate(zip(_SOURCE, _SOURCE_TYPES, strict=True)):
        values[name] = pa.array([row.src[index] for row in rows], kind)
    return pa.table(values)


def _values(rows: Iterable[Row], column: Column) -> pa.Array:
    name = column.name
    values = [getattr(row, name) for row in rows]
    return pa.array([_json(value) for value in values] if column.json else values, column.type)


def _json(raw: Raw) -> bytes | None:
    """JSON text, or None where the field is absent or null."""
    text = bytes(raw)
    return text if text and text != b"null" else None
