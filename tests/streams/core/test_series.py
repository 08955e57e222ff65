"""State: packed and unpacked anywhere, crashed and replayed anywhere, the same alerts."""

import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_schemas.source import Source
from lumina_schemas.span import Content, Message, Part, Span
from lumina_streams.core.series.call import Call, LateContent, decode_line
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState
from streams.core.bench import Table, apply, fresh


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest) -> list[Call]:
    """Normal, dear, dear and bad, normal again."""
    make_traffic = request.getfixturevalue("traffic_type")
    traffic = make_traffic(seed=21, prompts=4)
    refusal = "I'm sorry, but I can't help with that."
    return [
        *traffic.calls(230),
        *traffic.calls(20, times=3, request_model="gpt-4o"),
        *traffic.calls(20, times=3, answer=refusal, request_model="gpt-4o"),
        *traffic.calls(90),
    ]


def test_the_story_has_every_transition(story: list[Call]) -> None:
    news = apply(fresh(), story)
    assert [(alert.kind, alert.state) for alert in news if alert.history[-1].note != ""][-1][1] == "resolved"
    assert {"cost_spike", "cost_and_quality"} <= {alert.kind for alert in news}
    assert len({alert.id for alert in news}) == 1


def test_packing_at_any_call_changes_nothing(story: list[Call]) -> None:
    """Unpacked from bytes after every call, the state stays byte for byte that of one never unpacked."""
    kept, table = fresh(), Table()
    table.write_cold(kept)
    table.write_hot(kept)
    for index, call in enumerate(story):
        loaded = table.load()
        assert apply(kept, [call]) == apply(loaded, [call])
        assert loaded.cold_dirty == kept.cold_dirty
        table.write_cold(loaded)
        if kept.cold_dirty or index % 50 == 0:
            assert kept.pack_cold() == loaded.pack_cold()
        table.write_hot(loaded)
        assert kept.pack_hot() == table.values["h"]


def test_a_crash_anywhere_replays_to_the_same_alerts(story: list[Call]) -> None:
    """Runs of random length, a crash before, between or after the two writes, then the whole log again."""
    wanted = apply(fresh(), story)
    for seed in range(60):
        rng = random.Random(seed)
        table = Table()
        published: dict[tuple[str, int], Any] = {}
        crashes = 6
        while True:
            state = table.load()
            crashed = False
            start = 0
            while start < len(story):
                end = start + rng.randint(1, 90)
                for alert in apply(state, story[start:end]):
                    published[alert.id, alert.rev] = alert
                start = end
                fate = rng.random() if crashes else 1.0
                if fate < 0.1:
                    crashed = True
                elif fate < 0.2:
                    table.write_cold(state)
                    crashed = True
                else:
                    table.write_cold(state)
                    table.write_hot(state)
                if crashed:
                    break
            if not crashed:
                break
            crashes -= 1
        assert list(published.values()) == wanted


def test_replaying_everything_again_changes_nothing(story: list[Call]) -> None:
    state = fresh()
    apply(state, story)
    hot, cold = state.pack_hot(), state.pack_cold()
    assert apply(state, story) == []
    assert (state.pack_hot(), state.pack_cold()) == (hot, cold)


def test_a_clients_retry_under_another_position_counts_once(make_traffic: Any) -> None:
    calls = make_traffic(seed=1).calls(100)
    once, twice = fresh(), fresh()
    apply(once, calls)
    for call in calls:
        again = msgspec.structs.replace(call, src=call.src._replace(partition=1))
        apply(twice, [call, again])
    twice.positions.heads["otlp"]["epoch"].pop(1)
    assert twice.pack_hot() == once.pack_hot()
    assert twice.pack_cold() == once.pack_cold()


def test_hot_and_cold_that_do_not_belong_together_are_refused(story: list[Call]) -> None:
    state = fresh()
    apply(state, story[:100])
    cold = state.pack_cold()
    hot = state.pack_hot()
    apply(state, story[100:230])
    with pytest.raises(ValueError, match="lost a write"):
        SeriesState.unpack(hot, None)
    with pytest.raises(ValueError, match="lost a write"):
        SeriesState.unpack(state.pack_hot(), cold)
    with pytest.raises(ValueError, match="Unreadable"):
        SeriesState.unpack(b"\xc1", None)


