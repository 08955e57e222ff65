"""Why spend per hour changed: parts in USD an hour that add up to the whole change.

The parts are taken one after the other, each with all earlier ones already in force (a sequential
decomposition), because they telescope: their sum is the whole change, whatever the numbers. The order is that
in which people ask: volume first, at the old cost of a call, so that all other parts together are what calls
cost more *at the present rate*; then which models are called, at their old prices and tokens; then what is
sent and answered, at old prices; what remains is price. Shapley values would need no order, but give volume a
share of what each call costs more, so that the rest would no longer be the impact at the present rate.

Prices are estimates, one a model: USD per token in units of an uncached input token. An output token counts
as 4, a cached one as .1 of it, as is common; where other weights (1 to 10, and .25 or .5) explain a model's
cost before and after by one and the same price, they are taken: a price counts as changed only where tokens
cannot explain it. A model that reports no tokens has a price per call. The price of a model that was hardly
called before is that of the new calls: that they are dear is the switch.
"""

from collections.abc import Mapping
from math import log
from types import MappingProxyType
from typing import NamedTuple

from lumina_schemas.alert import CostPart
from lumina_streams.core.baseline.excursion import Excursion
from lumina_streams.core.baseline.habit import Habit, Usage

OUTPUT_WEIGHT = 4.0
OUTPUT_WEIGHTS = (1.0, 10.0)  # what models ask for
CACHED_WEIGHTS = (0.1, 0.25, 0.5)
LEAST_CALLS = 20  # before, for a price and a length of a model's own

_NOTHING: Mapping[str, "Weights"] = MappingProxyType({})


class Weights(NamedTuple):
    """What a token counts beside an uncached input token."""

    output: float = OUTPUT_WEIGHT
    cached: float = CACHED_WEIGHTS[0]


class Tokens(NamedTuple):
    """Tokens of a call on average."""

    input: float
    cached_share: float  # of the input
    output: float


def cost_split(
    before: Habit, after: Excursion, rate_before: float, rate_after: float
) -> tuple[CostPart, ...]:
    """Parts of the change of spend; rates are priced calls an hour. Empty where one side has no price."""
    return split(before.models, after.seen.models, rate_before, rate_after)


def split(
    before: Mapping[str, Usage],
    after: Mapping[str, Usage],
    rate_before: float,
    rate_after: float,
    listed: Mapping[str, Weights] = _NOTHING,
    least_calls: int = LEAST_CALLS,
) -> tuple[CostPart, ...]:
    """The same of two mappings model -> sums over its priced calls.

    `listed`: weights that a price list knows, by model; with them fewer calls tell a model's price.
    """
    calls_before = sum(usage.calls for usage in before.values())
    calls_after = sum(usage.calls for usage in after.values())
    if not calls_before or not calls_after:
        return ()
    whole = Usage()
    for usage in before.values():
        whole.merge(usage)
    usual = _tokens(whole)
    steps = [0.0] * 5  # cost of a call: new mix, + input, + cache, + output, + price
    for model, new in after.items():
        share = new.calls / calls_after
        old = known(before, model, least_calls)
        weights = listed.get(model)
        if weights is None:
            weights = fitted(old, new) if old is not None else Weights()
        now = _tokens(new)
        was = usual if old is None else _tokens(old)
        if now is None or was is None:  # a price per call
            price = (new.cost / new.calls) if old is None else (old.cost / old.calls)
            costs = [price] * 4
        else:
            price = unit_price(new if old is None else old, weights)
            costs = [
                price * _weighted(tokens, weights)
                for tokens in (
                    was,
                    Tokens(now.input, was.cached_share, was.output),
                    Tokens(now.input, now.cached_share, was.output),
                    now,
                )
            ]
        for index, cost in enumerate((*costs, new.cost / new.calls)):
            steps[index] += share * cost
    per_call = whole.cost / calls_before
    mixed, sent, cached, answered, priced = (rate_after * cost for cost in steps)
    return (
        CostPart("price", priced - answered),
        CostPart("model_mix", mixed - rate_after * per_call),
        CostPart("input_tokens", sent - mixed),
        CostPart("output_tokens", answered - cached),
        CostPart("cache_hits", cached - sent),
        CostPart("volume", (rate_after - rate_before) * per_call),
    )


def known(before: Mapping[str, Usage], model: str, least_calls: int = LEAST_CALLS) -> Usage | None:
    """A model's old calls; None where there were too few to know its price by."""
    usage = before.get(model)
    return usage if usage is not None and usage.calls >= least_calls else None


def unit_price(usage: Usage, weights: Weights) -> float:
    """USD per uncached input token, estimated; 0 where no tokens are known."""
    weight = _sum(usage, weights)
    return usage.cost / weight if weight else 0.0


def fitted(old: Usage, new: Usage) -> Weights:
    """The usual weights, or those by which one price explains a model's cost before and after."""
    best = Weights()
    least = float("inf")
    lowest, highest = OUTPUT_WEIGHTS
    for cached in CACHED_WEIGHTS if old.cached_tokens or new.cached_tokens else CACHED_WEIGHTS[:1]:
        input_old = _input(old, cached)
        input_new = _input(new, cached)
        divisor = old.cost * new.output_tokens - new.cost * old.output_tokens
        if not divisor:
            continue
        output = (new.cost * input_old - old.cost * input_new) / divisor
        if lowest <= output <= highest and abs(log(output / OUTPUT_WEIGHT)) < least:
            least = abs(log(output / OUTPUT_WEIGHT))
            best = Weights(output, cached)
    return best


def _tokens(usage: Usage) -> Tokens | None:
    """None where the calls report none."""
    if not usage.input_tokens and not usage.output_tokens:
        return None
    cached_share = usage.cached_tokens / usage.input_tokens if usage.input_tokens else 0.0
    return Tokens(usage.input_tokens / usage.calls, cached_share, usage.output_tokens / usage.calls)


def _weighted(tokens: Tokens, weights: Weights) -> float:
    uncached = tokens.input * (1 - tokens.cached_share)
    return uncached + weights.cached * tokens.input * tokens.cached_share + weights.output * tokens.output


def _sum(usage: Usage, weights: Weights) -> float:
    return _input(usage, weights.cached) + weights.output * usage.output_tokens


def _input(usage: Usage, cached_weight: float) -> float:
    return usage.input_tokens - usage.cached_tokens + cached_weight * usage.cached_tokens
