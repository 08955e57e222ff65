"""What one message could not tell: which spans are one call, and which roll-ups are calls after all.

Flows in: the rows of a batch, before they are written, and stored rows that may tell of the same calls.
Flows out: `priced` and `duplicate_of` of the batch's rows, and corrections of stored ones. Only the set of
rows decides (`lumina_streams.core.span.settlement`), so that a rebuild in any order comes to the same.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import duckdb
import msgspec
import structlog
from msgspec import Raw

from lumina_api.views.recent import Recent
from lumina_schemas.mapping.kinds import LEAVES
from lumina_schemas.mapping.usage import TRANSPORT_SCOPES
from lumina_schemas.views import part
from lumina_streams.core.span.draft import continued
from lumina_streams.core.span.settlement import NO_CALL, Sighting, settle

log = structlog.get_logger(__name__)

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


class _Place(NamedTuple):
    """Where a sighting comes from: a row of the batch, or a stored one with its present standing."""

    incoming: Any = None
    stored: int = -1
    priced: bool = False
    duplicate_of: str = ""


def settle_batch(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[Any], recent: Recent
) -> list[Correction]:
    """Set the standing of the batch's rows; returns what changes among the stored ones."""
    if not recent.loaded:
        recent.load(connection, AROUND_NS)
    met = recent.meets(rows)
    recent.add(rows)
    sightings = [_of_row(row) for row in rows]
    places = [_Place(incoming=row) for row in rows]
    stored: set[int] = set()
    news: Sequence[Sighting] = sightings
    for _ in range(ROUNDS if met else 0):
        found = _related(connection, news)
        if len(found) >= MOST_ROWS:
            log.warning(
                "too many spans around a batch to settle its calls; their messages decide", rows=len(found)
            )
            return []
        fresh = [(row, sighting) for row, sighting in found if row.stored not in stored]
        if not fresh:
            break
        stored |= {row.stored for row, _ in fresh}
        places += [row for row, _ in fresh]
        news = [sighting for _, sighting in fresh]
        sightings = [*sightings, *news]
    telling = [sighting for sighting in sightings if sighting.kind in LEAVES or sighting.candidate]
    if not telling:
        return []
    corrections: list[Correction] = []
    for index, call in enumerate(settle(sightings)):
        priced = call == index
        duplicate_of = "" if call in (NO_CALL, index) else sightings[call].span_id
        place = places[index]
        if place.incoming is not None:
            place.incoming.priced = priced
            place.incoming.duplicate_of = duplicate_of
        elif (priced, duplicate_of) != (place.priced, place.duplicate_of):
            corrections.append(Correction(place.stored, priced, duplicate_of))
    return corrections


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


def _related(
    connection: duckdb.DuckDBPyConnection, news: Sequence[Sighting]
) -> list[tuple[_Place, Sighting]]:
    """Stored rows that may tell of the same calls as these."""
    if not news:
        return []
    traces = list({(span.project, span.trace_id) for span in news})
    ids = list({(span.project, span.response_id) for span in news if span.response_id})
    lone = list(
        {
            (span.project, span.service, span.request_model)
            for span in news
            if span.kind in LEAVES and not span.response_id and (span.failed or span.asked)
        }
    )
    calls = list({(span.project, span.service, span.request_model) for span in news if span.kind in LEAVES})
    sql = part("related").format(facts=part("related.facts"))
    rows = connection.execute(
        sql,
        {
            "first_ns": max(min(span.start_ns for span in news) - AROUND_NS, 0),
            "last_ns": min(max(span.start_ns for span in news) + AROUND_NS, 2**63 - 1),
            "projects": [project for project, _ in traces],
            "traces": [trace for _, trace in traces],
            "id_projects": [project for project, _ in ids],
            "response_ids": [response for _, response in ids],
            "lone_projects": [project for project, _, _ in lone],
            "lone_services": [service for _, service, _ in lone],
            "lone_models": [model for _, _, model in lone],
            "near_first_ns": max(min(span.start_ns for span in news) - NEAR_NS, 0),
            "near_last_ns": min(max(span.start_ns for span in news) + NEAR_NS, 2**63 - 1),
            "transports": sorted(TRANSPORT_SCOPES),
            "transported": any(span.scope in TRANSPORT_SCOPES for span in news),
            "call_projects": [project for project, _, _ in calls],
            "call_services": [service for _, service, _ in calls],
            "call_models": [model for _, _, model in calls],
            "limit": MOST_ROWS,
        },
    ).fetchall()
    return [_of_stored(row) for row in rows]


def _of_stored(row: Iterable[Any]) -> tuple[_Place, Sighting]:
    (
        rowid, project, service, scope, kind, name, trace_id, span_id, parent, start_ns, duration_ms, model,
        response_id, status, candidate, priced, duplicate_of, counts, messages, asked,
    ) = row  # fmt: skip
    sighting = Sighting(
        project,
        service,
        scope,
        kind,
        trace_id,
        span_id,
        parent,
        start_ns,
        _end_ns(start_ns, duration_ms),
        model,
        response_id,
        status == "error",
        candidate,
        counts,
        messages,
        continued(scope, name),
        asked,
    )
    return _Place(None, rowid, priced, duplicate_of), sighting


def _of_row(row: Any) -> Sighting:
    counts = (
        row.input_tokens,
        row.output_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.cache_write_1h_tokens,
        row.reasoning_tokens,
    )
    return Sighting(
        row.project,
        row.service,
        row.scope,
        row.kind,
        row.trace_id,
        row.span_id,
        row.parent_span_id,
        row.start_ns,
        _end_ns(row.start_ns, row.duration_ms),
        row.request_model,
        row.response_id,
        row.status == "error",
        row.candidate,
        sum(count is not None for count in counts),
        _length(row.input_messages) + _length(row.output_messages),
        continued(row.scope, row.name),
        _asked(row) if row.scope.startswith("logfire.") else "",
    )


def _end_ns(start_ns: int, duration_ms: float) -> int:
    """End of a span; durations that are none are none."""
    return start_ns + round(duration_ms * 1e6) if 0 <= duration_ms < 1e13 else start_ns


def _length(messages: Raw) -> int:
    """Messages in a JSON array; anything else has none."""
    if not bytes(messages).startswith(b"["):
        return 0
    try:
        return len(msgspec.json.decode(messages, type=list[Raw]))
    except (msgspec.MsgspecError, RecursionError):
        return 0


def _asked(row: Any) -> str:
    """As `related.facts` has it."""
    messages = bytes(row.input_messages)
    if messages == b"null":
        messages = b""
    return hashlib.md5(row.system.encode() + b"|" + messages, usedforsecurity=False).hexdigest()
