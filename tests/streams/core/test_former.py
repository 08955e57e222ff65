"""States that the version before wrote: `former/*.hot` and `*.cold`, 300 usual calls and 20 that deviate.

They are its own bytes: made by it, with `Traffic(seed=3, sigma=0.2)` and the clock at 1,900,000,000,000.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from lumina_schemas.source import Source
from lumina_streams.core.series.state import STATE_VERSION, SeriesState, cold_version
from streams.core.bench import Bench, Traffic

FOLDER = Path(__file__).parent / "former"
KINDS = {"cost": "cost_spike", "quality": "quality_drop", "dual": "cost_and_quality"}
REFUSAL = "I'm sorry, but I can't help with that request."
DEVIATING: dict[str, dict[str, Any]] = {
    "cost": {"times": 4},
    "quality": {"answer": REFUSAL},
    "dual": {"times": 4, "answer": REFUSAL},
}


def former(name: str) -> bytes:
    return (FOLDER / f"{name}.hot").read_bytes()


def former_cold(name: str) -> bytes:
    return (FOLDER / f"{name}.cold").read_bytes()


def carried(name: str) -> tuple[Bench, Traffic]:
    """The series as it goes on, and its next calls."""
    traffic = Traffic(seed=3, sigma=0.2)
    traffic.calls(320)
    return Bench(state=SeriesState.unpack(former(name), former_cold(name))), traffic


@pytest.mark.parametrize("name", KINDS)
def test_positions_ids_counts_and_alerts_go_on(name: str) -> None:
    bench, traffic = carried(name)
    before: list[Any] = msgspec.msgpack.decode(former(name))
    hot = bench.state.hot
    assert (before[0], hot.v) == (2, STATE_VERSION)
    assert bench.state.cold_dirty, "the slot that it names holds a cold state of the version before"
    assert hot.cold_version == before[1] + 1
    assert (hot.calls, hot.newest_ms, hot.clock_ms) == (320, before[7], 1_900_000_000_000)
    assert hot.largest == before[16]
    assert not bench.state.positions.advance(Source("epoch", "otlp", 0, 320, 0))
    (track,) = hot.book.tracks
    assert track.open
    assert msgspec.json.encode(track.alert) == msgspec.json.encode(before[29][0][0][0])
    again = traffic.call(span_id=f"{(3 << 40) + 320:016x}")
    bench.feed([again])
    assert hot.calls == 320, "a retry of a call that the former version has counted"


@pytest.mark.parametrize("name", KINDS)
def test_an_alert_that_was_open_ends_when_calls_are_as_before_it(name: str) -> None:
    bench, traffic = carried(name)
    (track,) = bench.state.hot.book.tracks
    _, alert = bench.feed_until(traffic.calls(200), lambda alert: alert.state == "resolved")
    assert (alert.id, alert.rev) == (track.alert.id, track.alert.rev)
    assert (alert.kind, alert.reason) == (KINDS[name], "recovered")
    assert [entry.state for entry in alert.history][-2:] == ["open", "resolved"]


@pytest.mark.parametrize("name", KINDS)
def test_an_alert_whose_cause_goes_on_stays_open(name: str) -> None:
    bench, traffic = carried(name)
    (track,) = bench.state.hot.book.tracks
    bench.feed(traffic.call(**DEVIATING[name]) for _ in range(300))
    assert {(alert.id, alert.state) for alert in bench.alerts} <= {(track.alert.id, "open")}
    assert bench.state.hot.book.tracks[0].open
    assert bench.state.hot.cost.test.p50 == pytest.approx(0.004, rel=0.1)


@pytest.mark.parametrize("name", KINDS)
def test_what_is_learned_alerts_again(name: str) -> None:
    bench, traffic = carried(name)
    bench.feed(traffic.calls(400))
    assert bench.state.hot.cost.test.n > 300
    assert bench.state.hot.quality.test.n > 300
    traffic.now_ns += 3_600 * 10**9  # beyond the cooldown
    bench.feed(traffic.calls(10))
    before = {alert.id for alert in bench.alerts}
    calls = (traffic.call(**DEVIATING[name]) for _ in range(40))
    _, alert = bench.feed_until(calls, lambda alert: alert.kind == KINDS[name] and alert.state == "open")
    assert alert.id not in before


@pytest.mark.parametrize("name", KINDS)
def test_it_is_written_as_a_state_of_today(name: str) -> None:
    bench, traffic = carried(name)
    cold = bench.state.pack_cold()
    packed = bench.state.pack_hot()
    assert cold_version(packed) == int.from_bytes(cold[:8], "big")
    twin = Bench(state=SeriesState.unpack(packed, cold))
    assert twin.state.pack_hot() == packed
    calls = traffic.calls(150)
    assert bench.feed(calls) == twin.feed(calls)
    assert bench.state.pack_hot() == twin.state.pack_hot()
    assert bench.state.pack_cold() == twin.state.pack_cold()


def test_what_is_no_former_state_is_refused() -> None:
    with pytest.raises(ValueError, match="Unreadable"):
        SeriesState.unpack(msgspec.msgpack.encode([2, 0, "too short"]), None)
    with pytest.raises(ValueError, match="Unreadable"):
        SeriesState.unpack(msgspec.msgpack.encode([2, 0, *["odd"] * 32]), None)
    with pytest.raises(ValueError, match="Unreadable"):
        SeriesState.unpack(former("cost")[:-40], former_cold("cost"))