def test_state_is_small(story: list[Call]) -> None:
    state = fresh()
    sizes = []
    for call in story[:230]:
        apply(state, [call])
        sizes.append(len(state.pack_hot()))
    assert sum(sizes) / len(sizes) < 3_500
    assert max(sizes) < 8_000
    assert len(state.pack_cold()) < 24_000


def test_late_calls_count_but_drive_no_test(make_traffic: Any) -> None:
    traffic = make_traffic(seed=2, content=False)
    state = fresh()
    apply(state, traffic.calls(300))
    late = [
        msgspec.structs.replace(call, start_ns=call.start_ns - 1_200_000_000_000)
        for call in traffic.calls(100, times=10)
    ]
    before = state.hot.newest_ms
    assert apply(state, late) == []
    assert state.hot.newest_ms >= before
    assert state.hot.calls == 400


def test_a_single_wrong_clock_does_not_make_all_others_late(make_traffic: Any) -> None:
    traffic = make_traffic(seed=3, content=False)
    state = fresh()
    apply(state, traffic.calls(50))
    newest = state.hot.newest_ms
    wrong = msgspec.structs.replace(traffic.call(), start_ns=9 * 10**18)
    apply(state, [wrong, *traffic.calls(10)])
    assert newest < state.hot.newest_ms < newest + 3_600_000
    assert state.hot.calls == 60


def test_a_pause_of_days_is_believed_at_the_second_call(make_traffic: Any) -> None:
    traffic = make_traffic(seed=4, content=False)
    state = fresh()
    apply(state, traffic.calls(50))
    traffic.now_ns += 5 * 86_400 * 10**9
    apply(state, traffic.calls(10))
    assert state.hot.calls == 59


odd = st.fixed_dictionaries(
    {
        "start_ns": st.integers(-(2**63), 2**63 - 1),
        "duration_ms": st.floats(-1e30, 1e30),
        "kind": st.sampled_from(["llm", "embedding", "tool"]),
        "status": st.sampled_from(["ok", "error", "unset"]),
        "cost_usd": st.none() | st.floats(-1e300, 1e300),
        "priced": st.booleans(),
        "input_tokens": st.none() | st.integers(-(2**63), 2**63 - 1),
        "output_tokens": st.none() | st.integers(-(2**63), 2**63 - 1),
        "request_model": st.text(max_size=8),
        "span_id": st.text(max_size=20) | st.binary(min_size=8, max_size=8).map(bytes.hex),
        "answer": st.none() | st.text(max_size=200),
        "finish_reasons": st.lists(st.text(max_size=6), max_size=2).map(tuple),
    }
)


@given(st.lists(odd, max_size=40))
@settings(max_examples=40, deadline=None)
def test_no_call_breaks_the_state(traffic_type: Any, fields: list[dict[str, Any]]) -> None:
    traffic = traffic_type(seed=5)
    state = fresh()
    apply(state, traffic.calls(30))
    for entry in fields:
        apply(state, [traffic.call(**entry)])
    cold = state.pack_cold() if state.cold_version else None
    twin = SeriesState.unpack(state.pack_hot(), cold)
    assert twin.pack_hot() == state.pack_hot()


def test_a_call_decodes_from_a_span_line() -> None:
    span = Span(
        v=1,
        src=Source("e", "otlp", 0, 7, 1),
        series_id="s",
        trace_id="1" * 32,
        span_id="2" * 16,
        project="demo",
        service="checkout",
        endpoint="answer",
        name="chat",
        kind="llm",
        start_ns=5,
        duration_ms=1.5,
        cost_usd=0.25,
        priced=True,
        output_messages=(Message("assistant", (Part("text", content="hi"), Part("tool_call", name="f"))),),
        attributes={"deep": {"er": [1, None]}},
    )
    call = decode_line(msgspec.json.encode(span))
    assert isinstance(call, Call)
    assert call.src == span.src
    assert (call.cost_usd, call.priced) == (0.25, True)
    assert call.output_messages[0].parts[0].content == "hi"


def test_late_content_decodes_and_other_lines_are_refused() -> None:
    content = Content(
        v=1, src=Source("e", "otlp-logs", 0, 1, 0), series_id="s", trace_id="1", span_id="2", project="d"
    )
    assert isinstance(decode_line(msgspec.json.encode(content)), LateContent)
    for line in (b"", b"{}", b'{"type":"other"}', b"\xff"):
        with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
            decode_line(line)


def test_rules_come_from_the_settings() -> None:
    from lumina_schemas.settings import Settings

    assert Rules.from_settings(Settings()) == Rules()
