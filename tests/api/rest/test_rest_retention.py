"""`/api/v1/retention` and what `lumina retention` makes of it."""

import re
import time
from pathlib import Path
from threading import Thread

import pytest
import uvicorn
from typer.testing import CliRunner

from api.rest.conftest import Rest
from api.views.span_lines import NOON_NS, score, span
from lumina_api.cli import app
from lumina_api.commands.retention import plan_lines
from lumina_api.rest.models import Readiness, RetentionPlan
from lumina_api.stack.ports import free_port
from lumina_api.views.retention import DAY_NS, Policy


@pytest.fixture
def aged(rest: Rest) -> Rest:
    """Twelve days of spans, and a clock that stands still."""
    rest.views.clock = lambda: NOON_NS
    rest.store._clock = lambda: NOON_NS - 5 * DAY_NS
    rest.store.policy = Policy(7.0, at_minute=120)
    for number in range(12):
        one = span(number, start_ns=NOON_NS - number * DAY_NS)
        rest.apply(rest.log.spans([one]), rest.log.scores([score(one)]))
    return rest


def test_it_tells_what_goes_next_and_what_went(aged: Rest) -> None:
    told = aged.get("/api/v1/retention")
    plan = RetentionPlan.model_validate(told)
    assert plan.next_run == "2026-01-02T02:00:00.000000000Z"
    assert [(one.project, one.table, one.rows) for one in plan.plan] == [
        ("shop", "scores", 5),
        ("shop", "spans", 5),
    ]
    assert {one.before for one in plan.plan} == {"2025-12-26T02:00:00.000000000Z"}
    assert plan.last_run is None
    assert len(plan_lines(told["plan"])) == 2
    aged.store._clock = lambda: NOON_NS + DAY_NS
    while aged.store.let_go():
        pass
    after = RetentionPlan.model_validate(aged.get("/api/v1/retention"))
    assert after.plan == []
    assert after.last_run is not None
    assert after.last_run.rows == {"spans": 5, "scores": 5, "traces": 5}
    metrics = aged.client.get("/metrics").text
    assert 'lumina_views_let_go_rows_total{table="spans"} 5' in metrics
    assert plan_lines([]) == ["Nothing would go then."]


def test_the_command_asks_the_api(aged: Rest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    config = uvicorn.Config(aged.client.app, host="127.0.0.1", port=port, lifespan="off", log_level="warning")
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    monkeypatch.setenv("LUMINA_PORT", str(port))
    monkeypatch.setenv("LUMINA_DATA_DIR", str(tmp_path / "none"))
    try:
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        told = CliRunner().invoke(app, ["retention", "--dry-run"])
    finally:
        server.should_exit = True
        thread.join()
    assert told.exit_code == 0, told.output
    assert "for 7 days" in told.output
    assert "Next run 2026-01-02T02:00:00" in told.output
    assert re.search(r"shop +spans +5 rows before 2025-12-26T02:00:00", told.output)
    away = CliRunner().invoke(app, ["retention"])
    assert away.exit_code == 1
    assert "does not answer" in away.output


def test_unknown_parameters_are_refused(rest: Rest) -> None:
    rest.get("/api/v1/retention", expect=422, days=1)


def test_ready_says_that_nothing_is_being_rebuilt(rest: Rest) -> None:
    ready = Readiness.model_validate(rest.client.get("/ready").json())
    assert ready.rebuilding is None
