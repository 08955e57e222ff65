from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.baseline.sketch import ALPHA, HIGHEST, LOWEST, Sketch

values = st.lists(st.floats(LOWEST, HIGHEST), min_size=1, max_size=80)


@given(values, st.floats(0, 1))
def test_quantile_is_within_the_relative_error(numbers: list[float], q: float) -> None:
    exact = sorted(numbers)[int(q * (len(numbers) - 1))]
    assert Sketch.of(numbers).quantile(q) == pytest.approx(exact, rel=ALPHA + 1e-9)


@given(values, values)
def test_merge_is_the_sketch_of_both_in_any_order(one: list[float], other: list[float]) -> None:
    merged = Sketch.of(one)
    merged.merge(Sketch.of(other))
    assert merged.pack() == Sketch.of(reversed(one + other)).pack()
    assert merged.n == len(one) + len(other)


@given(values)
def test_unpack_is_the_inverse_of_pack(numbers: list[float]) -> None:
    sketch = Sketch.of(numbers)
    twin = Sketch.unpack(sketch.pack())
    assert (twin.n, twin.buckets) == (sketch.n, sketch.buckets)


def test_values_outside_the_range_count_as_its_bounds() -> None:
    sketch = Sketch.of([0.0, -3.0, 1e300])
    assert sketch.n == 3
    assert sketch.quantile(0) == pytest.approx(LOWEST, rel=ALPHA)
    assert sketch.quantile(1) == pytest.approx(HIGHEST, rel=ALPHA)


def test_an_empty_sketch_knows_nothing() -> None:
    assert Sketch().quantile(0.5) == 0.0
    assert Sketch().mean() == 0.0


def test_mean_and_logs_agree_with_the_values() -> None:
    sketch = Sketch.of([1.0, 2.0, 3.0])
    assert sketch.mean() == pytest.approx(2.0, rel=ALPHA)
    assert [count for _, count in sketch.logs()] == [1, 1, 1]
    assert exp(sketch.logs()[0][0]) == pytest.approx(1.0, rel=ALPHA)


def test_a_copy_is_independent() -> None:
    sketch = Sketch.of([1.0])
    sketch.copy().add(2.0)
    assert sketch.n == 1
