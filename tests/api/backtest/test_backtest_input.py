"""Recorded calls as they come: with less than a span has, in any order, broken in places, packed."""

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pytest

from api.backtest.recorded import START_NS, fields, line, recorded
from lumina_api.backtest.captured import Captured
from lumina_api.backtest.line import UNREADABLE, read_call
from lumina_schemas.partition import series_id


def read(**given: Any) -> Any:
    return read_call(json.dumps({"start_ns": START_NS} | given).encode(), 7)


def test_a_line_of_normalise_is_its_call() -> None:
    (span,) = recorded(1)
    call = read_call(line(span), 7)
    assert call is not None
    for name in ("series_id", "trace_id", "span_id", "start_ns", "duration_ms", "cost_usd", "priced", "kind"):
        assert getattr(call, name) == getattr(span, name)


def test_what_is_not_there_follows_from_where_the_line_stands() -> None:
    call = read(project="shop", service="checkout", endpoint="/chat", cost_usd=0.1)
    assert call.series_id == series_id("shop", "checkout", "/chat")
    assert (call.span_id, call.src.offset) == (f"{7:016x}", 7)
    assert (call.kind, call.priced) == ("llm", True)


def test_a_line_that_says_that_it_is_no_call_is_believed() -> None:
    assert not read(cost_usd=0.1, priced=False).priced
    assert read(cost_usd=None).cost_usd is None


@pytest.mark.parametrize(
    "given",
    [
        {"prompt_version": None, "truncated": None, "unheard_of": {"x": [1]}},
        {"input_tokens": 12.0, "start_ns": float(START_NS)},
        {"input_tokens": "12", "type": "span", "v": 3},
        {"src": ["e", "otlp", 0, 1, 0]},
    ],
)
def test_lines_are_taken_generously(given: dict[str, Any]) -> None:
    call = read(**given)
    assert call.start_ns == START_NS
    assert call.input_tokens in (None, 12)


def test_content_is_no_call() -> None:
    assert read_call(b'{"type":"content","series_id":"x","start_ns":1}', 1) is None


@pytest.mark.parametrize("broken", [b"{", b"[]", b"7", b'{"service":"x"}', b'{"start_ns":"soon"}', b"\xff"])
def test_what_is_no_line_is_refused(broken: bytes) -> None:
    with pytest.raises(UNREADABLE):
        read_call(broken, 1)


def starts(path: Path) -> tuple[list[int], list[int], int]:
    broken: list[int] = []
    with Captured(str(path), lambda number, _: broken.append(number)) as file:
        return [call.start_ns for call in file.calls()], broken, file.others


def test_calls_come_by_their_end_and_what_is_broken_is_named(tmp_path: Path) -> None:
    spans = list(recorded(40))
    lines = [line(span) for span in spans]
    random.Random(3).shuffle(lines)
    lines[5:5] = [b"{broken", b"", b'{"type":"content","start_ns":1}', b'{"start_ns":1,"duration_ms":1e999}']
    path = tmp_path / "calls.ndjson"
    path.write_bytes(b"\n".join(lines))
    expected = [span.start_ns for span in spans]  # of one duration
    assert starts(path) == (expected, [6, 9], 2)
    packed = tmp_path / "calls.ndjson.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert starts(packed) == (expected, [6, 9], 2)


def test_of_equal_ends_the_earlier_line_is_first(tmp_path: Path) -> None:
    (span,) = recorded(1)
    path = tmp_path / "calls.ndjson"
    longer = fields(span) | {"duration_ms": 900.0}
    texts = [longer, *(fields(span) | {"span_id": f"{number:016x}"} for number in range(9))]
    path.write_text("\n".join(map(json.dumps, texts)))
    with Captured(str(path), lambda *_: None) as file:
        assert [call.span_id for call in file.calls()] == [
            *(f"{number:016x}" for number in range(9)),
            span.span_id,
        ]
        assert len(file) == file.lines == 10


def test_nothing_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "none"
    path.write_bytes(b"")
    assert starts(path) == ([], [], 0)
    with pytest.raises(FileNotFoundError), Captured(str(tmp_path / "gone"), lambda *_: None):
        pass
