"""What one message could not tell: which spans are one call, and which roll-ups are calls after all.

Flows in: the rows of a batch, before they are written, and stored rows that may tell of the same calls.
Flows out: `priced` and `duplicate_of` of the batch's rows, and corrections of stored ones. Only the set of
rows decides (`lumina_streams.core.span.settlement`), so that a rebuild in any order comes to the same.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import duckdb
import structlog

from lumina_api.views.columns import array_length
from lumina_api.views.recent import Recent
from lumina_schemas.mapping.kinds import LEAVES
from lumina_schemas.mapping.usage import NATIVE_SCOPES, TRANSPORT_SCOPES
from lumina_schemas.views import part
from lumina_streams.core.span.settlement import (
    NO_CALL,
    PARTED,
    Sighting,
    continued,
    may_share,
    settle,
    sighting_of,
)
from lumina_streams.core.span.tokens import usage_in

log = structlog.get_logger(__name__)

_PARTED = f"^({'|'.join(map(re.escape, PARTED))})"

AROUND_NS = 15 * 60 * 1_000_000_000
"""Spans of one call lie no further apart: so far beyond its own time a batch looks for stored ones."""

NEAR_NS = 60 * 1_000_000_000
"""A client's own span of a call starts no further from what lies around it."""

MOST_ROWS = 20_000
"""Stored rows looked at for one batch. A trace with more spans stays as its messages said."""

ROUNDS = 3
"""A response id leads to another trace, and that to a third; further is not gone."""


class Correction(NamedTuple):
    """A stored row whose standing changes."""

    row: int
    priced: bool
    duplicate_of: str


class _Stored(NamedTuple):
    """A stored row as `related.facts` has it, with a record's names."""

    rowid: int
    project: str
    service: str
    scope: str
    kind: str
    name: str
    trace_id: str
    span_id: str
    parent_span_id: str
    start_ns: int
    duration_ms: float
    request_model: str
    response_id: str
    status: str
    candidate: bool
    priced: bool
    duplicate_of: str
    counts: int
    messages: int
    asked: str


def settle_batch(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[Any], recent: Recent
) -> list[Correction]:
    """Set the standing of the batch's rows; returns what changes among the stored ones."""
    if not recent.loaded:
        recent.load(connection, AROUND_NS)
    met = recent.meets(rows)
    recent.add(rows)
    if not met and not _may_share(rows):
        for row in rows:
            row.priced, row.duplicate_of = _tells(row), ""
        return []
    sightings = [_of_row(row) for row in rows]
    stored: dict[int, _Stored] = {}
    news: Sequence[Sighting] = sightings
    for _ in range(ROUNDS if met else 0):
        found = _related(connection, news)
        if len(found) >= MOST_ROWS:
            log.warning(
                "too many spans around a batch to settle its calls; their messages decide", rows=len(found)
            )
            return []
        fresh = [row for row in found if row.rowid not in stored]
        if not fresh:
            break
        stored |= {row.rowid: row for row in fresh}
        news = [sighting_of(row, row.counts, row.messages, row.asked) for row in fresh]
        sightings = [*sightings, *news]
    standings = [
        (call == index, "" if call in (NO_CALL, index) else sightings[call].span_id)
        for index, call in enumerate(settle(sightings))
    ]
    for row, standing in zip(rows, standings, strict=False):
        row.priced, row.duplicate_of = standing
    return [
        Correction(row.rowid, *standing)
        for row, standing in zip(stored.values(), standings[len(rows) :], strict=True)
        if standing != (row.priced, row.duplicate_of)
    ]


def _tells(row: Any) -> bool:
    """Whether a row is a call, or may be one."""
    return row.kind in LEAVES or bool(row.candidate)


def _may_share(rows: Sequence[Any]) -> bool:
    return may_share(
        [
            (
                row.trace_id,
                row.response_id,
                row.scope in NATIVE_SCOPES or continued(row.scope, row.name),
            )
            for row in rows
            if _tells(row)
        ]
    )


def correct(connection: duckdb.DuckDBPyConnection, corrections: Sequence[Correction]) -> None:
    """Write the corrections, in the transaction that is open."""
    if corrections:
        connection.execute(
            part("settle"),
            {
                "rows": [correction.row for correction in corrections],
                "priced": [correction.priced for correction in corrections],
                "duplicate_of": [correction.duplicate_of for correction in corrections],
            },
        )


def _related(connection: duckdb.DuckDBPyConnection, news: Sequence[Sighting]) -> list[_Stored]:
    """Stored rows that may tell of the same calls as these."""
    if not news:
        return []
    first, last = min(span.start_ns for span in news), max(span.start_ns for span in news)
    traces = {(span.project, span.trace_id) for span in news}
    answers = {(span.project, span.response_id) for span in news if span.response_id}
    calls = [span for span in news if span.kind in LEAVES]
    lone = {_asked_of(span) for span in calls if not span.response_id and (span.failed or span.asked)}
    rows = connection.execute(
        part("related").format(facts=part("related.facts")),
        {
            **_columns(traces, "projects", "traces"),
            **_columns(answers, "id_projects", "response_ids"),
            **_columns(lone, "lone_projects", "lone_services", "lone_models"),
            **_columns(set(map(_asked_of, calls)), "call_projects", "call_services", "call_models"),
            **_between(first, last, AROUND_NS, "first_ns", "last_ns"),
            **_between(first, last, NEAR_NS, "near_first_ns", "near_last_ns"),
            "transports": sorted(TRANSPORT_SCOPES),
            "transported": any(span.scope in TRANSPORT_SCOPES for span in news),
            "parted": _PARTED,
            "limit": MOST_ROWS,
        },
    ).fetchall()
    return [_Stored(*row) for row in rows]


def _asked_of(span: Sighting) -> tuple[str, str, str]:
    return span.project, span.service, span.request_model


def _columns(tuples: Iterable[tuple[str, ...]], *names: str) -> dict[str, list[str]]:
    """Tuples as one list a place, for `unnest`."""
    ordered = sorted(tuples)
    return {name: [values[place] for values in ordered] for place, name in enumerate(names)}


def _between(first: int, last: int, margin: int, *names: str) -> dict[str, int]:
    return dict(zip(names, (max(first - margin, 0), min(last + margin, 2**63 - 1)), strict=True))


def _of_row(row: Any) -> Sighting:
    return sighting_of(
        row,
        usage_in(row).detail,
        array_length(row.input_messages) + array_length(row.output_messages),
        _asked(row) if row.scope.startswith(PARTED) else "",
    )


def _asked(row: Any) -> str:
    """As `related.facts` has it."""
    messages = bytes(row.input_messages)
    if messages == b"null":
        messages = b""
    return hashlib.md5(row.system.encode() + b"|" + messages, usedforsecurity=False).hexdigest()
