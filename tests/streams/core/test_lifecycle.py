"""The life of alerts: ids, upgrade, recovery, return, adoption, updates."""

from typing import Any

import pytest

from lumina_streams.core.series.rules import Rules


def test_a_spike_opens_once_resolves_and_keeps_its_id(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=1)
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(60, times=3))
    bench.feed(traffic.calls(120))
    states = [alert.state for alert in bench.alerts]
    assert states[0] == "open"
    assert states[-1] == "resolved"
    assert states.count("resolved") == 1
    assert len({alert.id for alert in bench.alerts}) == 1
    assert [alert.rev for alert in bench.alerts] == list(range(1, len(bench.alerts) + 1))
    last = bench.alerts[-1]
    assert last.reason == "recovered"
    assert last.resolved_at is not None
    assert [entry.state for entry in last.history] == ["open", "resolved"]
    assert last.signals == bench.alerts[-2].signals


def test_it_is_not_written_at_every_call(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=2)
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(200, times=3))
    assert 1 <= len(bench.alerts) <= 4


@pytest.mark.parametrize("first", ["cost", "quality"])
def test_the_earlier_alert_is_upgraded_in_place(
    make_traffic: Any, bench: Any, refusal: str, first: str
) -> None:
    traffic = make_traffic(seed=3)
    bench.feed(traffic.calls(300))
    alone = {"times": 4} if first == "cost" else {"answer": refusal}
    kind = "cost_spike" if first == "cost" else "quality_drop"
    _, single = bench.feed_until(
        (traffic.call(**alone) for _ in range(40)), lambda a: a.kind == kind and a.state == "open"
    )
    _, dual = bench.feed_until(
        (traffic.call(times=4, answer=refusal) for _ in range(40)), lambda a: a.kind == "cost_and_quality"
    )
    assert dual.id == single.id
    assert dual.rev > single.rev
    assert (single.severity, dual.severity) == ("warning", "critical")
    assert [signal.kind for signal in dual.signals] == ["cost_spike", "quality_drop"]
    assert dual.answers is not None
    assert dual.opened_at == single.opened_at
    assert len(dual.history) == 2
    assert len({alert.id for alert in bench.alerts}) == 1
    bench.feed(traffic.calls(200))
    assert bench.alerts[-1].state == "resolved"
    assert bench.alerts[-1].kind == "cost_and_quality"


def test_both_at_once_is_one_critical_alert(make_traffic: Any, make_bench: Any, refusal: str) -> None:
    for seed in range(5):
        traffic, bench = make_traffic(seed=seed), make_bench()
        bench.feed(traffic.calls(300))
        bench.feed_until(
            traffic.calls(40, times=2.5, answer=refusal, request_model="gpt-4o"),
            lambda a: a.kind == "cost_and_quality" and a.severity == "critical",
        )
        assert len({alert.id for alert in bench.alerts}) == 1
        assert "and has quality" in bench.alerts[-1].summary


def test_halves_of_a_dual_signal_may_be_weaker_than_alone(
    make_traffic: Any, make_bench: Any, refusal: str
) -> None:
    """Three calls that are dear and bad are enough together, and neither half would be alone."""
    kinds = []
    for fields in ({"times": 5, "answer": refusal}, {"times": 5}, {"answer": refusal}):
        traffic, bench = make_traffic(seed=11, sigma=0.4), make_bench(rules=Rules(active_series=1000))
        bench.feed(traffic.calls(300))
        kinds.append([alert.kind for alert in bench.feed(traffic.call(**fields) for _ in range(3))])
    assert kinds == [["cost_and_quality"], [], []]


def test_signals_far_apart_are_two_alerts(make_traffic: Any, refusal: str, make_bench: Any) -> None:
    traffic, bench = make_traffic(seed=4), make_bench()
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(40, times=4))
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(40, answer=refusal))
    opened = {alert.id: alert.kind for alert in bench.alerts}
    assert sorted(opened.values()) == ["cost_spike", "quality_drop"]


