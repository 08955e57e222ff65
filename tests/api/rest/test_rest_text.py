"""Texts of prompts are looked for within a bounded time, and are in no log."""

import time
from collections.abc import Iterator

import pytest
import structlog

from api.rest.conftest import Rest
from api.views.span_lines import SECOND_NS, message, mixed_spans, span
from lumina_api.process import renderer
from lumina_api.rest.moment import rfc3339

NOW_NS = time.time_ns()
DAY_NS = 86_400 * SECOND_NS


def test_a_text_is_looked_for_in_the_last_day_unless_asked_otherwise(rest: Rest) -> None:
    old = span(1, start_ns=NOW_NS - 3 * DAY_NS, input_messages=(message("user", "needle"),))
    rest.apply(rest.log.spans([old], arrived_ms=NOW_NS // 1_000_000))
    assert rest.items("calls", text="needle") == []
    assert rest.items("traces", text="needle", trace_id=old.trace_id) == []
    assert len(rest.items("calls", text="NEEDLE", since="7d")) == 1
    assert len(rest.items("traces", text="needle", since="9d", until="2d")) == 1


def test_pages_of_seven_days_can_be_walked_to_their_end(rest: Rest) -> None:
    rest.apply(rest.log.spans(mixed_spans(40, 1, NOW_NS - 60 * SECOND_NS)))
    since = rfc3339((NOW_NS - 7 * DAY_NS) // 1000 * 1000)
    first = rest.get("/api/v1/calls", text="question", since=since, limit=5)
    assert rest.get("/api/v1/calls", text="question", since=since, limit=5, cursor=first["next_cursor"])


@pytest.fixture
def own_logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("own_logs")
def test_no_log_holds_what_was_looked_for(rest: Rest, capfd: pytest.CaptureFixture[str]) -> None:
    rest.apply(rest.log.spans([span(1, start_ns=NOW_NS - SECOND_NS, system="a secret plan")]))
    assert len(rest.items("calls", text="secret plan")) == 1
    rest.get("/api/v1/calls", expect=422, text="secret plan", since="9d")
    rest.store._connection.execute("DROP TABLE contents")
    structlog.configure(processors=[structlog.processors.add_log_level, renderer()])
    problem = rest.get("/api/v1/calls", expect=500, text="secret plan")
    said = "".join(capfd.readouterr()) + str(problem)
    assert "request failed" in said
    assert "secret" not in said
