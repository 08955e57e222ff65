"""Signals of share: failed calls, and calls without a price."""

import random
from collections.abc import Iterable
from math import exp, isfinite

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.baseline.budget import LEARNING_LEAST_H
from lumina_streams.core.baseline.sequential import LEAST_CALLS
from lumina_streams.core.baseline.share_lane import (
    LEAST_HITS,
    ErrorLane,
    ShareLane,
    ShareTest,
    UnpricedLane,
    fit_share_test,
)
from lumina_streams.core.series.rules import Rules
from streams.core.bench import Traffic

RULES = Rules()
H = 12.0
START_MS = 1_767_261_600_000


def fitted(hits: int, n: int, ready: bool = True, floor: float = 0.0) -> ShareTest:
    return fit_share_test(hits, n, "24h", ready, H, floor, START_MS)


def weigh(lane: ShareLane, outcomes: Iterable[bool], begin: int = 0) -> int:
    """Weigh outcomes, six seconds apart; returns after how many the lane would alert, 0 for never."""
    traffic = Traffic(content=False)
    for number, hit in enumerate(outcomes, 1):
        call = traffic.call(status="error" if hit else "ok")
        lane.weigh(call, hit, START_MS + (begin + number) * 6000, 0.004)
        if not lane.open and lane.strength(lane.alone_h, RULES) >= 1:
            return number
    return 0


def drawn(share: float, count: int, seed: int = 1) -> list[bool]:
    rng = random.Random(seed)
    return [rng.random() < share for _ in range(count)]


@given(st.integers(0, 10**6), st.integers(LEAST_CALLS, 10**6), st.booleans(), st.floats(0, 1))
def test_a_baseline_is_no_evidence_against_itself(hits: int, n: int, ready: bool, floor: float) -> None:
    hits = min(hits, n)
    test = fitted(hits, n, ready, floor)
    share = hits / n
    assert test.base >= min(share, 0.5)
    if not test.hits:
        assert test.base >= 0.5, "what most calls do is no news"
        return
    for hit, miss in zip(test.hits, test.misses, strict=True):
        assert isfinite(hit)
        assert hit > 0 > miss
        assert share * exp(hit) + (1 - share) * exp(miss) <= 1 + 1e-9
        assert share * hit + (1 - share) * miss < 0


def test_a_few_calls_are_no_baseline() -> None:
    test = fitted(0, LEAST_CALLS - 1)
    assert (test.hits, test.n) == ((), LEAST_CALLS - 1)
    lane = ErrorLane(test=test)
    assert weigh(lane, [True] * 50) == 0
    assert lane.excursion is None
    assert lane.signal(False, RULES) is None
    assert ErrorLane().ratio == 1.0


def test_it_takes_five_failures_however_certain() -> None:
    assert weigh(ErrorLane(test=fitted(0, 5000)), [True] * 20) == LEAST_HITS


@pytest.mark.parametrize(("share", "most"), [(0.1, 250), (0.3, 60), (1.0, 6)])
def test_the_larger_the_share_the_sooner(share: float, most: int) -> None:
    for seed in range(10):
        lane = ErrorLane(test=fitted(5, 1000))
        assert 0 < weigh(lane, drawn(share, 400, seed)) <= most


def test_the_usual_share_never_alerts() -> None:
    assert weigh(ErrorLane(test=fitted(20, 1000)), drawn(0.02, 5000)) == 0


def test_while_learning_it_takes_failures_by_the_half() -> None:
    test = msgspec.structs.replace(fitted(0, 40, ready=False), alone_h=LEARNING_LEAST_H)
    assert all(weigh(ErrorLane(test=test), drawn(0.15, 200, seed)) == 0 for seed in range(10))
    assert 0 < weigh(ErrorLane(test=test), [True] * 20) <= 6


def test_a_rise_smaller_than_the_rule_asks_for_is_no_alert() -> None:
    lane = ErrorLane(test=fitted(5, 100_000))
    rare = [number % 30 == 0 for number in range(2000)]
    assert weigh(lane, rare) == 0
    assert max(lane.evidence) >= lane.alone_h
    assert lane.strength(lane.alone_h, Rules(error_spike_points=0.5)) >= 1
    unpriced = UnpricedLane(test=fitted(5, 100_000))
    weigh(unpriced, rare)
    assert unpriced.strength(H, Rules(error_spike_points=0.5)) == 0, "that rule is about errors"


def test_it_recovers_when_calls_do_not_fail_and_not_before() -> None:
    lane = ErrorLane(test=fitted(5, 1000))
    assert weigh(lane, drawn(0.5, 60))
    lane.begin(START_MS)
    weigh(lane, drawn(0.5, 100, 2), begin=60)
    assert not lane.recovered
    weigh(lane, drawn(0.3, 60, 3), begin=160)
    assert not lane.recovered
    weigh(lane, [False] * 200, begin=220)
    assert lane.recovered
    lane.end()
    assert (lane.reference, lane.floor, lane.open) == (None, 0.0, False)


def test_an_adopted_share_is_the_least_that_is_expected() -> None:
    lane = ErrorLane(test=fitted(5, 1000))
    weigh(lane, drawn(0.4, 60))
    lane.begin(START_MS)
    weigh(lane, drawn(0.4, 100, 2), begin=60)
    lane.take_level()
    lane.adopt()
    assert 0.2 < lane.floor < 0.6
    lane.test = fitted(5, 1000, floor=lane.floor)
    assert lane.test.base == lane.floor
    assert lane.adopted
    assert weigh(lane, drawn(lane.floor, 200, 3), begin=200) == 0
    assert not lane.recovered


@pytest.mark.parametrize(("lane", "kind"), [(ErrorLane(), "error_spike"), (UnpricedLane(), "unpriced")])
def test_what_it_shows(lane: ShareLane, kind: str) -> None:
    lane.test = fitted(5, 1000)
    assert weigh(lane, [True] * 10) == LEAST_HITS
    signal = lane.signal(False, RULES)
    assert signal is not None
    assert (signal.kind, signal.unit, signal.value, signal.n) == (kind, "share", 1.0, LEAST_HITS)
    assert signal.ratio == pytest.approx(1 / lane.test.base)
    assert lane.ratio == pytest.approx(signal.ratio)
    assert signal.since == "2026-01-01T10:00:06.000Z"
    lane.begin(START_MS)
    lane.test = fitted(500, 1200)
    shown = lane.signal(False, RULES)
    assert shown is not None
    assert shown.baseline == signal.baseline, "what was so when it opened"


@given(st.lists(st.booleans(), max_size=120), st.booleans(), st.integers(0, 120))
@settings(max_examples=40, deadline=None)
def test_packing_anywhere_changes_nothing(outcomes: list[bool], opened: bool, cut: int) -> None:
    encode = msgspec.msgpack.encode
    lanes = [ErrorLane(test=fitted(5, 1000)) for _ in range(2)]
    for lane in lanes:
        weigh(lane, [True] * 10)
        if opened:
            lane.begin(START_MS)
    for number, hit in enumerate(outcomes):
        if number == cut:
            lanes[1] = msgspec.msgpack.decode(encode(lanes[1]), type=ErrorLane)
        for lane in lanes:
            weigh(lane, [hit], begin=10 + number)
            assert all(0 <= found <= 3 * H for found in lane.evidence)
            assert 0 <= lane.share <= 1
    assert encode(lanes[0]) == encode(lanes[1])
