"""The cold start of answers: few good ones, then bad ones. And one bad answer among good ones."""

import random
from collections import Counter
from dataclasses import replace
from math import exp
from typing import Any

from labelled.cold import DEAR, ended_ms, fresh_product, usual_call
from labelled.text.fault import QualityType, visible
from labelled.text.plan import TextPlan, draw_text_plan
from labelled.text.writer import USUAL, Writer
from labelled.watch import News, Product

GOOD_CALLS, BAD_CALLS, CALLS_AFTER = 50, 5, 60
YOUNG_CALLS = 300
SPREAD = 0.35
INTENTS = (1, 3)
FAULTS: tuple[QualityType, ...] = (
    *(
        "contradiction",
        "refusal",
        "empty",
        "truncation",
        "broken_json",
        "wrong_language",
        "off_topic",
        "loop",
    ),
)
DEAR_FAULTS: tuple[QualityType, ...] = ("contradiction", "refusal")


def cold_answers(seed: int, repetitions: int) -> dict[str, Any]:
    """At which of five bad answers it alerted, by fault; how often one bad answer, or none, was an alert.

    `dear_and_bad` counts alerts on both. `misses` names the kind and the variation of the series.
    """
    figures: dict[str, Any] = {}
    for fault in FAULTS:
        figures[fault] = _bad(seed, repetitions, fault, 1.0)
    for fault in DEAR_FAULTS:
        figures[f"dear_and_{fault}"] = _bad(seed, repetitions, fault, DEAR)
    alone: Counter[str] = Counter()
    for fault in FAULTS:
        for number in range(repetitions):
            series = _Series(seed, number, fault)
            series.show(GOOD_CALLS)
            series.show(1, fault)
            series.show(CALLS_AFTER)
            alone[fault] += len(series.product.news)
    young = 0
    for number in range(repetitions):
        series = _Series(seed, number, None)
        series.show(YOUNG_CALLS)
        young += len(series.product.news)
    figures["one_bad_answer"] = {"series": repetitions, "false_alerts": dict(alone)}
    figures["young_series"] = {"series": repetitions, "calls_each": YOUNG_CALLS, "false_alerts": young}
    return figures


def _bad(seed: int, repetitions: int, fault: QualityType, dear: float) -> dict[str, Any]:
    at: Counter[str] = Counter()
    misses: Counter[str] = Counter()
    for number in range(repetitions):
        series = _Series(seed, number, fault)
        series.show(GOOD_CALLS)
        if series.product.news:
            at["before"] += 1
        for position in range(BAD_CALLS):
            early = len(series.product.news)
            series.show(1, fault, dear)
            if any(_tells(entry, dear > 1.0) for entry in series.product.news[early:]):
                at[f"call_{position + 1}"] += 1
                break
        else:
            at["never"] += 1
            misses[f"{series.plan.kind} {series.plan.variation:g}"] += 1
    return {**dict(sorted(at.items())), "misses": dict(sorted(misses.items()))}


def _tells(entry: News, both: bool) -> bool:
    return entry.kind == "cost_and_quality" if both else "quality_drop" in entry.signals


class _Series:
    """A young series that asks for one thing or for three."""

    def __init__(self, seed: int, number: int, fault: QualityType | None) -> None:
        self.plan = _plan_for(seed, number, fault)
        self.product: Product = fresh_product()
        self._writer = Writer(self.plan)
        self._rng = random.Random(f"cold answers {seed}/{number}/{fault}")
        self._shown = 0
        self._mode = number

    def show(self, calls: int, fault: QualityType | None = None, dear: float = 1.0) -> None:
        """Show the next calls."""
        for _ in range(calls):
            text = self._writer.write(USUAL, "v1", fault, self._mode)
            times = dear * exp(SPREAD * self._rng.gauss(0.0, 1.0))
            self.product.take(usual_call(self._shown, times, text), ended_ms(self._shown))
            self._shown += 1


def _plan_for(seed: int, number: int, fault: QualityType | None) -> TextPlan:
    """The text plan of a series in which a fault can be seen, without faults of its own."""
    attempt = 0
    while True:
        drawn = draw_text_plan(f"cold answers {seed}/{number}/{attempt}")
        if drawn.kind != "tools" and (fault is None or visible(fault, drawn)):
            break
        attempt += 1
    return replace(
        drawn,
        intents=INTENTS[number % len(INTENTS)],
        refusals=0.0,
        truncated=0.0,
        empty=0.0,
        unparsed=0.0,
    )
