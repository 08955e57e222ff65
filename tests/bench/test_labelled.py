"""Labelled traffic: the same for a seed, labels where the calls change, costs those of the tokens."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import exp, log
from statistics import fmean, stdev

import pytest

from labelled.incident import INCIDENT_TYPES, Incident, cache_factor, draw_incidents
from labelled.lookalike import Lookalike, draw_lookalikes
from labelled.need import need_of, upper_bound
from labelled.prices import BY_NAME, Price
from labelled.score import score
from labelled.series import DAY_MS, HOUR_MS, START_MS, Plan, draw_plan
from labelled.traffic import Traffic, spread_of
from labelled.watch import News
from lumina_streams.core.series.call import Call

SEED = 1
CALM = replace(
    draw_plan(SEED, 3, 20.0, 20.0),
    day_ratio=1.0,
    cost_day=0.0,
    cost_weekend=0.0,
    models=((BY_NAME["claude-haiku-4-5"], 1.0),),
    input_tokens=3000.0,
    output_tokens=150.0,
    cached=0.8,
    cache_hits=1.0,
    latency_load=0.0,
    tail=0.0,
    error_share=0.01,
)
ONSET_MS, END_MS = START_MS + 6 * HOUR_MS, START_MS + 12 * HOUR_MS
DAY_END_MS = START_MS + 18 * HOUR_MS


def calls(plan: Plan, *labels: Incident | Lookalike, end_ms: int = DAY_END_MS) -> list[Call]:
    incidents = [label for label in labels if isinstance(label, Incident)]
    lookalikes = [label for label in labels if isinstance(label, Lookalike)]
    return list(Traffic(plan, incidents, lookalikes, end_ms))


def ended_ms(call: Call) -> int:
    return call.start_ns // 1_000_000 + round(call.duration_ms)


def inside_and_outside(found: list[Call]) -> tuple[list[Call], list[Call]]:
    inside = [call for call in found if ONSET_MS <= ended_ms(call) < END_MS]
    return inside, [call for call in found if not ONSET_MS <= ended_ms(call) < END_MS]


def mean_log(of: list[Call], value: Callable[[Call], float | None]) -> float:
    return fmean(log(x) for call in of if (x := value(call)))


def rise(new: list[Call], old: list[Call]) -> float:
    """Of the cost of a call."""
    return exp(mean_log(new, lambda call: call.cost_usd) - mean_log(old, lambda call: call.cost_usd))


def parted(found: list[Call]) -> tuple[list[Call], list[Call]]:
    """What came before `ONSET_MS`, and the rest."""
    before = [call for call in found if ended_ms(call) < ONSET_MS]
    return before, found[len(before) :]


@pytest.mark.parametrize("index", range(6))
def test_a_seed_gives_the_same_calls(index: int) -> None:
    def made(seed: int) -> list[Call]:
        plan = draw_plan(seed, index, 0.2, 2.0)
        incidents = draw_incidents(plan, 6, 2)
        lookalikes = draw_lookalikes(plan, incidents, 6, 2)
        return calls(plan, *incidents, *lookalikes, end_ms=START_MS + 6 * DAY_MS)

    first = made(SEED)
    assert first == made(SEED)
    assert first != made(SEED + 1)


def test_calls_come_in_order_of_event_time_and_of_the_log() -> None:
    found = calls(CALM)
    assert [call.src.offset for call in found] == list(range(1, len(found) + 1))
    times = [ended_ms(call) for call in found]
    assert times == sorted(times)


@pytest.mark.parametrize("kind", INCIDENT_TYPES)
def test_labels_lie_where_the_calls_change(kind: str) -> None:
    factor = {"cache_loss": cache_factor(CALM), "errors": 0.3, "unpriced": 1.0, "slow_leak": 2.6}.get(
        kind, 3.0
    )
    incident = Incident(kind, ONSET_MS, END_MS, factor)  # type: ignore[arg-type]
    inside, outside = inside_and_outside(calls(CALM, incident))
    slower = exp(
        mean_log(inside, lambda call: call.duration_ms) - mean_log(outside, lambda call: call.duration_ms)
    )
    errors = fmean(call.status == "error" for call in inside)
    match kind:
        case "model_swap" | "output_runaway" | "price_change" | "cache_loss":
            assert rise(inside, outside) == pytest.approx(factor, rel=0.05)
        case "prompt_bloat":
            assert rise(inside, outside) == pytest.approx(
                factor, rel=0.15
            )  # the same for every call: of dear ones less
        case "slow_leak":
            assert rise(inside, outside) == pytest.approx(factor**0.5, rel=0.05)
        case "retry_loop":
            assert len(inside) / 6 == pytest.approx(3 * len(outside) / 12, rel=0.1)
            assert errors > 0.2
        case "latency":
            assert slower == pytest.approx(factor, rel=0.05)
        case "errors":
            assert errors == pytest.approx(factor, abs=0.03)
        case "unpriced":
            assert all(call.cost_usd is None for call in inside)
            assert any(call.input_tokens for call in inside)
    assert fmean(call.status == "error" for call in outside) < 0.03


def test_a_canary_hits_its_share() -> None:
    incident = Incident("model_swap", ONSET_MS, END_MS, 2.0, 0.25)
    inside, outside = inside_and_outside(calls(CALM, incident))
    assert fmean(call.request_model.endswith("-pro") for call in inside) == pytest.approx(0.25, abs=0.03)
    assert not any(call.request_model.endswith("-pro") for call in outside)
    assert incident.effective == 1.25


def test_lookalikes_change_what_they_say_and_nothing_else() -> None:
    deploy = calls(CALM, Lookalike("reworded_deploy", ONSET_MS, END_MS))
    before, after = parted(deploy)
    assert {(call.release, call.prompt_version) for call in before} == {("1.0", "v1")}
    assert {(call.release, call.prompt_version) for call in after} == {("1.1", "v2")}
    assert rise(after, before) == pytest.approx(1.0, rel=0.05)
    assert len(after) / 12 == pytest.approx(len(before) / 6, rel=0.05)
    inside, outside = inside_and_outside(calls(CALM, Lookalike("traffic_doubling", ONSET_MS, END_MS, 2.0)))
    assert len(inside) / 6 == pytest.approx(2 * len(outside) / 12, rel=0.1)
    cheaper = calls(CALM, Lookalike("cheaper_answers", ONSET_MS, END_MS, 0.5))
    before, after = parted(cheaper)
    assert rise(after, before) == pytest.approx(0.5, rel=0.05)


def test_a_cost_is_its_tokens_times_the_price() -> None:
    price: Price = CALM.price
    for call in calls(CALM):
        if call.status == "error":
            assert (call.cost_usd, call.output_tokens) == (None, None)
            continue
        assert call.input_tokens is not None
        assert call.output_tokens is not None
        tokens = call.input_tokens, call.cache_read_tokens or 0, call.output_tokens
        assert call.cost_usd == price.cost(*tokens)


@pytest.mark.parametrize("index", range(8))
def test_the_spread_is_that_of_the_costs(index: int) -> None:
    plan = draw_plan(SEED, index, 10.0, 10.0)
    costs = sorted(log(call.cost_usd) for call in calls(plan, end_ms=START_MS + DAY_MS) if call.cost_usd)
    usual = costs[: int(0.995 * len(costs))]  # without the giants
    assert 0.25 < spread_of(plan) < 1.1
    assert stdev(usual) == pytest.approx(spread_of(plan), rel=0.15)


@pytest.mark.parametrize("index", range(10))
def test_labels_do_not_touch(index: int) -> None:
    plan = draw_plan(SEED, index)
    incidents = draw_incidents(plan, 14, 2)
    labels: list[Incident | Lookalike] = [*incidents, *draw_lookalikes(plan, incidents, 14, 2)]
    spans = sorted((label.onset_ms, label.end_ms) for label in labels if label.type != "new_endpoint")
    assert all(end <= onset for (_, end), (onset, _) in pairwise(spans))
    assert all(incident.onset_ms >= plan.first_ms + 2 * DAY_MS for incident in incidents)


def test_the_need_is_that_of_the_notes() -> None:
    """Calls at a spread of .6: 79 for x1.5, 27 for x2, 11 for x3."""
    for factor, calls_needed in ((1.5, 79), (2.0, 27), (3.0, 11)):
        incident = Incident("model_swap", ONSET_MS, END_MS, factor)
        assert round(need_of(incident, CALM, 0.6)) == calls_needed


@pytest.mark.parametrize(("count", "bound"), [(0, 2.996), (1, 4.744), (10, 16.962), (1000, 1053.5)])
def test_the_upper_bound_is_that_of_the_tables(count: int, bound: float) -> None:
    assert upper_bound(count) == pytest.approx(bound, rel=1e-3)


def test_news_are_scored_by_what_they_tell() -> None:
    incident = Incident("model_swap", ONSET_MS, END_MS, 2.0)
    deploy = Lookalike("reworded_deploy", END_MS + 2 * HOUR_MS, END_MS + 4 * HOUR_MS)

    def news(at_ms: int, number: int, kind: str, gained: bool = False) -> News:
        return News(at_ms, number, kind, kind, "warning", False, gained, (kind,))

    told = [
        news(ONSET_MS + HOUR_MS, 500, "latency_spike"),  # explains nothing
        news(ONSET_MS + 2 * HOUR_MS, 520, "cost_spike"),
        news(ONSET_MS + 3 * HOUR_MS, 530, "cost_spike", gained=True),
        news(END_MS + 3 * HOUR_MS, 900, "error_spike"),
        news(DAY_END_MS - 1, 999, "cost_spike"),  # of a giant
    ]
    result = score(0, CALM, 0.6, [incident], [deploy], [(400, 300)], told, None, {999}, DAY_END_MS)
    (case,) = result.cases
    assert (case.found, case.delay_calls, case.delay_s, case.alerts, case.again) == (True, 120, 7200.0, 1, 0)
    assert case.must
    assert [(entry.kind, entry.during) for entry in result.false] == [
        ("latency_spike", ""),
        ("error_spike", "reworded_deploy"),
    ]
    assert result.giants == 1
