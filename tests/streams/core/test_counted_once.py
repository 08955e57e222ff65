"""One real call counts once in its series, whoever tells of it; and a series without content says why."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_schemas.alert import Alert
from lumina_schemas.mapping.instrumentations import ANY_SETTING, INSTRUMENTATIONS, content_setting
from lumina_streams.core.series.state import Hot, SeriesState
from lumina_streams.core.series.step import RECENT_ANSWERS, SCOPES

TRAILING = ("answers", "telling", "scope", "slots", "asides", "imported")
"""Fields at the end of the hot state that came later than the others."""

OPENLLMETRY = "opentelemetry.instrumentation.openai.v1"


def a_roll_up(traffic: Any, **fields: Any) -> Any:
    """An agent's span with tokens, whose trace may hold its calls or not."""
    values = {"kind": "agent", "candidate": True, "priced": False, "scope": "a"}
    return traffic.call(**(values | fields))


def test_a_candidate_counts_where_its_scope_has_told_no_calls(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic()
    bench.feed([traffic.call(scope="client"), a_roll_up(traffic), a_roll_up(traffic)])
    assert bench.state.hot.calls == 3
    assert bench.state.hot.unpriced == 0
    bench.feed([traffic.call(scope="a")])
    bench.feed([a_roll_up(traffic), a_roll_up(traffic, scope="b"), a_roll_up(traffic, kind="chain")])
    assert bench.state.hot.calls == 5, "scope a tells its calls, scope b has told none"


def test_the_cost_of_a_candidate_is_learned(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(a_roll_up(traffic) for _ in range(200))
    _, alert = bench.feed_until(
        (a_roll_up(traffic, times=8) for _ in range(40)), lambda alert: alert.kind == "cost_spike"
    )
    assert alert.state == "open"


@pytest.mark.parametrize("kind", ["agent", "chain", "tool", "retrieval", "span", "rerank"])
def test_other_spans_do_not_count(make_traffic: Any, bench: Any, kind: str) -> None:
    traffic = make_traffic()
    bench.feed([traffic.call(kind=kind, scope="a"), a_roll_up(traffic, duplicate_of="1" * 16)])
    assert bench.state.hot.calls == 0
    bench.feed([a_roll_up(traffic)])
    assert bench.state.hot.calls == 1, "what does not count tells of no calls"


def test_a_second_instrumentations_span_is_not_counted_twice(make_traffic: Any, bench: Any) -> None:
    """Another scope, the same response id, another message; three scopes as well as two."""
    traffic = make_traffic()
    for number in range(20):
        answer = f"chatcmpl-{number}"
        bench.feed(traffic.call(scope=scope, response_id=answer) for scope in ("a", "b", "c"))
    assert bench.state.hot.calls == 20


def test_one_scope_repeating_an_id_made_calls_of_their_own(make_traffic: Any, bench: Any) -> None:
    """A cache, or a test server: two scopes see each of five calls."""
    traffic = make_traffic()
    for _ in range(5):
        bench.feed(traffic.call(scope=scope, response_id="chatcmpl-1") for scope in ("a", "b"))
    assert bench.state.hot.calls == 5


def test_calls_without_an_id_count_each(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic()
    bench.feed(traffic.call(scope=scope) for scope in ("a", "b"))
    assert bench.state.hot.calls == 2


def test_a_second_span_is_known_among_many_calls_in_flight(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic()
    answers = [f"resp_{number}" for number in range(RECENT_ANSWERS)]
    bench.feed(traffic.call(scope="a", response_id=answer) for answer in answers)
    bench.feed(traffic.call(scope="b", response_id=answer) for answer in reversed(answers))
    assert bench.state.hot.calls == RECENT_ANSWERS
    assert len(bench.state.hot.answers) == 8 * RECENT_ANSWERS


def test_what_is_remembered_is_bounded(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic(content=False)
    bench.feed(
        traffic.call(scope=f"scope {number} " + "x" * 500, response_id=f"{number} " + "y" * 500)
        for number in range(100)
    )
    hot = bench.state.hot
    assert bench.state.hot.calls == 100
    assert (len(hot.answers), len(hot.telling), len(hot.scope)) == (8 * RECENT_ANSWERS, SCOPES, 80)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4), st.booleans()), max_size=30))
def test_any_scopes_and_ids(traffic_type: Any, told: list[tuple[str, str, bool]]) -> None:
    """Never more calls than spans; and the state comes back from its bytes."""
    from lumina_streams.core.series.rules import Rules
    from lumina_streams.core.series.step import step

    traffic = traffic_type()
    state = SeriesState.fresh("s", "demo", "checkout", "answer")
    for scope, answer, candidate in told:
        call = traffic.call(scope=scope, response_id=answer, candidate=candidate)
        step(state, call, Rules(), "2026-01-01T10:00:00Z")
    named = {(scope, answer) for scope, answer, candidate in told if answer and not candidate}
    assert bool(told) <= state.hot.calls <= len(told)
    assert len(state.hot.answers) // 8 <= max(len(told), len(named))
    cold = state.pack_cold() if state.cold_version else None
    assert SeriesState.unpack(state.pack_hot(), cold).hot == state.hot


# Why a series has no content


def spike_without_content(make_traffic: Any, bench: Any, **fields: Any) -> Alert:
    traffic = make_traffic(content=False)
    bench.feed(traffic.call(**fields) for _ in range(200))
    alert: Alert
    _, alert = bench.feed_until(
        (traffic.call(times=8, **fields) for _ in range(40)), lambda alert: alert.kind == "cost_spike"
    )
    return alert


@pytest.mark.parametrize(
    ("scope", "setting"),
    [
        (OPENLLMETRY, "TRACELOOP_TRACE_CONTENT=true"),
        ("opentelemetry.instrumentation.openai_v2", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
        ("openinference.instrumentation.langchain", "OPENINFERENCE_HIDE_INPUTS=false"),
        ("ai", "recordInputs: true"),
        ("aiomething", ANY_SETTING),
        ("", ANY_SETTING),
    ],
)
@pytest.mark.parametrize("kind", ["llm", "candidate"])
def test_an_alert_names_the_setting_that_turns_content_on(
    make_traffic: Any, bench: Any, scope: str, setting: str, kind: str
) -> None:
    fields = {"kind": "agent", "candidate": True, "priced": False} if kind == "candidate" else {}
    alert = spike_without_content(make_traffic, bench, scope=scope, **fields)
    (missing,) = [text for text in alert.missing if text.startswith("quality:")]
    assert "no answers were captured" in missing
    assert setting in missing


def test_a_series_with_content_misses_none(make_traffic: Any, bench: Any) -> None:
    traffic = make_traffic()
    bench.feed(traffic.call(scope=OPENLLMETRY) for _ in range(200))
    _, alert = bench.feed_until(
        (traffic.call(times=8, scope=OPENLLMETRY) for _ in range(40)),
        lambda alert: alert.kind == "cost_spike",
    )
    assert not any("no answers" in text for text in alert.missing)


@pytest.mark.parametrize("instrumentation", INSTRUMENTATIONS, ids=lambda entry: entry.title)
def test_every_instrumentation_is_found_by_its_scopes(instrumentation: Any) -> None:
    """Whatever of a scope's name is kept in the state is enough to find it."""
    assert instrumentation.content
    for scope in instrumentation.scopes:
        assert content_setting(scope) == instrumentation.content
        assert len(scope) < 80


# The stored state of an older version


def test_a_state_from_before_these_fields_unpacks(make_traffic: Any, bench: Any) -> None:
    """A worker of a new version reads what the old one wrote: absent trailing fields are empty."""
    traffic = make_traffic(content=False)
    bench.feed(traffic.call(scope="a", response_id=f"r{number}") for number in range(30))
    packed = bench.state.pack_hot()
    values = msgspec.msgpack.decode(packed)
    assert Hot.__struct_fields__[-len(TRAILING) :] == TRAILING
    assert len(values) == len(Hot.__struct_fields__)
    cold = bench.state.pack_cold() if bench.state.cold_version else None

    for kept in range(len(TRAILING) + 1):
        older = msgspec.msgpack.encode(values[: len(values) - kept])
        state = SeriesState.unpack(older, cold)
        fresh = {"answers": b"", "telling": [], "scope": "", "slots": [], "asides": [], "imported": False}
        expected = {
            name: fresh[name] if place >= len(TRAILING) - kept else getattr(bench.state.hot, name)
            for place, name in enumerate(TRAILING)
        }
        assert {name: getattr(state.hot, name) for name in TRAILING} == expected
        assert state.hot.calls == bench.state.hot.calls
        for name in Hot.__struct_fields__[: -len(TRAILING)]:
            assert msgspec.msgpack.encode(getattr(state.hot, name)) == msgspec.msgpack.encode(
                getattr(bench.state.hot, name)
            )
    assert SeriesState.unpack(packed, cold).pack_hot() == packed


def test_an_older_state_goes_on_counting(make_traffic: Any, make_bench: Any) -> None:
    """After the upgrade a second scope's span is known as such as soon as the first one was told."""
    traffic, bench = make_traffic(content=False), make_bench()
    bench.feed(traffic.call(scope="a") for _ in range(5))
    values = msgspec.msgpack.decode(bench.state.pack_hot())[: -len(TRAILING)]
    later = make_bench(state=SeriesState.unpack(msgspec.msgpack.encode(values), None))
    later.feed([traffic.call(scope="a", response_id="r"), traffic.call(scope="b", response_id="r")])
    assert later.state.hot.calls == 6
