"""The daily rhythm: learned day by day, shrunk where little is known, not spoilt by an incident."""

import random
from collections.abc import Iterable
from math import isfinite, log, pi, sin

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.baseline.rhythm import HOURS, MOST_OFF, Rhythm
from lumina_streams.core.baseline.windows import HOUR_MS

START_MS = 1_767_225_600_000  # midnight
SIGMA = 0.3


def day_of(hour: int) -> float:
    """The truth: the level of an hour of the day, log."""
    return 0.4 * sin(2 * pi * hour / HOURS)


def learn(
    rhythm: Rhythm, hours: Iterable[int], seed: int = 1, per_hour: int = 60, rhythmic: bool = True
) -> None:
    rng = random.Random(seed)
    for hour in hours:
        for number in range(per_hour):
            at_ms = START_MS + hour * HOUR_MS + number * HOUR_MS // per_hour
            level = day_of(hour % HOURS) if rhythmic else 0.0
            rhythm.learn(at_ms, log(0.004) + level + rng.gauss(0, SIGMA), SIGMA)


def test_nothing_is_known_at_first() -> None:
    rhythm = Rhythm()
    assert (rhythm.unknown, rhythm.effects(SIGMA)) == (1.0, ())
    assert rhythm.unrest(0.12) == 0.12, "an unknown hour may differ by so much"


def test_after_three_days_it_is_known_by_the_hour() -> None:
    rhythm = Rhythm()
    learn(rhythm, range(3 * HOURS + 1))
    effects = rhythm.effects(SIGMA)
    assert len(effects) == HOURS
    for hour, effect in enumerate(effects):
        assert effect == pytest.approx(day_of(hour), abs=0.1)
    assert rhythm.unknown == 0.0
    assert rhythm.unrest(0.12) < 0.09


def test_half_a_day_is_no_rhythm_and_one_day_is_half_known() -> None:
    rhythm = Rhythm()
    learn(rhythm, range(HOURS // 2))
    assert rhythm.effects(SIGMA) == ()
    learn(rhythm, range(HOURS // 2, HOURS + 1))
    assert rhythm.effects(SIGMA) != ()
    assert rhythm.unknown == pytest.approx(1 - 1 / 1.7, abs=0.03)


def test_what_has_no_rhythm_is_given_next_to_none() -> None:
    rhythm = Rhythm()
    learn(rhythm, range(5 * HOURS), rhythmic=False)
    effects = rhythm.effects(SIGMA)
    assert max(map(abs, effects), default=0.0) < 0.03


def test_an_incident_of_an_hour_is_cut() -> None:
    rhythm, quiet = Rhythm(), Rhythm()
    for one in rhythm, quiet:
        learn(one, range(3 * HOURS))
    for number in range(60):
        rhythm.learn(START_MS + 3 * HOURS * HOUR_MS + number * 60_000, log(0.04), SIGMA)
    learn(quiet, [3 * HOURS])
    for one in rhythm, quiet:
        learn(one, [3 * HOURS + 1])
    moved = rhythm.effects(SIGMA)[0] - quiet.effects(SIGMA)[0]
    assert 0 < moved < MOST_OFF / 2, "log(10) above, and a part of 0.25 is all that it teaches"


def test_hours_that_move_from_day_to_day_are_unrest() -> None:
    rng = random.Random(2)
    rhythm = Rhythm()
    for hour in range(6 * HOURS):
        moved = rng.gauss(0, 0.2)
        for number in range(60):
            at_ms = START_MS + hour * HOUR_MS + number * 60_000
            rhythm.learn(at_ms, log(0.004) + moved + rng.gauss(0, 0.1), 0.1)
    assert 0.05 < rhythm.unrest(0.0) < 0.3


def test_late_values_and_hours_of_a_few_teach_nothing() -> None:
    rhythm = Rhythm()
    learn(rhythm, range(2 * HOURS))
    before = msgspec.msgpack.encode(rhythm)
    rhythm.learn(START_MS, 100.0, SIGMA)
    assert msgspec.msgpack.encode(rhythm) == before
    learn(rhythm, [2 * HOURS], per_hour=3)
    learn(rhythm, [2 * HOURS + 1])
    assert rhythm.hours[0].weight == 1.7


def test_an_adopted_level_moves_all_hours_and_keeps_their_rhythm() -> None:
    rhythm = Rhythm()
    learn(rhythm, range(3 * HOURS))
    before = rhythm.effects(SIGMA)
    level = rhythm.hours[5].mean
    rhythm.shift(log(2))
    assert rhythm.hours[5].mean == level + log(2)
    assert rhythm.effects(SIGMA) == pytest.approx(before)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400), st.sampled_from([log(1e-9), log(1e12), 0.0, -5.5]), st.integers(1, 30)
        ),
        max_size=60,
    ),
    st.floats(0.1, 10),
    st.integers(0, 60),
)
@settings(max_examples=40, deadline=None)
def test_it_is_bounded_and_packing_anywhere_changes_nothing(
    told: list[tuple[int, float, int]], scale: float, cut: int
) -> None:
    encode = msgspec.msgpack.encode
    rhythms = [Rhythm(), Rhythm()]
    for place, (hour, x, count) in enumerate(told):
        if place == cut:
            rhythms[1] = msgspec.msgpack.decode(encode(rhythms[1]), type=Rhythm)
        for rhythm in rhythms:
            for number in range(count):
                rhythm.learn(START_MS + hour * HOUR_MS + number * 1000, x, scale)
    rhythm = rhythms[0]
    assert all(isfinite(effect) for effect in rhythm.effects(scale))
    assert 0 <= rhythm.unknown <= 1
    assert isfinite(rhythm.unrest(0.12))
    assert len(rhythm.hours) in (0, HOURS)
    assert len(encode(rhythm)) < 1500
    assert encode(rhythms[0]) == encode(rhythms[1])
