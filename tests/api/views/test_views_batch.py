"""Records of the log as a batch: what is good goes in, what is not is counted, nothing raises."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.views.span_lines import Log, alert, content, span
from lumina_api.views.batch import LogRecord, batch_of, nanoseconds
from lumina_api.views.columns import CONTENT_COLUMNS, SPAN_COLUMNS
from lumina_schemas.source import Source
from lumina_schemas.span import Content, Span
from lumina_schemas.views import part


def columns_of(table: str) -> list[str]:
    body = part("schema").split(f"CREATE TABLE {table} (")[1].split("\n);")[0]
    return [line.split()[0] for line in body.strip().splitlines()]


@pytest.mark.parametrize(("table", "columns"), [("spans", SPAN_COLUMNS), ("contents", CONTENT_COLUMNS)])
def test_the_table_has_a_column_for_every_field(table: str, columns: tuple[msgspec.Struct, ...]) -> None:
    source = {"src_epoch", "src_origin", "src_partition", "src_offset", "src_ordinal"}
    assert set(columns_of(table)) == {column.name for column in columns} | source | (  # type: ignore[attr-defined]
        {"arrived_ns"} if table == "contents" else set()
    )


def test_every_field_of_a_span_becomes_a_column_or_json() -> None:
    names = {column.name for column in SPAN_COLUMNS}
    assert names == set(Span.__struct_fields__) - {"v", "src"}
    assert {column.name for column in SPAN_COLUMNS if column.json} == {
        *("error", "input_messages", "output_messages", "tool_calls", "finish_reasons"),
        *("attributes", "resource", "events", "truncated", "tags", "retrieval_documents"),
    }
    assert {column.name for column in CONTENT_COLUMNS} == set(Content.__struct_fields__) - {"v", "src"}


GOOD = span(1)
ENCODED = msgspec.json.encode(GOOD)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "line is no JSON record"),
        (b"[1]", "line is no JSON record"),
        (b"\xff\xfe", "line is not UTF-8"),
        (ENCODED.replace(b"question", b"q\xffestion"), "line is not UTF-8"),
        (b'{"type":"metric","v":1}', "line of an unknown type"),
        (b'{"type":"span","v":1}', "line misses or mistypes a field"),
        (ENCODED.replace(b'"start_ns":1', b'"start_ns":-1'), "line misses or mistypes a field"),
        (
            ENCODED.replace(b'"start_ns":1', b'"start_ns":9999999999999999999991'),
            "line misses or mistypes a field",
        ),
        (ENCODED.replace(b'"duration_ms":251.0', b'"duration_ms":1e999'), "line misses or mistypes a field"),
        (ENCODED.replace(b'"duration_ms":251.0', b'"duration_ms":NaN'), "line is no JSON record"),
        (ENCODED.replace(b'"cost_usd":0.002', b'"cost_usd":"dear"'), "line misses or mistypes a field"),
        (ENCODED.replace(b"question", b"\\ud800"), "line is no JSON record"),
        (b'{"type":"span","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line is no JSON record"),
    ],
)
def test_a_bad_line_is_counted_and_its_neighbours_stay(line: bytes, reason: str) -> None:
    assert line != ENCODED
    batch = batch_of([Log().spans([span(2), line, span(3)])])
    assert {row.span_id for row in batch.spans.values()} == {span(2).span_id, span(3).span_id}
    assert batch.skipped == {reason: 1}
    assert batch.positions == {("spans", 0): 1}


def test_what_a_later_writer_adds_is_no_reason_to_lose_a_line() -> None:
    line = ENCODED.replace(b'"v":1', b'"v":7,"new_field":{"a":[1]}').replace(b'"llm"', b'"video"')
    line = line.replace(b'"otlp"', b'"otlp-profiles"')
    (row,) = batch_of([Log().spans([line])]).spans.values()
    assert (row.kind, row.src[1]) == ("video", "otlp-profiles")  # type: ignore[attr-defined]


def test_control_messages_are_passed_over() -> None:
    batch = batch_of([Log().spans([b"anything"], headers=(("lumina-type", b"tick"),))])
    assert not batch.spans
    assert not batch.skipped
    assert batch.positions == {("spans", 0): 1}


def test_empty_values_and_blank_lines_are_nothing() -> None:
    log = Log()
    batch = batch_of([log.spans([]), log.spans([b"", b" \r", ENCODED, b""]), log.tombstone("spans", "x")])
    assert len(batch.spans) == 1
    assert not batch.skipped
    assert batch.positions == {("spans", 0): 3}


def test_in_a_batch_the_smallest_source_wins() -> None:
    first, second = (
        span(1, src=Source("0" * 32, "otlp", 0, offset, 0), name=str(offset)) for offset in (5, 9)
    )
    for lines in ([first, second], [second, first]):
        batch = batch_of([Log().spans(lines)])
        assert [row.name for row in batch.spans.values()] == ["5"]  # type: ignore[attr-defined]
        assert batch.duplicates == 1


def test_alerts_keep_the_highest_revision_and_bad_ones_are_counted() -> None:
    log = Log()
    good = [log.alert(alert(1, rev=rev)) for rev in (2, 3, 1)]
    bad = [
        LogRecord("alerts", 0, 3, 0, b"other", msgspec.json.encode(alert(2))),
        LogRecord("alerts", 0, 4, 0, b"x", b"{"),
        LogRecord("alerts", 0, 5, 0, b"\xff", b"\xff"),
        LogRecord("alerts", 0, 6, 0, alert(3).id.encode(), msgspec.json.encode(alert(3, opened_at="noon"))),
        LogRecord("alerts", 0, 7, 0, None, None),
    ]
    batch = batch_of([*good, *bad])
    assert [stored.row.rev for stored in batch.alerts.values()] == [3]
    assert batch.skipped == {"alert under a key that is not its id": 1, "record is no alert": 3}
    assert batch.positions == {("alerts", 0): 8}


def test_settings_of_any_kind_are_kept_and_bad_ones_counted() -> None:
    log = Log()
    records = [
        log.erasure("a", "shop", 5),
        log._append("settings", 0, b"keys/1", b"anything"),
        log._append("settings", 0, b"erasures/b", b'{"project":3}'),
        log._append("settings", 0, None, b"{}"),
        log.tombstone("settings", "erasures/c"),
        log._append("settings", 1, b"rules/x", b'{"v":1,"project":"shop"}'),
        log._append("settings", 1, b"later/kind/with/slash", b"[1]"),
        log.tombstone("settings", "rules/y"),
    ]
    batch = batch_of(records)
    assert {name: erasure and erasure.project for name, erasure in batch.erasures.items()} == {
        "a": "shop",
        "c": None,
    }
    assert batch.skipped == {
        "record is no erasure": 1,
        "setting is no JSON": 1,
        "setting under a key that is no kind/id": 1,
    }
    kept = batch.settings
    assert set(kept) == {
        *(("erasures", name) for name in "abc"),
        *(("rules", name) for name in "xy"),
        ("later", "kind/with/slash"),
    }
    rule = kept["rules", "x"]
    assert rule is not None
    assert (rule.project, rule.value, rule.partition, rule.offset) == (
        "shop",
        '{"v":1,"project":"shop"}',
        1,
        0,
    )
    assert kept["rules", "y"] is None


@given(
    topic=st.sampled_from(["spans", "alerts", "settings", "audit", "other"]),
    key=st.none() | st.binary(max_size=20) | st.just(b"erasures/x"),
    value=st.none() | st.binary() | st.just(ENCODED[:-3] + b"\n" + ENCODED),
)
def test_no_record_raises(topic: str, key: bytes | None, value: bytes | None) -> None:
    batch = batch_of([LogRecord(topic, 0, 41, 0, key, value)])
    assert batch.positions == {(topic, 0): 42}


@given(
    st.builds(
        span,
        st.integers(0, 10**6),
        name=st.text(),
        start_ns=st.integers(0, 2**63 - 1),
        duration_ms=st.floats(0, 1e12),
        ttft_ms=st.none() | st.floats(0, 1e9),
        input_tokens=st.none() | st.integers(-(2**63), 2**63 - 1),
        streaming=st.none() | st.booleans(),
        attributes=st.dictionaries(st.text(), st.text() | st.lists(st.integers(-(2**53), 2**53))),
        truncated=st.lists(st.text()).map(tuple),
    )
)
def test_a_row_says_what_its_span_says(of: Span) -> None:
    batch = batch_of([Log().spans([of])])
    assert not batch.skipped
    (row,) = batch.spans.values()
    assert row.src == of.src
    built = msgspec.json.decode(msgspec.json.encode(of))
    for column in SPAN_COLUMNS:
        value = getattr(row, column.name)
        if column.json:
            stored = bytes(value)
            assert (msgspec.json.decode(stored) if stored else None) == built.get(column.name), column.name
        else:
            assert value == getattr(of, column.name), column.name


def test_content_lines_know_when_they_arrived() -> None:
    line = content(GOOD, 1, system="from a log")
    (arrival,) = batch_of([Log().spans([line], arrived_ms=1_700_000_000_123)]).contents
    assert arrival.row.key == (GOOD.project, GOOD.trace_id, GOOD.span_id)
    assert arrival.arrived_ns == 1_700_000_000_123_000_000


@pytest.mark.parametrize(
    ("moment", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-01-01T12:00:00.000001Z", 1_767_268_800_000_001_000),
        ("2026-01-01T14:00:00+02:00", 1_767_268_800_000_000_000),
        ("1969-12-31T23:59:59Z", -1_000_000_000),
    ],
)
def test_moments_are_exact(moment: str, ns: int) -> None:
    assert nanoseconds(moment) == ns


@pytest.mark.parametrize("moment", ["noon", "", "2026-01-01T12:00:00", "2026-13-01T12:00:00Z"])
def test_what_is_no_moment_is_said(moment: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of fromisoformat's words
        nanoseconds(moment)
