"""One series over REST: its alerts and marks, what Kafka says of it, and what other keys see."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.rest.conftest import Rest
from api.rest.test_rest_projects import as_caller
from api.views.span_lines import SECOND_NS, alert, span
from lumina_api.access.principal import Principal
from lumina_api.rest.series_models import SeriesDetail
from lumina_api.series_baselines import SeriesBaselines
from lumina_schemas.control import SeriesMark
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source

NOW_NS = time.time_ns() - 60 * SECOND_NS
MINE = span(1, start_ns=NOW_NS)
PATH = f"/api/v1/series/{MINE.series_id}"


def mark(number: int, **changes: Any) -> SeriesMark:
    values: dict[str, Any] = {
        "v": 1,
        "type": "mark",
        "id": f"m{number}",
        "text": f"release {number}",
        "at": datetime.fromtimestamp(NOW_NS // SECOND_NS - 60 * number, UTC),
        "by": "ci",
        "src": Source("2" * 32, "control", 0, number, 0),
    }
    return SeriesMark(**values | changes)


@pytest.fixture
def filled(rest: Rest) -> Rest:
    rest.apply(rest.log.spans([MINE, span(2, start_ns=NOW_NS, project="bank")]))
    return rest


def test_it_is_what_the_model_says(filled: Rest) -> None:
    filled.apply(filled.log.alert(alert(1, series_id=MINE.series_id)), filled.log.mark(mark(1)))
    every: list[dict[str, Any]] = [{}, {"interval": "5m"}, {"until": "1h"}]
    for asked in every:
        SeriesDetail.model_validate(filled.get(PATH, **asked))


def test_open_alerts_of_the_series_are_shown(filled: Rest) -> None:
    alerts = [
        alert(1, series_id=MINE.series_id),
        alert(2, series_id=MINE.series_id, state="acknowledged"),
        alert(3, series_id=MINE.series_id, state="resolved", resolved_at="2026-01-01T13:00:00.000Z"),
        alert(4, series_id="f" * 16),
        alert(5, series_id=MINE.series_id, project="bank"),
    ]
    filled.apply(*map(filled.log.alert, alerts))
    assert {one["id"] for one in filled.get(PATH)["alerts"]} == {alerts[0].id, alerts[1].id}


def test_marks_for_the_series_and_for_more_are_shown(filled: Rest) -> None:
    place = {"project": MINE.project, "service": MINE.service, "endpoint": MINE.endpoint}
    marks = [
        mark(1, **place),
        mark(2),
        mark(3, service=MINE.service),
        mark(4, **place | {"endpoint": "other"}),
        mark(5, project="bank"),
        mark(60 * 30, **place),  # more than a day ago
    ]
    filled.apply(*map(filled.log.mark, marks))
    assert [one["id"] for one in filled.get(PATH)["marks"]] == ["m1", "m2", "m3"]
    assert [one["id"] for one in filled.get(PATH, since="2d")["marks"]][-1] == "m1800"


def test_without_calls_in_the_time_it_is_silent_and_there(filled: Rest) -> None:
    filled.apply(filled.log.spans([span(3, start_ns=NOW_NS - 72 * 3600 * SECOND_NS, endpoint="old")]))
    old = span(3, endpoint="old").series_id
    found = filled.get(f"/api/v1/series/{old}")
    assert (found["calls"], found["last_call"], found["timeline"]) == (0, None, [])
    assert filled.get(f"/api/v1/series/{old}", since="4d")["calls"] == 1


def test_too_many_steps_are_refused(filled: Rest) -> None:
    problem = filled.get(PATH, expect=422, interval="1m", since="700d")
    assert "more than one answer holds" in problem["detail"]
    assert filled.get(PATH, since="700d")["interval"] == "1d"


def test_a_series_of_another_project_is_not_there(filled: Rest) -> None:
    as_caller(filled, Principal("k1", frozenset({"read"}), "bank"))
    assert filled.get(PATH, expect=404)["title"] == "Not found"
    assert filled.get(f"/api/v1/series/{span(2, project='bank').series_id}")["project"] == "bank"
    assert {one["project"] for one in filled.items("series")} == {"bank"}


def test_without_kafka_the_baseline_is_absent_with_a_reason(filled: Rest, tmp_path: Path) -> None:
    away = Settings(kafka_bootstrap_servers="127.0.0.1:22999", views_path=tmp_path / "other.duckdb")
    app: Any = filled.client.app
    app.state.baselines = SeriesBaselines(away)
    found = filled.get(PATH)
    assert found["baseline"] is None
    assert found["baseline_missing"].startswith("Kafka ")
    assert found["calls"] == 1
    app.state.baselines._ask = None  # for some seconds nobody is asked again
    assert filled.get(PATH)["baseline_missing"] == found["baseline_missing"]
