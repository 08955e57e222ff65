"""Signals beside cost and quality: what raises each, what does not, and how they join."""

from typing import Any

import pytest

from lumina_streams.core.series.rules import Marker, Rules

MINUTE_NS = 60_000_000_000
HOUR_MS = 3_600_000
DAY_S = 86_400


def kinds_of(alert: Any) -> list[str]:
    return [signal.kind for signal in alert.signals]


def varied(traffic: Any, usual: float = 800.0) -> float:
    return float(usual * traffic.rng.lognormvariate(0, 0.3))


def test_slower_calls_are_a_latency_spike_in_milliseconds(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.call(duration_ms=varied(traffic)) for _ in range(300))
    calls = (traffic.call(duration_ms=varied(traffic, 2400)) for _ in range(60))
    _, alert = bench.feed_until(calls, lambda a: a.kind == "latency_spike")
    (signal,) = alert.signals
    assert signal.unit == "ms"
    assert signal.baseline.p50 == pytest.approx(800, rel=0.15)
    assert signal.ratio > 1.5
    bench.feed(traffic.call(duration_ms=varied(traffic)) for _ in range(200))
    assert bench.alerts[-1].state == "resolved"


def test_failed_calls_are_an_error_spike_and_no_cheap_fast_calls(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300))
    failing = (
        traffic.call(status="error", cost_usd=None, output_tokens=None, input_tokens=None, duration_ms=5.0)
        if traffic.rng.random() < 0.4
        else traffic.call()
        for _ in range(100)
    )
    needed, alert = bench.feed_until(failing, lambda a: a.kind == "error_spike")
    assert needed < 60
    assert alert.signals[0].unit == "share"
    assert kinds_of(bench.alerts[-1]) == ["error_spike"]
    bench.feed(traffic.calls(200))
    assert bench.alerts[-1].state == "resolved"
    assert bench.state.hot.latency.test.p50 == pytest.approx(800, rel=0.05)


def test_an_error_now_and_then_raises_nothing(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(
        traffic.call(status="error", cost_usd=None) if traffic.rng.random() < 0.02 else traffic.call()
        for _ in range(3000)
    )
    assert bench.alerts == []


def test_a_model_without_a_price_alerts_within_twenty_calls_and_says_how_to_set_one(
    make_traffic: Any, bench: Any
) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300))
    calls = traffic.calls(20, cost_usd=None, request_model="new-model")
    needed, alert = bench.feed_until(calls, lambda a: a.kind == "unpriced")
    assert needed <= 20
    assert "new-model" in alert.summary
    assert "prices/new-model" in alert.summary


def test_tokens_go_on_deciding_while_the_price_is_unknown(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(60, cost_usd=None, request_model="new-model"))
    bloated = (
        traffic.call(cost_usd=None, request_model="new-model", input_tokens=6000, output_tokens=1200)
        for _ in range(40)
    )
    _, alert = bench.feed_until(bloated, lambda a: "cost_spike" in kinds_of(a))
    assert "unpriced" in kinds_of(alert)


def test_a_series_that_never_had_prices_is_judged_by_its_tokens(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300, cost_usd=None))
    assert bench.alerts == []
    bloated = (traffic.call(cost_usd=None, input_tokens=6000, output_tokens=1200) for _ in range(60))
    _, alert = bench.feed_until(bloated, lambda a: a.kind == "cost_spike")
    assert alert.signals[0].unit == "tokens_per_call"


def steady_days(traffic: Any, days: float, gap_s: float = 30.0) -> list[Any]:
    return [traffic.call() for _ in range(int(days * DAY_S / gap_s))]


def test_five_times_the_traffic_is_a_spend_spike_and_twice_is_not(make_traffic: Any, make_bench: Any) -> None:
    for times, expected in ((2, []), (5, ["spend_spike"])):
        traffic, bench = make_traffic(content=False, gap_s=30.0), make_bench()
        bench.feed(steady_days(traffic, 1.5))
        assert bench.alerts == []
        traffic.gap_s = 30.0 / times
        bench.feed(traffic.calls(120 * times))
        assert [alert.kind for alert in bench.alerts if len(alert.history) == 1][:1] == expected
        traffic.gap_s = 30.0
        bench.feed(traffic.calls(200))
        assert all(track.alert.state == "resolved" for track in bench.state.hot.book.tracks)


def test_one_giant_is_no_spend_spike(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False, gap_s=120.0)
    bench.feed(traffic.calls(1000))
    bench.feed([traffic.call(30), *traffic.calls(50)])
    assert {kind for alert in bench.alerts for kind in kinds_of(alert)} == {"cost_spike"}


def test_a_series_that_always_speaks_is_missed_once_where_a_rule_asks(make_traffic: Any, bench: Any) -> None:
    bench.rules = Rules(no_data_after_s=1800)
    bench.clock_ms = 1_767_300_000_000
    traffic = make_traffic(content=False, gap_s=30.0)
    for call in steady_days(traffic, 0.6):
        bench.clock_ms += 30_000
        bench.feed([call])
    assert bench.alerts == []
    heard_ms = bench.clock_ms
    assert bench.tick(heard_ms + 1_799_000) == []
    (alert,) = bench.tick(heard_ms + 1_800_000)
    assert (alert.kind, alert.state) == ("no_data", "open")
    assert alert.signals[0].unit == "s"
    assert bench.tick(bench.clock_ms + 20 * HOUR_MS) == []  # its silence does not end it
    traffic.now_ns += 20 * 60 * MINUTE_NS
    (back,) = bench.feed(traffic.calls(1))
    assert (back.id, back.state, back.reason) == (alert.id, "resolved", "recovered")


