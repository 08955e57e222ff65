"""`/api/v1/export`: calls, traces and alerts as a file."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from typing import Annotated, Literal

import pyarrow as pa
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from lumina_api.exporting import formats, rows
from lumina_api.rest.answer import coverage, moment_of, raw, span_item
from lumina_api.rest.doors import AnyViews, Caller, Now, needs, seen_projects
from lumina_api.rest.parameters import AlertParameters, SpanParameters
from lumina_api.rest.problem import wrong_parameter
from lumina_api.views import Views
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Row
from lumina_schemas.alert import AlertKind, AlertState, Severity

router = APIRouter(prefix="/api/v1", tags=["export"], dependencies=[Depends(needs("read"))])

What = Literal["calls", "traces", "alerts"]
Format = Literal["ndjson", "csv", "parquet", "otlp"]

MEDIA = {
    "ndjson": ("application/x-ndjson", "ndjson"),
    "csv": ("text/csv; charset=utf-8", "csv"),
    "parquet": ("application/vnd.apache.parquet", "parquet"),
    "otlp": ("application/x-ndjson", "otlp.jsonl"),
}

_OF_ALERTS = frozenset(AlertParameters.model_fields)
_OF_ALERTS_ALONE = frozenset({"state", "kind", "severity"})


class ExportParameters(SpanParameters):
    """What is exported, and what it is narrowed to: the filters of its list."""

    what: What = Field(default="calls", description="Calls, traces with their spans, or alerts.")
    format: Format = Field(
        default="ndjson",
        description="ndjson: an object a line; csv, parquet: a row each (traces: their sums); otlp: an "
        "ExportTraceServiceRequest in OTLP/JSON a line, of calls or whole traces.",
    )
    state: list[AlertState] = Field(default=[], max_length=4, description="Alerts: any of these states")
    kind: list[AlertKind] = Field(default=[], max_length=20, description="Alerts: any of these kinds")
    severity: list[Severity] = Field(default=[], max_length=3, description="Alerts: any of these severities")

    def narrowed(self, now_ns: int) -> Filters:
        """The filters of the list that is asked for. Raises Problem 422 for those that it does not have."""
        told = self.model_fields_set - {"what", "format"}
        foreign = told - _OF_ALERTS if self.what == "alerts" else told & _OF_ALERTS_ALONE
        if foreign:
            raise wrong_parameter(sorted(foreign)[0], f"is no filter of {self.what}")
        if self.what != "alerts":
            return self.filters(now_ns)
        if self.format == "otlp":
            raise wrong_parameter("format", "OTLP has no alerts; ask for ndjson, csv or parquet")
        given = {name: getattr(self, name) for name in told}
        return AlertParameters(**given).filters(now_ns)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The file. One that ends early, with the connection closed, is not whole.",
            "content": {kind.partition(";")[0]: {"schema": {"type": "string"}} for kind, _ in MEDIA.values()},
        }
    },
)
def export(
    views: AnyViews, caller: Caller, now: Now, asked: Annotated[ExportParameters, Query()]
) -> StreamingResponse:
    """Calls, traces or alerts, the newest first, streamed.

    Texts of CSV that a spreadsheet would take for a formula begin with an apostrophe. OTLP holds resource,
    scope,
    attributes by today's conventions, prompts and answers included; a Lumina gateway makes the same spans of
    it.
    """
    filters = asked.narrowed(now)
    filters = replace(filters, project=seen_projects(caller, filters.project))
    body = _body(views, asked.what, asked.format, filters, now)
    first = next(body, b"")  # what is wrong shows before the headers are sent
    media, ending = MEDIA[asked.format]
    at = datetime.fromtimestamp(now / 1e9, UTC)
    name = f"lumina-{asked.what}-{at:%Y%m%dT%H%M%SZ}.{ending}"
    return StreamingResponse(
        chain((first,), body),
        media_type=media,
        headers={"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"},
    )


def _body(views: Views, what: What, form: Format, filters: Filters, now: int) -> Iterator[bytes]:
    if what == "alerts":
        alerts = rows.alerts(views, filters)
        if form == "ndjson":
            return formats.ndjson([raw(str(row["record"])) for row in page] for page in alerts)
        return _table(form, rows.ALERTS, alerts)
    if what == "calls":
        calls = rows.calls(views, filters)
        if form == "ndjson":
            return formats.ndjson([span_item(row) for row in page] for page in calls)
        if form == "otlp":
            return formats.otlp([rows.record_of(row) for row in page] for page in calls)
        return _table(form, rows.CALLS, calls)
    if form == "otlp":
        whole = rows.trace_spans(views, filters, now, complete=False)
        return formats.otlp([rows.record_of(row) for _, spans in page for row in spans] for page in whole)
    if form == "ndjson":
        pages = rows.trace_spans(views, filters, now)
        return formats.ndjson([_trace(row, spans) for row, spans in page] for page in pages)
    return _table(form, rows.TRACES, rows.traces(views, filters, now))


def _table(form: Format, schema: pa.Schema, pages: Iterator[list[Row]]) -> Iterator[bytes]:
    if form == "csv":
        return formats.comma_separated(schema.names, pages)
    return formats.parquet(schema, pages)


def _trace(row: Row, spans: list[Row]) -> dict[str, object]:
    told = {name: value for name, value in row.items() if name != "priced_calls"}
    return told | {
        "start": moment_of(row),
        "coverage": coverage(row["priced_calls"], row["call_count"]),
        "spans": [span_item(span) for span in spans],
    }
