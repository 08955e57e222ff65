"""Calls whose clock is wrong are as if they were not there: for tests, baselines, event time and alerts."""

from typing import Any

import msgspec

from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import step
from streams.core.bench import AT, fresh


def test_calls_of_a_wrong_clock_change_nothing_but_their_position(make_traffic: Any) -> None:
    traffic = make_traffic(seed=3, prompts=4)
    calls = [*traffic.calls(230), *traffic.calls(40, times=3, request_model="gpt-4o"), *traffic.calls(60)]
    ahead = 3_600 * 10**9
    skewed = {
        call.span_id: msgspec.structs.replace(
            call, start_ns=call.start_ns + ahead, cost_usd=100.0, clock_skew=True
        )
        for call in calls[5:320:9]
    }
    rules = Rules()
    without, among = fresh(), fresh()
    expected: list[Any] = []
    found: list[Any] = []
    for call in calls:
        wrong = skewed.get(call.span_id)
        if wrong is None:
            assert without.positions.advance(call.src)
            expected += step(without, call, rules, AT)
        assert among.positions.advance(call.src)
        found += step(among, wrong or call, rules, AT)
    assert expected, "the traffic must alert, or the comparison says nothing"
    assert found == expected
    # The last call is an honest one, so that the positions are the same too.
    assert (among.pack_cold(), among.pack_hot()) == (without.pack_cold(), without.pack_hot())


def test_the_same_span_with_a_right_clock_still_counts(make_traffic: Any) -> None:
    call = make_traffic(seed=3).call()
    state = fresh()
    step(state, msgspec.structs.replace(call, clock_skew=True), Rules(), AT)
    assert state.hot.calls == 0
    step(state, call, Rules(), AT)
    assert state.hot.calls == 1