@pytest.mark.parametrize("rules", [Rules(), Rules(no_data_after_s=60)])
def test_silence_is_no_alert_without_a_rule_or_where_gaps_are_usual(
    make_traffic: Any, bench: Any, rules: Any
) -> None:
    bench.rules = rules
    bench.clock_ms = 1_767_300_000_000
    traffic = make_traffic(content=False, gap_s=120.0)
    bench.feed(traffic.calls(1000))
    assert bench.tick(bench.clock_ms + 200 * HOUR_MS) == []


def test_endpoints_beyond_the_limit_alert_once_and_name_the_attribute(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(50, endpoint_overflow="http.route"))
    (alert,) = bench.alerts
    assert alert.kind == "series_limit"
    assert "http.route" in alert.summary


def test_what_comes_together_is_one_alert_of_the_leading_kind(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.call(duration_ms=varied(traffic)) for _ in range(300))
    bench.feed(traffic.call(3, duration_ms=varied(traffic, 4000)) for _ in range(60))
    assert len({alert.id for alert in bench.alerts}) == 1
    assert bench.alerts[-1].kind == "cost_spike"
    assert kinds_of(bench.alerts[-1]) == ["cost_spike", "latency_spike"]
    bench.feed(traffic.call(duration_ms=varied(traffic)) for _ in range(300))
    assert bench.alerts[-1].state == "resolved"


def test_a_signal_that_is_switched_off_never_alerts(make_traffic: Any, bench: Any) -> None:
    bench.rules = Rules(off=("cost_spike",))
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(100, times=5))
    assert bench.alerts == []


def test_severity_is_the_rules(make_traffic: Any, bench: Any) -> None:
    bench.rules = Rules(severity={"cost_spike": "critical"})
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(60, times=4))
    assert bench.alerts[-1].severity == "critical"


def test_a_level_that_a_mark_announced_is_learned_without_an_alert(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300))
    bench.rules = Rules(marks=(Marker(traffic.now_ns // 1_000_000, "bigger model", True, "eve"),))
    bench.feed(traffic.calls(300, times=3))
    assert bench.alerts == []
    assert bench.state.hot.cost.test.p50 == pytest.approx(0.012, rel=0.2)


def test_a_mark_that_comes_late_ends_the_alert_that_it_explains(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300))
    at_ms = traffic.now_ns // 1_000_000
    bench.feed_until(traffic.calls(60, times=3), lambda a: a.kind == "cost_spike")
    bench.rules = Rules(marks=(Marker(at_ms, "bigger model", True, "eve"),))
    bench.feed(traffic.calls(3, times=3))
    assert (bench.alerts[-1].state, bench.alerts[-1].reason) == ("resolved", "adopted")


def test_a_mark_that_expects_nothing_is_offered_as_a_cause(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(traffic.calls(300))
    bench.rules = Rules(marks=(Marker(traffic.now_ns // 1_000_000, "release 1.4", False, "eve"),))
    _, alert = bench.feed_until(traffic.calls(60, times=3), lambda a: a.kind == "cost_spike")
    assert ("mark", "release 1.4") in [(one.what, one.to) for one in alert.changed_attributes]


def test_an_alert_that_flaps_must_be_calm_for_the_cooldown(make_traffic: Any, make_bench: Any) -> None:
    traffic, bench = make_traffic(seed=5, content=False), make_bench(rules=Rules(cooldown_s=1800))
    bench.feed(traffic.calls(300))
    for _ in range(6):
        bench.feed(traffic.calls(40, times=4))
        bench.feed(traffic.calls(100))
    (track,) = bench.state.hot.book.tracks
    states = [entry.state for entry in track.alert.history]
    assert states == ["open", "resolved"] * 3 + ["open"]
    assert "has come back 3 times" in track.alert.history[-1].note
    bench.feed(traffic.calls(400))
    assert bench.alerts[-1].state == "resolved"


def test_a_level_that_falls_teaches_a_new_baseline_within_a_day_or_two(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False, gap_s=60.0)
    bench.feed(traffic.calls(2 * 1440))
    bench.feed(traffic.calls(2 * 1440, times=0.4))
    assert bench.alerts == []
    assert bench.state.hot.cost.test.p50 == pytest.approx(0.0016, rel=0.15)
    assert bench.state.hot.cost.test.window == "24h"
    bench.feed_until(traffic.calls(100, times=1.0), lambda a: a.kind == "cost_spike")


def test_the_baseline_from_before_an_adopted_level_comes_back_with_it(
    make_traffic: Any, make_bench: Any
) -> None:
    traffic, bench = make_traffic(content=False), make_bench(rules=Rules(adopt_after_s=1200))
    bench.feed(traffic.calls(600))
    known = bench.state.hot.cost.test.n
    bench.feed(traffic.calls(500, times=4))
    assert bench.alerts[-1].reason == "adopted"
    assert bench.state.hot.cost.test.n < known
    bench.feed(traffic.calls(200))
    assert bench.alerts[-1].reason == "recovered"
    assert bench.state.hot.cost.test.n >= known
    assert bench.state.hot.cost.test.p50 == pytest.approx(0.004, rel=0.1)
