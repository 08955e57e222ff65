"""What senders call the cost that they worked out themselves, in USD, in order of precedence.

It is kept beside ours, never taken for it: their prices may be stale, or know nothing of cached tokens.
"""

COSTS: tuple[str, ...] = (
    "gen_ai.usage.cost",  # OpenLIT; the integer 0 where it found no price
    "operation.cost",  # pydantic-ai, Logfire
    "gen_ai.cost.total_cost",  # LiteLLM
    "llm.cost.total",  # OpenInference
    "langfuse.observation.cost_details",  # JSON: parts and `total`
)

SCOPED_COSTS: dict[str, str] = {
    "com.anthropic.claude_code": "cost_usd",
    "com.anthropic.claude_code.tracing": "cost_usd",
}
"""Scope -> a name too common to mean this anywhere else."""

COST_TOTALS: tuple[str, ...] = ("total",)
"""Key of the sum inside a cost object; without it the parts are added."""
