"""The page on REST says what a statement may name, and the limits that hold."""

import re
from pathlib import Path

from lumina_api.live.events import TRACES_SHOWN
from lumina_api.live.hub import MOST_WATCHERS, QUEUED
from lumina_api.live.missed import MOST_SPAN_RECORDS
from lumina_api.query.runner import GROWTH_BYTES, HELD_BYTES, MOST_BYTES, MOST_ROWS, MOST_S
from lumina_api.query.statement import MOST_CHARS, MOST_PARENTHESES
from lumina_api.query.vocabulary import FUNCTIONS, TABLE_FUNCTIONS, TABLES
from lumina_api.rest.stream import HEARTBEAT_S, PIPELINE_S
from lumina_streams.core.span.rebuilt import SPANS_A_REQUEST

PAGE = (Path(__file__).parents[3] / "docs" / "rest.md").read_text(encoding="utf-8")


def test_it_lists_the_functions_and_tables() -> None:
    listed = PAGE.partition("<!-- functions -->")[2].partition("<!-- end -->")[0]
    names = {name for name in re.findall(r"`([a-z0-9_]+)`", listed)}
    assert names == {name for name in FUNCTIONS | TABLE_FUNCTIONS if name.isidentifier()}
    tables = PAGE.partition("Tables: ")[2].partition("`DESCRIBE")[0]
    assert set(re.findall(r"`([a-z0-9_]+)`", tables)) == TABLES


def test_its_limits_are_those_that_hold() -> None:
    for said in (
        f"| time | {MOST_S:g} s |",
        f"| rows, size | {MOST_ROWS:,} (`limit` asks for fewer), {MOST_BYTES // 10**6} MB |",
        f"{HELD_BYTES // 10**6} MB of joins, groups and sorts; {GROWTH_BYTES // 10**6} MB in all",
        f"{MOST_CHARS:,} characters, {MOST_PARENTHESES} parentheses",
        f"the newest {TRACES_SHOWN} traces",
        f"each {PIPELINE_S:g} s",
        f"each {HEARTBEAT_S:g} s",
        f"up to {MOST_SPAN_RECORDS:,} batches",
        f"leaves {QUEUED} events waiting",
        f"At most {MOST_WATCHERS} watch",
        f"{SPANS_A_REQUEST} spans at most",
    ):
        assert said in PAGE, said
