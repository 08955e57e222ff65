"""What the models of the traffic cost. Each call's cost is its tokens times these, to the last digit."""

from typing import NamedTuple

MILLION = 1e6


class Price(NamedTuple):
    """A model and its prices, USD a million tokens."""

    model: str
    input: float
    cached: float
    output: float

    def times(self, factor: float, model: str) -> "Price":
        """The same relations between the prices at another level, under a name."""
        return Price(model, self.input * factor, self.cached * factor, self.output * factor)

    def cost(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> float:
        """Cost of a call in USD; cached tokens are part of the input."""
        fresh = input_tokens - cached_tokens
        return (fresh * self.input + cached_tokens * self.cached + output_tokens * self.output) / MILLION


MODELS = (
    Price("gpt-4o-mini", 0.15, 0.075, 0.6),
    Price("gpt-4o", 2.5, 1.25, 10.0),
    Price("gpt-4.1-mini", 0.4, 0.1, 1.6),
    Price("claude-haiku-4-5", 1.0, 0.1, 5.0),
    Price("claude-sonnet-4-5", 3.0, 0.3, 15.0),
    Price("gemini-2.5-flash", 0.3, 0.075, 2.5),
)
COUSINS = {
    "gpt-4o-mini": "gpt-4.1-mini",
    "gpt-4.1-mini": "gpt-4o-mini",
    "gpt-4o": "claude-sonnet-4-5",
    "claude-sonnet-4-5": "gpt-4o",
    "claude-haiku-4-5": "gemini-2.5-flash",
    "gemini-2.5-flash": "claude-haiku-4-5",
}
"""Models between which applications divide the calls of one endpoint."""

BY_NAME = {price.model: price for price in MODELS}