def test_a_signal_that_returns_within_the_cooldown_reopens_its_alert(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(seed=5)
    bench.feed(traffic.calls(300))
    for _ in range(2):
        bench.feed(traffic.calls(40, times=4))
        bench.feed(traffic.calls(100))
    assert len({alert.id for alert in bench.alerts}) == 1
    states = [entry.state for entry in bench.alerts[-1].history]
    assert states == ["open", "resolved", "open", "resolved"]


def test_after_the_cooldown_it_is_a_new_alert(make_traffic: Any, make_bench: Any) -> None:
    traffic, bench = make_traffic(seed=6), make_bench(rules=Rules(cooldown_s=60))
    bench.feed(traffic.calls(300))
    for _ in range(2):
        bench.feed(traffic.calls(40, times=4))
        bench.feed(traffic.calls(200))
    assert len({alert.id for alert in bench.alerts}) == 2


def test_a_level_that_stays_is_adopted_said_once_and_stays_open(make_traffic: Any, make_bench: Any) -> None:
    traffic, bench = make_traffic(seed=7), make_bench(rules=Rules(adopt_after_s=3600))
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(1500, times=2))
    adopted = [alert for alert in bench.alerts if alert.reason == "adopted"]
    assert len(adopted) == 1
    assert bench.alerts[-1] is adopted[0]
    assert adopted[0].state == "open"
    assert adopted[0].signals[0].baseline.p50 == pytest.approx(0.004, rel=0.2)
    assert bench.state.hot.cost.test.p50 == pytest.approx(0.008, rel=0.2)
    bench.feed(traffic.calls(100))
    assert bench.alerts[-1].state == "resolved"
    assert len({alert.id for alert in bench.alerts}) == 1


def test_an_incident_does_not_teach_the_baseline(make_traffic: Any, bench: Any, refusal: str) -> None:
    traffic = make_traffic(seed=8)
    bench.feed(traffic.calls(300))
    before = bench.state.hot.cost.test.p50
    bench.feed(traffic.calls(200, times=5, answer=refusal))
    bench.feed(traffic.calls(200))
    assert bench.alerts[-1].state == "resolved"
    assert bench.state.hot.cost.test.p50 == pytest.approx(before, rel=0.08)
    assert sum(bench.state.cold.answers.hits) == 0


def test_quality_that_stays_bad_is_adopted_with_new_references(make_traffic: Any, make_bench: Any) -> None:
    traffic, bench = make_traffic(seed=9), make_bench(rules=Rules(adopt_after_s=3600))
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(700, answer="Lorem ipsum dolor sit amet."))
    assert [alert.reason for alert in bench.alerts].count("adopted") == 1
    assert bench.alerts[-1].state == "open"
    assert bench.state.hot.quality.adopted
    assert bench.state.hot.quality.test.p50 < 0.7


def test_a_spike_above_an_adopted_level_is_news_on_the_same_alert(make_traffic: Any, make_bench: Any) -> None:
    traffic = make_traffic(seed=10, content=False)
    bench = make_bench(rules=Rules(adopt_after_s=3600))
    bench.feed(traffic.calls(300))
    bench.feed(traffic.calls(800, times=2))
    assert bench.alerts[-1].reason == "adopted"
    _, alert = bench.feed_until(traffic.calls(60, times=6), lambda a: a.reason is None)
    assert alert.history[-1].note == "again above the adopted level"
    assert alert.signals[0].baseline.p50 == pytest.approx(0.008, rel=0.2)
    assert len({alert.id for alert in bench.alerts}) == 1


def test_two_open_alerts_that_turn_out_to_be_one_are_joined(
    make_traffic: Any, make_bench: Any, refusal: str
) -> None:
    """Cost opens, calms down without being over, quality opens alone, then cost is back."""
    traffic, bench = make_traffic(seed=12), make_bench(rules=Rules(correlation_s=1))
    bench.feed(traffic.calls(300))
    bench.feed_until(traffic.calls(80, times=2), lambda a: a.kind == "cost_spike")
    bench.feed(traffic.calls(4))
    _, second = bench.feed_until(traffic.calls(10, answer=refusal), lambda a: a.kind == "quality_drop")
    bench.rules = Rules()
    _, dual = bench.feed_until(
        traffic.calls(40, times=4, answer=refusal), lambda a: a.kind == "cost_and_quality"
    )
    closed = [alert for alert in bench.alerts if alert.id == second.id][-1]
    assert dual.id != second.id
    assert closed.state == "resolved"
    assert dual.id in closed.history[-1].note
