"""Labelled series of one value per period, made up: what the detector of recorded series is set by.

Seven kinds of series that monitoring meets, with incidents of five kinds. No recorded file is looked at.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import exp, log, pi, sin, sqrt
from typing import Literal

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
START_S = 1_767_571_200.0  # Monday, 2026-01-05 00:00 UTC
FIRST_INCIDENT = 0.3  # of the series: before it, it is only learned
MARGIN_S = 2 * HOUR_S  # around an incident, as people label it
APART_S = 2 * DAY_S

Kind = Literal["spend", "clicks", "load", "level", "bursts", "sparse", "steps"]
KINDS: tuple[Kind, ...] = ("spend", "clicks", "load", "level", "bursts", "sparse", "steps")

Shape = Callable[[float], float]


@dataclass(frozen=True)
class Recording:
    """A series and its labels; times in s since 1970."""

    name: str
    points: list[tuple[float, float]]
    windows: list[tuple[float, float]]


What = Literal["spike", "rise", "fall", "silence", "noise"]
WHAT: tuple[What, ...] = ("spike", "spike", "rise", "rise", "fall", "silence", "noise")


@dataclass(frozen=True)
class _Change:
    what: What
    from_s: float
    to_s: float
    factor: float


def draw_recording(seed: int, index: int) -> Recording:
    """Series number `index` of a seed."""
    kind = KINDS[index % len(KINDS)]
    rng = random.Random(f"recorded {seed}/{index}")
    period_s = HOUR_S if kind == "clicks" else rng.choice((300.0, 300.0, 300.0, 1800.0, HOUR_S))
    days = 65 if period_s >= HOUR_S else 30 if period_s >= 1800 else 14
    count = int(days * DAY_S / period_s)
    changes = _changes(rng, count, period_s)
    value = _value(kind, rng, period_s)
    points: list[tuple[float, float]] = []
    for number in range(count):
        at_s = START_S + number * period_s
        x = value(at_s)
        for change in changes:
            if change.from_s <= at_s < change.to_s:
                x = _changed(x, change, rng)
        points.append((at_s, x))
    windows = [(change.from_s - MARGIN_S, change.to_s + MARGIN_S) for change in changes]
    return Recording(f"{kind}-{seed}-{index}", points, windows)


def _changes(rng: random.Random, count: int, period_s: float) -> list[_Change]:
    found: list[_Change] = []
    end_s = START_S + count * period_s
    for _ in range(rng.choice((0, 1, 2, 2, 3))):
        from_s = START_S + period_s * rng.randrange(int(FIRST_INCIDENT * count), int(0.95 * count))
        what = rng.choice(WHAT)
        if what == "spike":
            change = _Change(
                "spike", from_s, from_s + period_s * rng.randint(1, 4), rng.choice((3.0, 5.0, 10.0))
            )
        else:
            hours = exp(rng.uniform(log(3), log(20)))
            factor = rng.choice((0.2, 0.4)) if what == "fall" else rng.choice((1.7, 2.0, 3.0))
            change = _Change(what, from_s, from_s + hours * HOUR_S, factor)
        if change.to_s < end_s and all(
            change.from_s > other.to_s + APART_S or change.to_s + APART_S < other.from_s for other in found
        ):
            found.append(change)
    return sorted(found, key=lambda change: change.from_s)


def _changed(x: float, change: _Change, rng: random.Random) -> float:
    match change.what:
        case "silence":
            return 0.0
        case "noise":
            return x * exp(log(change.factor) * rng.gauss(0.0, 1.0))
        case _:
            return x * change.factor


def _value(kind: Kind, rng: random.Random, period_s: float) -> Shape:
    """The value of a kind of series at a time, while nothing happens."""
    scale = exp(rng.uniform(log(0.01), log(1000)))
    depth, peak = rng.uniform(0.2, 1.1), rng.uniform(0, DAY_S)
    weekend = rng.choice((1.0, 0.9, 0.6))
    noise = rng.uniform(0.05, 0.3)
    state = [0.0]

    def rhythm(at_s: float) -> float:
        wave = exp(depth * sin(2 * pi * (at_s - peak) / DAY_S))
        return wave * (weekend if (at_s - START_S) // DAY_S % 7 >= 5 else 1.0)

    def walk(keep: float, width: float) -> float:
        state[0] = keep * state[0] + width * sqrt(1 - keep * keep) * rng.gauss(0.0, 1.0)
        return state[0]

    def spend(at_s: float) -> float:
        """Dear calls of a varying number: a sum of log-normal costs."""
        mean = rate * period_s * rhythm(at_s)
        calls = max(0, round(mean + sqrt(mean) * rng.gauss(0.0, 1.0)))
        if calls > 40:
            return scale * max(0.0, calls * 1.13 + sqrt(calls) * 0.6 * rng.gauss(0.0, 1.0))
        return scale * sum(rng.lognormvariate(0.0, 0.5) for _ in range(calls))

    def clicks(_: float) -> float:
        """Mean cost of few clicks, with a heavy tail."""
        tail = rng.paretovariate(2.5) if rng.random() < 0.05 else 1.0
        return scale * exp(walk(0.8, noise) + noise * rng.gauss(0.0, 1.0)) * min(tail, 4.0)

    def load(at_s: float) -> float:
        return scale * rhythm(at_s) * exp(walk(0.9, noise) + 0.3 * noise * rng.gauss(0.0, 1.0))

    def level(_: float) -> float:
        return scale * (1.0 + 0.2 * walk(0.98, noise) + 0.03 * rng.gauss(0.0, 1.0))

    def bursts(at_s: float) -> float:
        """A low level with jobs at their times, and some at none."""
        busy = any(abs((at_s - job) % DAY_S) < length for job in jobs) or rng.random() < chance
        return scale * (rng.uniform(3, 6) if busy else 1.0) * exp(0.1 * rng.gauss(0.0, 1.0))

    def sparse(at_s: float) -> float:
        """Nothing, mostly."""
        if rng.random() < 0.6:
            return 0.0
        return scale * rhythm(at_s) * rng.lognormvariate(0.0, 0.5)

    def steps(_: float) -> float:
        """Few different values: a counter of coarse steps."""
        return scale * (10 + (rng.random() < 0.2) + (rng.random() < 0.02))

    rate = exp(rng.uniform(log(0.5), log(30))) / 60
    length = rng.choice((900.0, 1800.0, 3600.0))
    jobs = [rng.uniform(0, DAY_S) for _ in range(rng.randint(1, 3))]
    chance = rng.choice((0.0, 0.005, 0.02))
    shapes: dict[Kind, Shape] = {
        "spend": spend,
        "clicks": clicks,
        "load": load,
        "level": level,
        "bursts": bursts,
        "sparse": sparse,
        "steps": steps,
    }
    return shapes[kind]
