"""Recorded calls for the tests of backtests: seeded, log-normal costs, some series of one project."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from lumina_schemas.partition import series_id
from lumina_schemas.source import Source
from lumina_schemas.span import Span

START_NS = 1_767_261_600_000_000_000  # 2026-01-01 10:00 UTC, a Thursday
SECOND_NS = 1_000_000_000


def recorded(
    count: int,
    *,
    endpoint: str = "answer",
    seed: int = 0,
    dear_from: int = 1 << 60,
    dear_until: int = 1 << 60,
    times: float = 4.0,
    gap_s: float = 6.0,
    start_ns: int = START_NS,
) -> Iterator[Span]:
    """Calls of one series; those from `dear_from` until before `dear_until` cost so many times more."""
    rng = random.Random(seed)
    at_ns = start_ns
    for number in range(count):
        at_ns += int(rng.expovariate(1 / gap_s) * SECOND_NS) + 1
        factor = times if dear_from <= number < dear_until else 1.0
        yield Span(
            v=1,
            src=Source("file", "otlp", 0, number, seed),
            series_id=series_id("shop", "checkout", endpoint),
            trace_id=f"{(seed << 40) + number:032x}",
            span_id=f"{(seed << 40) + number:016x}",
            project="shop",
            service="checkout",
            endpoint=endpoint,
            name="chat",
            kind="llm",
            start_ns=at_ns,
            duration_ms=800.0,
            status="ok",
            request_model="gpt-4o" if factor != 1 else "gpt-4o-mini",
            response_model="gpt-4o-mini",
            input_tokens=1000,
            output_tokens=200,
            cost_usd=0.004 * rng.lognormvariate(0, 0.4) * factor,
            cost_status="exact",
            priced=True,
        )


def fields(span: Span) -> dict[str, Any]:
    """A call as `lumina normalise` prints it: no `v`, `src` and `type`, null where nothing is known."""
    named = {name: getattr(span, name) for name in Span.__struct_fields__ if name not in ("v", "src")}
    found: dict[str, Any] = msgspec.to_builtins(named)
    return found


def line(span: Span) -> bytes:
    """The same as a line."""
    return msgspec.json.encode(fields(span))
