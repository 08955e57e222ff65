"""What a model costs per token, compiled from a price list: a few multiplications per call.

The meaning of the units is genai-prices': a kind of token without a price of its own costs what its more
general kind costs, and the tier reached by the whole input applies to every token of the call.
"""

from decimal import Decimal

from genai_prices.types import ModelPrice, TieredPrices
from msgspec import Struct

from lumina_streams.core.span.tokens import Usage


class Rates(Struct, frozen=True, gc=False):
    """USD per token, and per request."""

    input: float
    output: float | None
    cache_read: float
    cache_write: float
    cache_write_1h: float
    reasoning: float
    request: float = 0.0

    def cost(self, usage: Usage) -> float:
        """Cost of a call in USD."""
        read = usage.cache_read or 0
        write = usage.cache_write or 0
        write_1h = usage.cache_write_1h or 0
        output = usage.output or 0
        reasoning = usage.reasoning or 0
        return round(
            ((usage.input or 0) - read - write) * self.input
            + read * self.cache_read
            + (write - write_1h) * self.cache_write
            + write_1h * self.cache_write_1h
            + (output - reasoning) * (self.output or 0.0)
            + reasoning * self.reasoning
            + self.request,
            12,  # a millionth of a millionth of a dollar: below any price of a token
        )


class Tariff(Struct, frozen=True):
    """Rates by size of the input: (tokens that must be exceeded, rates), rising; the first is the base."""

    tiers: tuple[tuple[int, Rates], ...]

    def rates(self, input_tokens: int) -> Rates:
        """Rates of a call with this many input tokens, cached ones included."""
        found = self.tiers[0][1]
        if len(self.tiers) == 1:
            return found
        for start, rates in self.tiers[1:]:
            if input_tokens <= start:
                break
            found = rates
        return found


def compile_tariff(price: ModelPrice) -> Tariff | None:
    """Compile one entry of genai-prices; None where it has no price per input token (audio hours, pages)."""
    if price.input_mtok is None:
        return None
    entries = {
        key: value
        for key in (
            "input_mtok",
            "output_mtok",
            "cache_read_mtok",
            "cache_write_mtok",
            "cache_write_5m_mtok",
            "cache_write_1h_mtok",
            "output_reasoning_mtok",
            "requests_kcount",
        )
        if (value := getattr(price, key)) is not None
    }
    starts = {
        tier.start for value in entries.values() if isinstance(value, TieredPrices) for tier in value.tiers
    }
    return Tariff(tuple((start, _rates(entries, start)) for start in (-1, *sorted(starts))))


def _rates(entries: dict[str, Decimal | TieredPrices], start: int) -> Rates:
    """Rates above `start` input tokens; -1 is the base."""

    def per_token(*keys: str) -> float | None:
        for key in keys:
            value = entries.get(key)
            if isinstance(value, TieredPrices):
                reached = [tier.price for tier in value.tiers if tier.start <= start]
                value = reached[-1] if reached else value.base
            if value is not None:
                return float(value) / (1_000 if key == "requests_kcount" else 1_000_000)
        return None

    return Rates(
        input=per_token("input_mtok") or 0.0,
        output=per_token("output_mtok"),
        cache_read=per_token("cache_read_mtok", "input_mtok") or 0.0,
        cache_write=per_token("cache_write_5m_mtok", "cache_write_mtok", "input_mtok") or 0.0,
        cache_write_1h=per_token("cache_write_1h_mtok", "cache_write_mtok", "input_mtok") or 0.0,
        reasoning=per_token("output_reasoning_mtok", "output_mtok") or 0.0,
        request=per_token("requests_kcount") or 0.0,
    )
