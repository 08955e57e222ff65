"""What a series is used to, from its state alone; and how far it is, in words."""

import math
from typing import Any

import msgspec
import pytest

from lumina_schemas.baseline import MeasureBaseline, SeriesBaseline, WindowBaseline
from lumina_streams.core.baseline.learning import learning, minutes_left
from lumina_streams.core.baseline.report import UNITS, report
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState

DAY_MS = 86_400_000


def told(bench: Any, now_ms: int | None = None, rules: Rules | None = None) -> SeriesBaseline:
    state = bench.state
    return report(state, rules or bench.rules, state.hot.newest_ms if now_ms is None else now_ms)


def window(one: SeriesBaseline, measure: str, name: str) -> WindowBaseline:
    found: MeasureBaseline = next(each for each in one.measures if each.measure == measure)
    return next(each for each in found.windows if each.window == name)


@pytest.mark.parametrize(
    ("known", "rate", "words"),
    [
        (137, 1.6, "learning (137/200, about 39 min)"),
        (199, 60.0, "learning (199/200, about 1 min)"),
        (0, 0.5, "learning (0/200, about 7 h)"),
        (80, 0.02, "learning (80/200, about 4 days)"),
        (80, 0.0, "learning (80/200, no calls now)"),
    ],
)
def test_learning_says_how_far_and_how_long(known: int, rate: float, words: str) -> None:
    assert learning(known, 200, rate) == words


def test_nothing_is_left_where_enough_is_known() -> None:
    assert minutes_left(250, 200, 4.0) == 0.0


def test_a_series_learns_and_is_ready(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=5, content=False)  # ten calls a minute
    bench.feed(traffic.calls(120))
    young = told(bench)
    assert young.state == "learning" and young.calls == 120
    assert 100 <= young.known <= 120 and young.wanted == 200
    assert young.progress == f"learning ({young.known}/200, about {young.ready_in_min:.0f} min)"
    assert young.ready_in_min == pytest.approx((200 - young.known) / 10, rel=0.4)
    bench.feed(traffic.calls(200))
    ready = told(bench)
    assert (ready.state, ready.progress, ready.ready_in_min) == ("ready", "ready", None)
    assert told(bench, rules=Rules(min_samples=1000)).state == "learning"


def test_a_series_without_costs_is_judged_by_its_latency(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300, cost_usd=None, input_tokens=None, output_tokens=None))
    assert told(bench).state == "ready"


def test_a_series_that_is_not_called_is_stale(make_traffic: Any, bench: Any) -> None:
    bench.clock_ms = 5_000_000  # of the log, which knows nothing of the calls' own time
    bench.feed(make_traffic(content=False).calls(300))
    assert told(bench, 5_000_000 + DAY_MS).state == "ready"
    stale = told(bench, 5_000_000 + 3 * DAY_MS)
    assert (stale.state, stale.progress) == ("stale", "stale (no call for 3 days)")


def test_without_a_clock_the_series_own_time_decides(make_traffic: Any, bench: Any) -> None:
    bench.feed(make_traffic(content=False).calls(300))
    assert told(bench, bench.state.hot.newest_ms + DAY_MS).state == "ready"
    assert told(bench, bench.state.hot.newest_ms + DAY_MS + 1).state == "stale"


def test_the_figures_are_those_of_the_calls(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=3, sigma=0.5, content=False)
    calls = [
        traffic.call(ttft_ms=200.0, duration_ms=900.0, status="error" if n % 20 == 7 else "ok")
        for n in range(640)
    ]
    bench.feed(calls)
    assert bench.alerts == []  # an open one would keep calls from teaching
    one = told(bench)
    assert [measure.measure for measure in one.measures] == list(UNITS)
    cost = window(one, "cost", "7d")
    values = sorted(call.cost_usd for call in calls)
    assert 576 < cost.n <= 640  # the last ones wait for the next fold
    assert cost.mean == pytest.approx(sum(values) / 640, rel=0.06)
    for got, q in ((cost.p50, 0.5), (cost.p95, 0.95), (cost.p99, 0.99)):
        assert got == pytest.approx(values[int(q * 639)], rel=0.1)
    assert cost.log_location == pytest.approx(math.log(0.004), abs=0.08)
    assert cost.log_spread == pytest.approx(0.5, rel=0.15)
    assert window(one, "latency", "1h").p50 == pytest.approx(900.0, rel=0.03)
    assert window(one, "ttft", "24h").n == pytest.approx(0.95 * cost.n, abs=3)  # of calls that did not fail
    errors = window(one, "errors", "7d")
    assert (errors.n, errors.p50) == (cost.n, None)
    assert errors.mean == pytest.approx(0.05, abs=0.003)
    spend = window(one, "spend", "24h")
    assert spend.mean == pytest.approx(10 * sum(values) / 640, rel=0.2)  # a minute has ten calls
    assert window(one, "input_tokens", "7d").p50 == pytest.approx(1000, rel=0.05)


def test_the_hour_forgets_what_the_week_keeps(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(256))
    traffic.now_ns += 5 * 3600 * 10**9
    bench.feed(traffic.calls(128))
    one = told(bench)
    hour = window(one, "cost", "1h").n
    assert 64 <= hour <= 128
    assert window(one, "cost", "24h").n == window(one, "cost", "7d").n == 256 + hour


def test_a_series_that_nothing_is_known_of_has_a_report() -> None:
    empty = report(SeriesState.fresh("0" * 16, "p", "s", "e"), Rules(), 0)
    assert empty.state == "learning" and empty.newest is None
    assert all(measure.windows == () for measure in empty.measures)
    assert msgspec.json.decode(msgspec.json.encode(empty), type=SeriesBaseline) == empty


def test_an_alert_of_a_young_series_says_how_far_it_is(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(sigma=0.1, content=False)
    bench.feed(traffic.calls(100))
    _, alert = bench.feed_until(traffic.calls(20, times=10.0), lambda alert: alert.state == "open")
    (cost,) = [text for text in alert.missing if text.startswith("cost:")]
    known = bench.state.hot.cost.test.n
    assert 60 <= known <= 100
    assert cost.startswith(f"cost: learning ({known}/200, about ")
