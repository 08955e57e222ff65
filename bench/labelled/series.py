"""What a series is like while nothing happens: its plan, drawn from a seed."""

import random
from dataclasses import dataclass
from math import exp, log, pi, sin

from labelled.prices import BY_NAME, COUSINS, MODELS, Price
from labelled.text.plan import TextKind, TextPlan, draw_text_plan

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
START_MS = 1_767_571_200_000  # Monday, 2026-01-05 00:00 UTC

SLOWEST, FASTEST = 0.2, 60.0  # calls a minute
GIANTS = 0.003  # share of calls that cost 5 to 30 times as much as they would, for no reason
GIANT_FROM, GIANT_TO = 5.0, 30.0
TAIL_STRETCH = 1.8


@dataclass(frozen=True)
class Plan:
    """One series: how fast, how dear, how wide spread, which rhythm."""

    project: str
    service: str
    endpoint: str
    seed: str
    rate_per_min: float  # mean over a weekday
    day_ratio: float  # calls in the busiest hour over those in the quietest
    peak_h: float  # hour of the day, UTC
    weekend: float  # volume of Saturdays and Sundays over a weekday's
    cost_day: float  # amplitude of the daily rhythm of log cost
    cost_peak_h: float
    cost_weekend: float  # log cost of weekends above weekdays'
    spread: float  # of the log of the tokens
    tail: float  # share of calls whose distance from the median is stretched
    models: tuple[tuple[Price, float], ...]  # with the shares of the calls
    input_tokens: float  # median
    output_tokens: float
    cached: float  # share of the input that comes from the cache when it hits; 0 = no cache
    cache_hits: float  # share of calls
    latency_ms: float
    latency_spread: float
    latency_load: float  # latency in the busiest hour over the mean's, less 1
    error_share: float
    first_ms: int = START_MS  # earlier it had no calls
    text: TextPlan | None = None  # without: calls have no content

    @property
    def price(self) -> Price:
        """Of its main model."""
        return self.models[0][0]

    @property
    def depth(self) -> float:
        """Amplitude of the daily rhythm of log volume."""
        return log(self.day_ratio) / 2

    def volume(self, at_ms: int) -> float:
        """Volume at a time over the mean of a weekday."""
        wave = exp(self.depth * _wave(at_ms, self.peak_h)) / _mean_wave(self.depth)
        return wave * (self.weekend if is_weekend(at_ms) else 1.0)

    def log_cost(self, at_ms: int) -> float:
        """Rhythm of log cost at a time."""
        return self.cost_day * _wave(at_ms, self.cost_peak_h) + (
            self.cost_weekend if is_weekend(at_ms) else 0.0
        )

    def latency(self, at_ms: int) -> float:
        """Rhythm of latency at a time, over its mean: with the load."""
        return 1.0 + self.latency_load * _wave(at_ms, self.peak_h)


def draw_plan(
    seed: int,
    index: int,
    slowest: float = SLOWEST,
    fastest: float = FASTEST,
    first_ms: int = START_MS,
    text: float = 0.0,
    kind: TextKind | None = None,
) -> Plan:
    """The plan of series number `index` of a seed; its first call comes after `first_ms`.

    A share `text` of the series has prompts and answers, of one `kind` if asked for; all else is the same
    with and without.
    """
    name = f"{seed}/{index}"
    rng = random.Random(f"plan {name}")
    main = rng.choice(MODELS)
    models: tuple[tuple[Price, float], ...] = ((main, 1.0),)
    if rng.random() < 0.25:
        share = rng.uniform(0.6, 0.9)
        models = ((main, share), (BY_NAME[COUSINS[main.model]], 1.0 - share))
    cached = rng.uniform(0.6, 0.9) if rng.random() < 0.5 else 0.0
    input_tokens = exp(rng.uniform(log(300), log(6000)))
    output_tokens = exp(rng.uniform(log(60), log(800)))
    if cached:
        # Caches pay where the input is long.
        input_tokens, output_tokens = max(input_tokens, 2000.0), min(output_tokens, 250.0)
    return Plan(
        project=f"bench-{seed}",
        service=f"service-{index % 7}",
        endpoint=f"endpoint-{index}",
        seed=name,
        rate_per_min=exp(rng.uniform(log(slowest), log(fastest))),
        day_ratio=rng.choice((1.0, 2.0, 4.0, 10.0)),
        peak_h=rng.uniform(8, 20),
        weekend=rng.choice((1.0, 0.7, 0.4)),
        cost_day=rng.uniform(0.0, 0.14),
        cost_peak_h=rng.uniform(0, 24),
        cost_weekend=rng.uniform(-0.05, 0.05),
        spread=rng.uniform(0.35, 0.8),
        tail=rng.choice((0.0, 0.02, 0.05)),
        models=models,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached=cached,
        cache_hits=rng.uniform(0.85, 1.0) if cached else 0.0,
        latency_ms=exp(rng.uniform(log(300), log(8000))),
        latency_spread=rng.uniform(0.25, 0.6),
        latency_load=rng.uniform(0.0, 0.25),
        error_share=rng.choice((0.0, 0.002, 0.005, 0.01, 0.02)),
        first_ms=first_ms,
        text=draw_text_plan(name, kind) if random.Random(f"has text {name}").random() < text else None,
    )


def is_weekend(at_ms: int) -> bool:
    """Whether a time lies on a Saturday or Sunday."""
    return (at_ms - START_MS) // DAY_MS % 7 >= 5


def _wave(at_ms: int, peak_h: float) -> float:
    return sin(2 * pi * ((at_ms % DAY_MS) / DAY_MS - peak_h / 24 + 0.25))


def _mean_wave(depth: float) -> float:
    return sum(exp(depth * sin(2 * pi * step / 24)) for step in range(24)) / 24
