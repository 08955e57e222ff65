"""Imported calls teach baselines and are never spoken of; what comes live after them is."""

from typing import Any

import pytest

from lumina_streams.core.series.quiet import advance, due_ms
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState

RULES = Rules()
PAST = RULES.of_the_past()
HOUR_MS = 3_600_000


@pytest.mark.parametrize("seed", range(4))
def test_an_incident_in_an_imported_past_opens_no_alert_then_or_later(
    make_traffic: Any, make_bench: Any, refusal: str, seed: int
) -> None:
    traffic, bench = make_traffic(seed=seed), make_bench()
    bench.rules = PAST
    bench.feed(traffic.calls(300))
    bench.feed(traffic.call(times=5, answer=refusal, status="error") for _ in range(40))
    assert bench.alerts == []
    assert bench.state.hot.book.tracks == []
    bench.rules = RULES
    bench.feed(traffic.calls(100))
    assert bench.alerts == []


@pytest.mark.parametrize("seed", range(4))
def test_what_was_learned_from_the_past_is_what_would_have_been_learned_live(
    make_traffic: Any, make_bench: Any, seed: int
) -> None:
    taught, live = make_bench(), make_bench()
    taught.rules = PAST
    taught.feed(make_traffic(seed=seed).calls(300))
    live.feed(make_traffic(seed=seed).calls(300))
    assert live.alerts == []
    assert taught.state.hot.calls == live.state.hot.calls == 300
    assert taught.state.cold.baselines.reference("cost")[1].quantile(
        0.5
    ) == live.state.cold.baselines.reference("cost")[1].quantile(0.5)
    assert taught.state.hot.cost.test == live.state.hot.cost.test


def test_an_incident_that_is_seen_live_alerts_by_the_imported_baseline(
    make_traffic: Any, make_bench: Any, refusal: str
) -> None:
    traffic, bench = make_traffic(seed=9), make_bench()
    bench.rules = PAST
    bench.feed(traffic.calls(300))
    bench.rules = RULES
    bench.feed(traffic.calls(20))
    bench.feed(traffic.call(times=5, answer=refusal) for _ in range(20))
    assert {alert.kind for alert in bench.alerts} >= {"cost_and_quality"}
    assert not bench.state.hot.imported


def test_nobody_misses_a_series_whose_past_alone_is_known(make_traffic: Any, make_bench: Any) -> None:
    rules = Rules(no_data_after_s=600.0)
    traffic, bench = make_traffic(seed=3, gap_s=30.0), make_bench()
    bench.rules = rules.of_the_past()
    bench.feed(traffic.calls(600))
    state: SeriesState = bench.state
    state.hot.clock_ms = state.hot.heard_ms = 1_000
    assert due_ms(state, rules) is None
    assert advance(state, 1_000 + 48 * HOUR_MS, rules, "2026-01-03T00:00:00Z") == []
