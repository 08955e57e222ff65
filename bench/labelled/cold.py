"""The cold start: few calls, then calls at ten times the cost. And young series on which nothing happens."""

import random
from collections import Counter
from math import exp
from typing import Any

from labelled.series import START_MS
from labelled.text.writer import NO_TEXT, Text
from labelled.watch import Product
from lumina_schemas.partition import series_id
from lumina_schemas.source import Source
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules

LIKE_CALLS = (15, 30, 50, 100)  # before the dear ones
DEAR_CALLS = 5
DEAR = 10.0
SPREADS = (0.0, 0.2, 0.35, 0.5, 0.8)
GAP_MS = 20_000
MEDIAN_USD = 0.004
YOUNG_CALLS = 199
INPUT_TOKENS, OUTPUT_TOKENS = 1000, 200


def cold_start(seed: int, repetitions: int) -> dict[str, Any]:
    """For each number of like calls and each spread: at which dear call it alerted, how often."""
    figures: dict[str, Any] = {}
    for like in LIKE_CALLS:
        figures[f"{like}_like_calls"] = {
            f"spread_{spread:g}": _dear(seed, repetitions, like, spread) for spread in SPREADS
        }
    false = sum(
        _young(f"young {seed}/{number}", SPREADS[number % len(SPREADS)]) for number in range(repetitions)
    )
    figures["young_series"] = {"series": repetitions, "calls_each": YOUNG_CALLS, "false_alerts": false}
    return figures


def _dear(seed: int, repetitions: int, like: int, spread: float) -> dict[str, int]:
    at: Counter[str] = Counter()
    for number in range(repetitions):
        rng = random.Random(f"cold {seed}/{number}/{like}/{spread}")
        product = fresh_product()
        for position in range(like):
            _show(product, position, exp(spread * rng.gauss(0.0, 1.0)))
        early = len(product.news)
        for position in range(DEAR_CALLS):
            _show(product, like + position, DEAR * exp(spread * rng.gauss(0.0, 1.0)))
            if len(product.news) > early:
                at[f"call_{position + 1}"] += 1
                break
        else:
            at["never"] += 1
        if early:
            at["before"] += 1
    return dict(sorted(at.items()))


def _young(name: str, spread: float) -> int:
    rng = random.Random(name)
    product = fresh_product()
    for position in range(YOUNG_CALLS):
        _show(product, position, exp(spread * rng.gauss(0.0, 1.0)))
    return len(product.news)


def fresh_product() -> Product:
    """The product before it has seen a call."""
    return Product(usual_call(0, 1.0), Rules())


def _show(product: Product, position: int, times: float) -> None:
    product.take(usual_call(position, times), ended_ms(position))


def ended_ms(position: int) -> int:
    """When a call ends."""
    return START_MS + position * GAP_MS


def usual_call(position: int, times: float, text: Text = NO_TEXT) -> Call:
    """A call that costs some times the usual."""
    return Call(
        src=Source("bench", "otlp", 0, position, 0),
        series_id=series_id("bench", "cold", "start"),
        project="bench",
        service="cold",
        endpoint="start",
        trace_id=f"{position:032x}",
        span_id=f"{position:016x}",
        start_ns=(ended_ms(position) - 800) * 1_000_000,
        duration_ms=800.0,
        kind="llm",
        status="ok",
        request_model="gpt-4o-mini",
        input_tokens=round(INPUT_TOKENS * times),
        output_tokens=round(OUTPUT_TOKENS * times),
        cost_usd=MEDIAN_USD * times,
        priced=True,
        prompt_version="v1",
        input_messages=text.prompt,
        output_messages=text.answer,
        tool_calls=text.tools,
        finish_reasons=text.finish,
    )
