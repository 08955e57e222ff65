"""How many series share a project's budget: raised, the highest of two days, bounded."""

from lumina_streams.core.series.active import DAY_MS, MOST_PROJECTS, ActiveSeries, quantum

NOON = 20_000 * DAY_MS + DAY_MS // 2


def test_numbers_are_raised_by_at_most_a_quarter() -> None:
    steps = [quantum(series) for series in range(1, 10_000)]
    assert steps == sorted(steps)
    for series, raised in enumerate(steps, 1):
        assert series <= raised <= series * 1.25 + 1
    assert len(set(steps)) < 45
    assert quantum(-5) == 1
    assert quantum(10**400) == quantum(10**9)


def test_the_highest_of_today_and_yesterday_counts() -> None:
    active = ActiveSeries()
    assert active.take({"shop": 40}, NOON)
    assert not active.take({"shop": 40}, NOON)
    assert not active.take({"shop": 7}, NOON + 1000)
    assert active.of() == {"shop": quantum(40)}
    assert active.take({"shop": 7}, NOON + DAY_MS)
    assert active.of() == {"shop": quantum(40)}
    assert active.take({"bank": 2}, NOON + 2 * DAY_MS)
    assert active.of() == {"shop": quantum(7), "bank": quantum(2)}
    assert active.take({}, NOON + 9 * DAY_MS)
    assert active.of() == {}


def test_what_was_told_before_the_clock_is_known_stays() -> None:
    active = ActiveSeries()
    assert active.take({"shop": 40}, 0)
    assert active.take({}, NOON)
    assert active.of() == {"shop": quantum(40)}


def test_there_are_only_so_many_projects() -> None:
    active = ActiveSeries()
    active.take({f"{number}": 2 for number in range(MOST_PROJECTS)}, NOON)
    assert not active.take({"one more": 9}, NOON)
    assert active.take({"7": 9}, NOON)
    assert len(active.of()) == MOST_PROJECTS
