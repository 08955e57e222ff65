"""Rows of traces, kept beside their spans: what a batch changes of them, in its own transaction.

A span is a row of a trace with one span, and rows of parts of a trace fold into one row. So new spans are
added to what is there; only where a span was replaced, or what it counts has changed, is its trace made of
all its spans again.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import duckdb
import pyarrow as pa

from lumina_schemas.views import part

DAY_NS = 86_400 * 10**9
MAX_NS = 2**63 - 1

TraceKey = tuple[str, str]
"""Project and trace id."""


class Touched(NamedTuple):
    """A trace that a batch changes, by one of its spans."""

    project: str
    trace_id: str
    start_ns: int
    anew: bool = False
    """Whether spans that are stored already have changed: adding does not do."""


def refold(connection: duckdb.DuckDBPyConnection, new: pa.Table, touched: Sequence[Touched]) -> None:
    """Bring the rows of these traces up to date. `new`: the spans that were added, as columns of `spans`."""
    if not touched:
        return
    anew = {(trace.project, trace.trace_id) for trace in touched if trace.anew}
    traces = {(trace.project, trace.trace_id) for trace in touched}
    first, last = min(trace.start_ns for trace in touched), max(trace.start_ns for trace in touched)
    with (
        _registered(connection, "incoming", new),
        _registered(connection, "touched", _table(sorted(traces), anew)),
    ):
        stored = _rows(connection, first, last, traces)
        changed = [row for row in stored if (row.project, row.trace_id) in anew]
        changed_first = min([first, *(row.start_ns for row in changed)])
        changed_last = max([last, *(row.end_ns for row in changed)])
        pieces = {name: part(f"traces.{name}") for name in ("of_span", "of_score", "fold")}
        connection.execute(
            part("traces.refold").format(**pieces),
            {
                "rows": [row.row for row in stored],
                # An empty range where nothing is made anew: no row group is read.
                "anew_first_ns": changed_first if anew else MAX_NS,
                "anew_last_ns": changed_last if anew else 0,
                "scores_first_ns": changed_first,
                "scores_last_ns": changed_last,
            },
        )
        if stored:
            connection.execute(part("traces.delete"), {"rows": [row.row for row in stored]})


def judge(connection: duckdb.DuckDBPyConnection, worst: dict[TraceKey, float], first: int, last: int) -> None:
    """Note scores of spans that were stored before, all of calls that began from `first` to `last` (ns)."""
    if not worst:
        return
    traces = sorted(worst)
    with _registered(connection, "touched", _table(traces, set())):
        stored = _rows(connection, first, last, worst.keys())
    if not stored:
        return
    judged = pa.table(
        {
            "project": [project for project, _ in traces],
            "trace_id": [trace_id for _, trace_id in traces],
            "quality": pa.array([worst[trace] for trace in traces], pa.float64()),
        }
    )
    with _registered(connection, "judged", judged):
        connection.execute(part("traces.judge"), {"rows": [row.row for row in stored]})


class _Stored(NamedTuple):
    row: int
    project: str
    trace_id: str
    start_ns: int
    end_ns: int


def _rows(
    connection: duckdb.DuckDBPyConnection, first: int, last: int, traces: Collection[TraceKey]
) -> list[_Stored]:
    """Stored rows of the traces of `touched`."""
    between = {"first_ns": max(0, first - DAY_NS), "last_ns": min(MAX_NS, last + DAY_NS)}
    found = [_Stored(*row) for row in connection.execute(part("traces.rows"), between).fetchall()]
    return [row for row in found if (row.project, row.trace_id) in traces]


def _table(traces: Sequence[TraceKey], anew: set[TraceKey]) -> pa.Table:
    return pa.table(
        {
            "project": pa.array([project for project, _ in traces], pa.string()),
            "trace_id": pa.array([trace_id for _, trace_id in traces], pa.string()),
            "anew": pa.array([trace in anew for trace in traces], pa.bool_()),
        }
    )


@contextmanager
def _registered(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> Iterator[None]:
    connection.register(name, table)
    try:
        yield
    finally:
        connection.unregister(name)
