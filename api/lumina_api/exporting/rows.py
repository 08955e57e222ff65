"""Pages of calls, traces and alerts for an export, each read by a short look at the views.

A cursor that stayed open for the whole of an export would keep the views' file from being closed, and hold
on to
what was deleted meanwhile.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import duckdb
import msgspec
import pyarrow as pa
from msgspec import Raw

from lumina_api.views import Views, queries
from lumina_api.views.columns import SPAN_COLUMNS
from lumina_api.views.contents import merged, whole
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Order, Page, Row
from lumina_schemas.source import Source
from lumina_schemas.span import SCHEMA_VERSION, Span

# Calls with their texts, or traces with all their spans: at most some ten MB at a time.
PAGE_ROWS = 100
TRACE_ROWS = 20
MOST_SPANS = 10_000

ORDER: Order = "newest"

_decode_span = msgspec.json.Decoder(Span).decode
_encode = msgspec.json.Encoder().encode

SCORES = pa.schema(
    [("quality", pa.float64()), ("quality_tier", pa.string()), ("quality_reason", pa.string())]
)
CALLS = pa.schema(
    [
        *(pa.field(column.name, column.type) for column in SPAN_COLUMNS),
        pa.field("model", pa.string()),
        *SCORES,
    ]
)
TRACES = pa.schema(
    [
        *((name, pa.string()) for name in ("trace_id", "project", "name", "service")),
        ("start_ns", pa.int64()),
        ("duration_ms", pa.float64()),
        ("status", pa.string()),
        *((name, pa.int64()) for name in ("span_count", "call_count", "error_count", "priced_calls")),
        ("cost_usd", pa.float64()),
        *((name, pa.int64()) for name in ("input_tokens", "output_tokens")),
        ("models", pa.list_(pa.string())),
        *((name, pa.string()) for name in ("session_id", "user_id")),
        ("worst_quality", pa.float64()),
    ]
)
ALERTS = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("id", "project", "service", "endpoint", "kind", "state", "severity", "summary")
        ),
        *((name, pa.string()) for name in ("opened_at", "updated_at", "resolved_at", "record")),
    ]
)

Ask = Callable[[duckdb.DuckDBPyConnection, Page], list[Row]]


def calls(views: Views, filters: Filters) -> Iterator[list[Row]]:
    """Calls with all that is known of each."""
    yield from _pages(
        views,
        "calls",
        PAGE_ROWS,
        lambda cursor, page: queries.calls(cursor, filters, page),
        whole,
    )


def traces(views: Views, filters: Filters, now_ns: int) -> Iterator[list[Row]]:
    """Traces with their sums."""
    yield from _pages(
        views, "traces", PAGE_ROWS, lambda cursor, page: queries.traces(cursor, filters, page, now_ns)
    )


def trace_spans(
    views: Views, filters: Filters, now_ns: int, complete: bool = True
) -> Iterator[list[tuple[Row, list[Row]]]]:
    """Traces, each with its spans; `complete`: with what other spans of a call and scores tell."""

    def spans(cursor: duckdb.DuckDBPyConnection, rows: list[Row]) -> list[Row]:
        return [{**row, "spans": _spans_of(cursor, row, complete)} for row in rows]

    for page in _pages(
        views,
        "traces",
        TRACE_ROWS,
        lambda cursor, page: queries.traces(cursor, filters, page, now_ns),
        spans,
    ):
        yield [(row, row.pop("spans")) for row in page]  # type: ignore[misc]


def alerts(views: Views, filters: Filters) -> Iterator[list[Row]]:
    """Alerts: `record` and what tables show of it."""

    def shown(cursor: duckdb.DuckDBPyConnection, rows: list[Row]) -> list[Row]:
        records = [msgspec.json.decode(str(row["record"])) for row in rows]
        return [
            {name: record.get(name) for name in ALERTS.names if name != "record"} | row
            for record, row in zip(records, rows, strict=True)
        ]

    yield from _pages(
        views, "alerts", PAGE_ROWS, lambda cursor, page: queries.alerts(cursor, filters, page), shown
    )


def record_of(row: Row) -> Span:
    """The span that a row of the views is."""
    fields: dict[str, object] = {"type": "span", "v": SCHEMA_VERSION}
    fields["src"] = Source(
        str(row["src_epoch"]),
        "otlp",
        int(str(row["src_partition"])),
        int(str(row["src_offset"])),
        int(str(row["src_ordinal"])),
    )
    for column in SPAN_COLUMNS:
        value = row[column.name]
        if value is not None:
            fields[column.name] = Raw(value.encode()) if column.json and isinstance(value, str) else value
    return _decode_span(_encode(fields))


def _spans_of(cursor: duckdb.DuckDBPyConnection, trace: Row, complete: bool) -> list[Row]:
    trace_id, project = str(trace["trace_id"]), str(trace["project"])
    place = next((place for place in queries.places(cursor, trace_id) if place.project == project), None)
    if place is None:  # erased just now
        return []
    rows = queries.trace(cursor, trace_id, place, MOST_SPANS)
    if complete:
        return whole(cursor, rows)
    return merged(rows, queries.contents(cursor, [str(row["span_id"]) for row in rows]))


def _pages(
    views: Views,
    what: str,
    limit: int,
    ask: Ask,
    finish: Callable[[duckdb.DuckDBPyConnection, list[Row]], list[Row]] | None = None,
) -> Iterator[list[Row]]:
    page = Page(limit, ORDER)
    while True:
        with views.cursor() as cursor:
            rows = ask(cursor, page)
            found = finish(cursor, rows) if finish is not None and rows else rows
        if found:
            yield found
        if len(rows) < limit:
            return
        page = replace(page, after=queries.key(what, ORDER, rows[-1]))
