"""Labelled traffic through the core of detect: what it finds, how late, and how often it cries wolf.

Series are independent, so each is run alone, call after call, with time passing between them as ticks make
it pass. The same stream goes to two plain rules. Seeds 1 to 99 are for tuning; what is reported comes from
seeds of 1000 and more.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

from labelled.cold import cold_start
from labelled.cold_answers import cold_answers
from labelled.incident import INCIDENT_TYPES, draw_incidents
from labelled.lookalike import draw_lookalikes
from labelled.samples import Z_SUM
from labelled.score import ENOUGH, Result, listing, score, summary
from labelled.series import DAY_MS, FASTEST, SLOWEST, START_MS, draw_plan
from labelled.text.fault import QUALITY_TYPES
from labelled.text.plan import KINDS, TextKind
from labelled.traffic import Traffic, spread_of
from labelled.watch import LOG_DELAY_MS, FixedRule, Product, ThreeSigma
from lumina_streams.core.series.rules import Rules
from machine import facts

SIZES = (20, 200, 1000)
GIANT = 3.0
READY_CALLS = 200
REFERENCES = (FixedRule, ThreeSigma)


def main() -> None:
    """Run, score and print one JSON line."""
    asked = arguments()
    if asked.cold:
        print(
            json.dumps(
                {
                    "bench": "accuracy",
                    "seed": asked.seed,
                    "cold": cold_start(asked.seed, asked.series),
                    "cold_answers": cold_answers(asked.seed, asked.series),
                }
            )
        )
        return
    begun = time.monotonic()
    run = partial(
        one_series,
        seed=asked.seed,
        days=asked.days,
        warm_up=asked.warm_up_days,
        only=asked.only,
        sizes=tuple(asked.sizes),
        slowest=asked.slowest,
        fastest=asked.fastest,
        text=asked.text,
        kind=asked.kind,
        references=not asked.no_references,
    )
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(asked.processes) as pool:
        for outcome in pool.map(run, range(asked.first, asked.first + asked.series)):
            outcomes.append(outcome)
            if sys.stderr.isatty():
                print(f"\r{len(outcomes)} of {asked.series} series", end="", file=sys.stderr)
    lookalikes = Counter(kind for outcome in outcomes for kind in outcome.lookalikes)
    detectors = {
        name: summary([outcome.results[name] for outcome in outcomes], lookalikes, _size(name))
        for name in outcomes[0].results
    }
    calls = sum(outcome.calls for outcome in outcomes)
    report: dict[str, Any] = {
        "bench": "accuracy",
        "seed": asked.seed,
        "series": asked.series,
        "days": asked.days,
        "series_with_text": sum(outcome.has_text for outcome in outcomes),
        "calls": calls,
        "z_sum": Z_SUM,
        "must_be_found": f"incidents that hold {ENOUGH:g} times the calls that statistics need",
        "giants": sum(outcome.giants for outcome in outcomes),
        "detectors": detectors,
        "seconds": round(time.monotonic() - begun, 1),
        "machine": facts(),
    }
    if asked.list:
        report["list"] = {
            name: listing([outcome.results[name] for outcome in outcomes]) for name in outcomes[0].results
        }
    print(json.dumps(report))


class Outcome:
    """One series, run and scored for each detector."""

    def __init__(
        self, calls: int, has_text: bool, giants: int, lookalikes: list[str], results: dict[str, Result]
    ) -> None:
        self.has_text = has_text
        self.calls = calls
        self.giants = giants
        self.lookalikes = lookalikes
        self.results = results


def one_series(
    index: int,
    *,
    seed: int,
    days: float,
    warm_up: float,
    only: str,
    sizes: tuple[int, ...],
    slowest: float,
    fastest: float,
    text: float,
    kind: TextKind | None,
    references: bool,
) -> Outcome:
    """Run one series through every detector."""
    first_ms = START_MS
    if index % 5 == 4:  # an endpoint that comes later
        first_ms += int(
            random.Random(f"first {seed}/{index}").uniform(0, max(days - warm_up - 2, 0.0)) * DAY_MS
        )
    plan = draw_plan(seed, index, slowest, fastest, first_ms, text, kind)
    incidents = draw_incidents(plan, days, warm_up, only)
    lookalikes = draw_lookalikes(plan, incidents, days, warm_up)
    end_ms = START_MS + int(days * DAY_MS)
    traffic = Traffic(plan, incidents, lookalikes, end_ms)
    products: list[Product] = []
    plain = [reference() for reference in REFERENCES] if references else []
    counts = [[0, 0] for _ in incidents]
    giants: set[int] = set()
    largest = 0.0
    calls = place = 0
    for call in traffic:
        at_ms = call.start_ns // 1_000_000 + int(call.duration_ms)
        if not products:
            products = [Product(call, Rules(active_series=size)) for size in sizes]
        if call.kind != "llm":
            for product in products:
                product.take(call, at_ms)
            continue
        while place < len(incidents) and at_ms >= incidents[place].end_ms:
            place += 1
        if place < len(incidents) and at_ms >= incidents[place].onset_ms:
            count = counts[place]
            if not count[1]:
                count[0] = calls
            count[1] += 1
        calls += 1
        for product in products:
            product.take(call, at_ms)
        cost = call.cost_usd
        if cost is not None:
            if cost > GIANT * largest and calls > READY_CALLS:
                giants.add(calls)
            largest = max(largest, cost)
            for rule in plain:
                rule.take(cost, at_ms, calls)
    for product in products:
        product.pass_time(end_ms + LOG_DELAY_MS)
    spread = spread_of(plan)
    judge = partial(score, index, plan, spread, incidents, lookalikes, [(a, b) for a, b in counts])
    results = {
        f"lumina_{size}": judge(product.news, None, giants, end_ms)
        for size, product in zip(sizes, products, strict=False)
    }
    for rule in plain:
        results[rule.name] = judge(rule.flags.news, rule.flags.raw, set(), end_ms)
    return Outcome(calls, plan.text is not None, len(giants), [label.type for label in lookalikes], results)


def _size(name: str) -> int:
    return int(name.rsplit("_", 1)[1]) if name.startswith("lumina_") else SIZES[0]


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--series", type=int, default=20, help="how many series")
    parser.add_argument("--first", type=int, default=0, help="number of the first series")
    parser.add_argument("--days", type=float, default=14.0, help="of event time")
    parser.add_argument("--warm-up-days", type=float, default=2.0, help="before the first incident")
    parser.add_argument("--seed", type=int, default=1000, help="1 to 99: tuning; from 1000: reporting")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--only",
        default="",
        choices=["", *INCIDENT_TYPES, *QUALITY_TYPES, "metered", "quality", "dual", "none"],
        help="type of incident; metered: of cost, time, errors; quality: of answers; dual: of both at once",
    )
    parser.add_argument("--kind", choices=sorted(set(KINDS)), help="of the series whose calls have content")
    parser.add_argument(
        "--text", type=float, default=0.5, help="share of the series whose calls have content"
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="series of the project")
    parser.add_argument("--slowest", type=float, default=SLOWEST, help="calls a minute")
    parser.add_argument("--fastest", type=float, default=FASTEST, help="calls a minute")
    parser.add_argument("--no-references", action="store_true", help="leave the plain rules out")
    parser.add_argument("--list", action="store_true", help="add every incident and every false alert")
    parser.add_argument("--cold", action="store_true", help="test the cold start instead")
    return parser.parse_args()


if __name__ == "__main__":
    main()
