"""Prices that users set themselves: entries of the price file and values of `lumina.settings`. In USD.

They come before the public price list: contract prices, new models, models that run on one's own machines.
"""

from datetime import date
from typing import Annotated

from msgspec import Meta, Struct, field

PRICE_VERSION = 1

KIND = "prices/"
"""What the key of a price in `lumina.settings` begins with; its id follows."""

MAX_TIERS = 20
MAX_ID_CHARS = 100

Usd = Annotated[float, Meta(ge=0, le=1_000_000)]
Name = Annotated[str, Meta(max_length=200)]


class PriceTier(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """USD per million tokens of a call whose whole input exceeds `above` tokens. Absent: as without it."""

    above: Annotated[int, Meta(ge=0, le=1_000_000_000)]  # tokens of input, cached ones included
    input: Usd | None = None
    cache_read: Usd | None = None
    cache_write: Usd | None = None
    cache_write_1h: Usd | None = None
    output: Usd | None = None
    reasoning: Usd | None = None


class TokenPrices(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """USD per million tokens, and per request."""

    input: Usd  # tokens of input that no cache served
    cache_read: Usd | None = None  # absent: as input
    cache_write: Usd | None = None  # kept for 5 minutes; absent: as input
    cache_write_1h: Usd | None = None  # kept for an hour; absent: as cache_write
    output: Usd | None = None  # absent: the model answers no tokens (embeddings)
    reasoning: Usd | None = None  # absent: as output
    request: Usd = 0.0  # USD a call, beside its tokens
    tiers: Annotated[tuple[PriceTier, ...], Meta(max_length=MAX_TIERS)] = ()


class Price(TokenPrices, frozen=True, kw_only=True, omit_defaults=True):
    """What a model costs here: the value of `prices/<id>` in `lumina.settings`, or an entry of the file.

    `model` is a name or a pattern (`*`, `?`, `[abc]`), whatever the case. It is held against the model that
    answered and the one that was asked for. An empty provider or project stands for all.
    """

    v: int = PRICE_VERSION
    model: Annotated[str, Meta(min_length=1, max_length=200)]
    provider: Name = ""  # as spans name it: openai, azure.ai.openai, aws.bedrock, ...
    project: Name = ""
    batch: Usd | TokenPrices | None = None  # of batch calls: a factor (0.5), or prices of their own
    from_: date | None = field(default=None, name="from")  # first day, UTC
    to: date | None = None  # first day on which it no longer holds, UTC
    note: Annotated[str, Meta(max_length=1000)] = ""  # for people: a contract, a source


def problem_of(price: Price) -> str:
    """What is wrong with a price although each of its fields is fine, in words; "" = nothing."""
    if not price.model.strip():
        return "`model` is blank: name a model, or a pattern such as llama-3*."
    if price.from_ is not None and price.to is not None and price.to <= price.from_:
        return f"`to` ({price.to}) is the first day on which it no longer holds: it must lie behind `from`."
    of_batch = price.batch.tiers if isinstance(price.batch, TokenPrices) else ()
    for tiers in (price.tiers, of_batch):
        starts = [tier.above for tier in tiers]
        if starts != sorted(set(starts)):
            return "`tiers` must rise by `above`, each one once."
    return ""
