import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.baseline.sketch import Sketch
from lumina_streams.core.baseline.windows import DAY_MS, HOUR_MS, MINUTE_MS, Baselines, PackedRing, Ring

T0 = 20_454 * DAY_MS


def ring() -> Ring:
    return Ring("1h", 5 * MINUTE_MS, 12)


def test_windows_leave_when_their_time_is_over() -> None:
    hour = ring()
    hour.add(T0, Sketch.of([1.0]))
    hour.add(T0 + 55 * MINUTE_MS, Sketch.of([2.0]))
    assert hour.merged().n == 2
    hour.add(T0 + 60 * MINUTE_MS, Sketch.of([3.0]))
    assert hour.merged().n == 2


def test_a_late_point_finds_its_window_and_a_too_late_one_is_dropped() -> None:
    hour = ring()
    hour.add(T0, Sketch.of([1.0]))
    hour.add(T0 + 30 * MINUTE_MS, Sketch.of([2.0]))
    hour.add(T0 + MINUTE_MS, Sketch.of([3.0]))
    hour.add(T0 + 11 * MINUTE_MS, Sketch.of([4.0]))
    assert [start for start, _, _ in hour.closed] == [T0, T0 + 10 * MINUTE_MS]
    assert hour.merged().n == 4
    hour.add(T0 - 2 * HOUR_MS, Sketch.of([5.0]))
    assert hour.merged().n == 4


@given(st.lists(st.tuples(st.integers(0, 50 * MINUTE_MS), st.floats(0.001, 10)), min_size=1, max_size=40))
def test_order_changes_no_count(points: list[tuple[int, float]]) -> None:
    orders = [sorted(points), list(points), sorted(points, reverse=True)]
    packed = set()
    for order in orders:
        hour = ring()
        for after, value in order:
            hour.add(T0 + after, Sketch.of([value]))
        packed.add((hour.start, hour.open.pack(), tuple(hour.closed)))
    assert len(packed) == 1


def test_the_week_decides_so_that_a_rise_does_not_become_its_own_baseline() -> None:
    baselines = Baselines()
    baselines.teach(T0, {"cost": Sketch.of([1.0] * 300)})
    baselines.teach(T0 + 2 * DAY_MS, {"cost": Sketch.of([2.0] * 250)})
    name, sketch = baselines.reference("cost")
    assert (name, sketch.n) == ("7d", 550)


def test_a_level_that_fell_is_believed_after_a_day() -> None:
    baselines = Baselines()
    baselines.teach(T0, {"cost": Sketch.of([2.0] * 300), "calls": Sketch.of([1.0] * 300)})
    later = T0 + 2 * DAY_MS
    baselines.teach(later, {"cost": Sketch.of([1.0] * 199), "calls": Sketch.of([1.0] * 310)})
    assert baselines.reference("cost")[0] == "7d"
    baselines.teach(later, {"cost": Sketch.of([1.0])})
    assert baselines.reference("cost")[0] == "7d"  # a third of the day's calls taught nothing
    baselines.teach(later, {"cost": Sketch.of([1.0] * 50)})
    name, sketch = baselines.reference("cost")
    assert (name, sketch.n) == ("24h", 250)


def test_a_window_is_named_by_what_is_known() -> None:
    baselines = Baselines()
    names = []
    for at_ms in (T0, T0 + 3 * HOUR_MS, T0 + DAY_MS):
        baselines.teach(at_ms, {"cost": Sketch.of([1.0])})
        names.append(baselines.window("cost"))
    assert names == ["1h", "24h", "7d"]


def test_what_was_kept_can_be_restored() -> None:
    baselines = Baselines()
    baselines.teach(T0, {"cost": Sketch.of([1.0] * 50)})
    kept = baselines.keep(["cost"])
    baselines.replace(T0 + HOUR_MS, "cost", Sketch.of([9.0] * 3))
    baselines.restore(["cost"], kept)
    assert baselines.keep(["cost"]) == kept
    assert baselines.count("cost") == 50


def test_a_packed_baseline_is_the_same_baseline() -> None:
    rng = random.Random(1)
    baselines = Baselines()
    for minute in range(0, 3000, 7):
        baselines.teach(T0 + minute * MINUTE_MS, {"cost": Sketch.of([rng.lognormvariate(-5, 0.6)])})
    packed = msgspec.msgpack.encode(baselines.pack())
    twin = Baselines()
    twin.load(msgspec.msgpack.decode(packed, type=list[list[PackedRing]]))
    assert msgspec.msgpack.encode(twin.pack()) == packed
    assert twin.reference("cost")[1].pack() == baselines.reference("cost")[1].pack()


def test_an_adopted_level_replaces_what_was_known() -> None:
    baselines = Baselines()
    baselines.teach(T0, {"cost": Sketch.of([1.0] * 50)})
    baselines.replace(T0, "cost", Sketch.of([9.0] * 3))
    assert baselines.reference("cost")[1].n == 3


def test_rate_counts_the_last_hour_and_gives_a_young_series_five_minutes() -> None:
    baselines = Baselines()
    baselines.teach(T0, {"calls": Sketch.of([1.0] * 100)})
    assert baselines.rate_per_min(T0 + 1000) == 20.0
    assert baselines.rate_per_min(T0 + 50 * MINUTE_MS) == 2.0
