"""The plan: what the demo would send, without sending it."""

import json
from collections import Counter
from itertools import pairwise, takewhile

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_api.demo.endpoints import CHAT, ENDPOINTS, REFUSALS
from lumina_api.demo.scenario import (
    CYCLE_S,
    HISTORY_S,
    INCIDENTS,
    Incident,
    PlannedCall,
    history,
    incident_at,
    live,
)
from lumina_schemas.settings import Settings


def live_until(seed: int, rate: float, end_s: float) -> list[PlannedCall]:
    return list(takewhile(lambda call: call.at_s < end_s, live(seed, rate)))


def usd(call: PlannedCall) -> float:
    """Price of a planned call by the public price list."""
    usage = Usage(input_tokens=call.input_tokens, output_tokens=call.output_tokens)
    return float(calc_price(usage, call.model, provider_id=call.endpoint.provider).total_price)


def median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


@given(st.integers())
@settings(max_examples=5, deadline=None)
def test_a_seed_gives_one_plan(seed: int) -> None:
    assert history(seed, 3600) == history(seed, 3600)
    assert live_until(seed, 4, 60) == live_until(seed, 4, 60)
    assert live_until(seed, 4, 60) != live_until(seed + 1, 4, 60)


def test_history_makes_every_baseline_ready() -> None:
    calls = history(7)
    counts = Counter(call.endpoint.name for call in calls)
    assert set(counts) == {endpoint.name for endpoint in ENDPOINTS}
    # A share of calls fails and teaches nothing.
    assert min(counts.values()) >= 300 > 1.3 * Settings.model_fields["min_samples"].default
    assert all(-HISTORY_S <= call.at_s <= 0 for call in calls)
    assert all(first.at_s <= second.at_s for first, second in pairwise(calls))
    assert not any(call.incident for call in calls)


def test_history_follows_the_day() -> None:
    # At 14:00 the day peaks, twelve hours before there was least.
    calls = history(7, hour=14.0)
    near_peak = sum(call.at_s > -3 * 3600 for call in calls)
    at_night = sum(-13.5 * 3600 < call.at_s < -10.5 * 3600 for call in calls)
    assert near_peak > 3 * at_night > 0
    # At 02:00 it is the other way round.
    calls = history(7, hour=2.0)
    assert 3 * sum(call.at_s > -3 * 3600 for call in calls) < sum(
        -13.5 * 3600 < call.at_s < -10.5 * 3600 for call in calls
    )


def test_a_shorter_history_is_thinner_not_denser() -> None:
    assert len(history(7, HISTORY_S / 4)) == pytest.approx(len(history(7)) / 4, rel=0.02)
    assert history(7, 0) == []


@given(st.integers(), st.floats(1, 20))
@settings(max_examples=10, deadline=None)
def test_live_calls_come_in_order_at_the_rate(seed: int, rate: float) -> None:
    calls = live_until(seed, rate, 600)
    assert all(first.at_s <= second.at_s for first, second in pairwise(calls))
    assert len(calls) / 600 == pytest.approx(rate, rel=0.25)


@given(st.integers())
@settings(max_examples=10, deadline=None)
def test_an_incident_is_where_and_when_it_is_announced(seed: int) -> None:
    for call in live_until(seed, 6, 700):
        current = incident_at(call.at_s)
        if current is not None and current.endpoint is call.endpoint:
            assert call.incident is current
        else:
            assert call.incident is None
            assert call.model == call.endpoint.model
            assert call.answer not in REFUSALS


def test_the_first_incident_is_the_dual_one_and_comes_at_once() -> None:
    first = min(INCIDENTS, key=lambda incident: incident.start_s)
    assert first.start_s <= 10
    assert first.endpoint is CHAT
    assert first.alerts == ("cost_and_quality",)
    assert {incident.kind for incident in INCIDENTS} == {
        "both",
        "model_switch",
        "prompt_bloat",
        "refusals",
    }


def test_incidents_leave_room_for_each_other_and_for_the_cooldown() -> None:
    ordered = sorted(INCIDENTS, key=lambda incident: incident.start_s)
    for before, after in pairwise(ordered):
        assert after.start_s - (before.start_s + before.duration_s) >= 60
    last = ordered[-1]
    cooldown_s = Settings.model_fields["cooldown_s"].default
    # By its second time round an incident's first alert has been resolved for longer than the cooldown.
    assert all(CYCLE_S - incident.duration_s - 180 > cooldown_s for incident in INCIDENTS)
    assert last.start_s + last.duration_s < CYCLE_S
    assert incident_at(CYCLE_S + ordered[0].start_s) is ordered[0]


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident.kind)
def test_an_incident_does_what_it_says(incident: Incident) -> None:
    calls = [call for call in live_until(7, 20, 700) if call.endpoint is incident.endpoint]
    bad = [call for call in calls if call.incident is incident]
    normal = [call for call in calls if call.incident is None and not call.error]
    assert len(bad) > 100
    assert not any(call.error for call in bad)
    ratio = median([usd(call) for call in bad]) / median([usd(call) for call in normal])
    if "cost_spike" in incident.alerts or "cost_and_quality" in incident.alerts:
        assert ratio > 1.9
    else:
        assert ratio < 1
    if incident.kind == "model_switch":
        assert ratio == pytest.approx(2, rel=0.15)
    assert all((call.answer in REFUSALS) == incident.refuses for call in bad)
    assert all(bool(call.context) == incident.bloats for call in bad)


def test_texts_are_filled_and_prompts_repeat() -> None:
    calls = history(7)
    for call in calls:
        assert "{" not in call.question
        assert call.endpoint.name == "classify-ticket" or "{" not in call.answer
    # A question with the same words but other numbers and names has the same answer, in two wordings.
    returns = [call for call in calls if "still return the" in call.question]
    assert len(returns) > 20
    assert len({call.question for call in returns}) > 20
    assert len({call.answer.split(". ")[1] for call in returns}) == 2
    assert all("within 30 days of delivery" in call.answer for call in returns)


def test_every_way_to_look_an_answer_up_has_its_traffic() -> None:
    """By the exact prompt, by the template, as JSON, and not at all: no two texts are alike."""
    calls = history(7)

    def of(words: str) -> list[PlannedCall]:
        return [call for call in calls if words in call.question]

    assert len(of("rotate the access keys")) > 50
    assert len({call.question for call in of("rotate the access keys")}) == 1
    assert len({call.question for call in of("limit of requests a minute")}) > 50
    tickets = [json.loads(call.answer) for call in calls if call.endpoint.name == "classify-ticket"]
    assert len({ticket["invoice"] for ticket in tickets}) > 50
    assert len({ticket["category"] for ticket in tickets}) == 3
    teasers = [call.answer for call in calls if call.endpoint.name == "/teaser"]
    assert len(set(teasers)) > 0.6 * len(teasers) > 150


def test_shares_are_shares() -> None:
    assert sum(endpoint.share for endpoint in ENDPOINTS) == pytest.approx(1)
    assert len({(endpoint.service, endpoint.name) for endpoint in ENDPOINTS}) == len(ENDPOINTS)
