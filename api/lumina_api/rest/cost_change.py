"""Why the cost of one time differs from that of the time before it, and what cached input has saved."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

from lumina_api.views.queries import Row
from lumina_streams.core.alert.cost_split import Weights, split
from lumina_streams.core.baseline.habit import Usage
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.price.rates import Rates

PARTS = ("price", "volume", "input_tokens", "output_tokens", "cache_hits", "model_mix")

# Sums above are garbage of a sender, and must not break the answer.
MOST = 1e24


class Prices(NamedTuple):
    """A list of prices, and the time (Unix ns) at which it is asked."""

    book: PriceBook
    at_ns: int


class Listed(NamedTuple):
    """What tokens of a model count beside an uncached one of the input."""

    weights: Weights
    written: float
    """What a written token takes off the cached ones: it costs more, a cached one less."""


class Savings(NamedTuple):
    """What cached input saved in USD, and for which share of it that is known; None where nothing is."""

    usd: float | None
    coverage: float | None


def change_of(before: Sequence[Row], after: Sequence[Row], prices: Prices) -> dict[str, float]:
    """The change of the cost of priced calls in USD, split as alerts split it (`core.alert.cost_split`).

    What tokens of a model count beside each other is that of the prices, where there are any.
    `new` is all of it where nothing was priced before, or nothing is now.
    """
    listed = _listed([*after, *before], prices)
    was, now = _by_model(before, listed), _by_model(after, listed)
    calls = [sum(usage.calls for usage in side.values()) for side in (was, now)]
    weights = {model: one.weights for model, one in listed.items()}
    parts = {
        part.what: part.usd_per_h for part in split(was, now, calls[0], calls[1], weights, least_calls=1)
    }
    change = _cost(after) - _cost(before)
    found = dict.fromkeys(PARTS, 0.0) | {"new": 0.0} | parts
    # What rounding to billionths of a dollar left over.
    found["price" if parts else "new"] += change - sum(found.values())
    return {"usd": change, **found}


def cache_savings(models: Sequence[Row], totals: Row, prices: Prices) -> Savings:
    """What cached input saved: its full price less what it costs, read and written alike, by the prices.

    Writing to a cache costs more with some, and takes off what reading saves. Of each model an average call
    decides about its tier; what is written counts as kept for five minutes.
    """
    cached = _number(totals["cache_read_tokens"]) + _number(totals["cache_write_tokens"])
    saved, known = 0.0, 0.0
    for row, rates in _priced(models, prices):
        read, written = _number(row["cache_read_tokens"]), _number(row["cache_write_tokens"])
        saved += read * (rates.input - rates.cache_read) + written * (rates.input - rates.cache_write)
        known += read + written
    if not known or not cached:
        return Savings(None, 0.0 if cached else None)
    return Savings(saved, min(known / cached, 1.0))


def _priced(rows: Sequence[Row], prices: Prices) -> Iterator[tuple[Row, Rates]]:
    """The rows of models that have a price."""
    for row in rows:
        calls, sent = _number(row["calls"]), _number(row["input_tokens"])
        rates = prices.book.rates(
            str(row["provider"]),
            str(row["request_model"]),
            str(row["response_model"]),
            _whole(sent / calls) if calls else 0,
            prices.at_ns,
            str(row["project"]),
        )
        if rates is not None:
            yield row, rates


def _listed(rows: Sequence[Row], prices: Prices) -> dict[str, Listed]:
    """What is known by model; of one with several prices those of its dearest row."""
    dearest = sorted(rows, key=lambda row: -_number(row["cost_usd"]))
    found: dict[str, Listed] = {}
    for row, rates in _priced(dearest, prices):
        if rates.input > 0:
            saved = rates.input - rates.cache_read
            written = (rates.cache_write - rates.input) / saved if saved > 0 else 0.0
            weights = Weights((rates.output or 0.0) / rates.input, rates.cache_read / rates.input)
            found.setdefault(_model(row), Listed(weights, written))
    return found


def _by_model(rows: Sequence[Row], listed: Mapping[str, Listed]) -> dict[str, Usage]:
    found: dict[str, Usage] = {}
    for row in rows:
        calls, sent = _number(row["calls"]), _number(row["input_tokens"])
        if not calls:
            continue
        cached = min(sent, _number(row["cache_read_tokens"]))
        if (one := listed.get(_model(row))) is not None:
            cached -= one.written * _number(row["cache_write_tokens"])
        usage = Usage(
            calls=_whole(calls),
            nano_usd=_whole(_number(row["cost_usd"]) * 1e9),
            counted=_whole(calls),
            input_tokens=_whole(sent),
            cached_tokens=_whole(cached),
            output_tokens=_whole(_number(row["output_tokens"])),
        )
        found.setdefault(_model(row), Usage()).merge(usage)
    return found


def _model(row: Row) -> str:
    """What has one price: a model of a provider."""
    return f"{row['provider']}\0{row['response_model'] or row['request_model']}"


def _cost(rows: Sequence[Row]) -> float:
    return sum(_number(row["cost_usd"]) for row in rows)


def _whole(value: float) -> int:
    return round(max(-MOST, min(MOST, value)))


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and isfinite(value) else 0.0
