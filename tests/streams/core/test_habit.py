"""What calls look like: bounded, order-free, and equal content gives equal bytes."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.baseline.habit import MOST_CALLS, NAME_CHARS, OTHER, VALUES, Habit

Row = tuple[str, str, str, float | None, int | None, int | None, int | None, bool]
few = st.sampled_from(["", "a", "b", "c"])
tokens = st.none() | st.integers(0, 10**6)
rows = st.lists(
    st.tuples(few, few, few, st.none() | st.floats(0, 100), tokens, tokens, tokens, st.booleans()),
    max_size=30,
)


def habit_of(entries: list[Row]) -> Habit:
    habit = Habit()
    for entry in entries:
        habit.add(*entry)
    return habit


def packed(habit: Habit) -> bytes:
    return msgspec.msgpack.encode(habit)


@given(rows, st.randoms(use_true_random=False))
def test_order_and_grouping_change_nothing(entries: list[Row], rng: object) -> None:
    shuffled = entries.copy()
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    whole = packed(habit_of(entries))
    assert packed(habit_of(shuffled)) == whole
    half = len(entries) // 2
    merged = habit_of(entries[half:])
    merged.merge(habit_of(entries[:half]))
    assert packed(merged) == whole
    assert packed(msgspec.msgpack.decode(whole, type=Habit)) == whole


def test_more_values_than_are_told_apart_are_joined() -> None:
    habit = Habit()
    for number in range(50):
        habit.add(f"model {number}", f"v{number}", f"r{number}", 0.5, 10, 2, 5, False)
    assert len(habit.models) == len(habit.versions) == len(habit.releases) == VALUES + 1
    assert habit.models[OTHER].calls == habit.versions[OTHER] == 50 - VALUES
    assert habit.priced.calls == 50
    assert habit.priced.cost == pytest.approx(25.0)
    assert (habit.all.input_tokens, habit.all.cached_tokens, habit.all.output_tokens) == (500, 100, 250)


def test_hostile_names_and_numbers_stay_bounded() -> None:
    habit = Habit()
    for number in range(40):
        habit.add(f"{number}" * 10_000, "v" * 10_000, "r" * 10_000, 1e12, 2**32 - 2, 2**33, 2**32 - 2, True)
    assert max(map(len, habit.models)) == NAME_CHARS
    assert len(packed(habit)) < 5000
    assert habit.all.cached_tokens == habit.all.input_tokens
    for _ in range(3 * MOST_CALLS):
        habit.add("m", "", "", 1e12, 2**32 - 2, 0, 2**32 - 2, False)
        habit.fade()
    assert packed(habit)  # no number beyond 64 bits


def test_old_calls_fade() -> None:
    habit = Habit()
    for number in range(MOST_CALLS + 100):
        habit.add("old" if number < MOST_CALLS else "new", "", "", 0.01, 100, None, 10, number % 10 == 0)
        habit.fade()
    assert habit.calls == MOST_CALLS // 2 + 100
    assert (habit.models["old"].calls, habit.models["new"].calls) == (MOST_CALLS // 2, 100)
    assert habit.models["old"].cost / habit.models["old"].calls == pytest.approx(0.01)
    assert habit.failed == pytest.approx(habit.calls / 10, abs=1)


def test_models_with_and_without_a_price_are_told_apart() -> None:
    habit = Habit()
    for cost in (0.5, None, None):
        habit.add("m", "", "", cost, 10, None, 5, False)
    assert (habit.models["m"].calls, habit.unpriced["m"].calls) == (1, 2)
    assert habit.calls_by_model() == {"m": 3}
