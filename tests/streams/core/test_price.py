"""Prices against genai-prices' own calculation, and the honest states where there is none."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as ListUsage
from genai_prices import calc_price
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_streams.core.price.book import NO_OUTPUT, NO_USAGE, SHORT_WRITES, PriceBook
from lumina_streams.core.span.tokens import Usage

PRICES = PriceBook()
NS = 10**9


def at(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp()) * NS  # type: ignore[misc, arg-type]


NOW = at(2026, 11, 1)
MODELS = [
    ("openai", "openai", "gpt-4o-mini-2024-07-18"),
    ("openai", "openai", "o3"),
    ("anthropic", "anthropic", "claude-sonnet-4-5-20250929"),
    ("gcp.gemini", "google", "gemini-2.5-pro"),
    ("deepseek", "deepseek", "deepseek-v4-pro"),
    ("deepseek", "deepseek", "deepseek-chat"),
    ("aws.bedrock", "aws", "us.anthropic.claude-3-5-sonnet-20241022-v2:0"),
    ("x_ai", "x-ai", "grok-4"),
    ("perplexity", "perplexity", "sonar-pro"),
]


@settings(max_examples=200, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    tier=st.sampled_from(["", "priority", "flex", "batch"]),
    start_ns=st.integers(at(2024, 6, 1), at(2027, 6, 1)),
    given_tokens=st.one_of(st.integers(0, 5_000), st.sampled_from([199_999, 200_000, 200_001, 300_000])),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)),
    output=st.integers(0, 50_000),
)
def test_cost_is_the_list_s(
    model: tuple[str, str, str],
    tier: str,
    start_ns: int,
    given_tokens: int,
    shares: tuple[float, float, float],
    output: int,
) -> None:
    provider, list_id, name = model
    read = int(given_tokens * shares[0])
    write = int((given_tokens - read) * shares[1])
    write_1h = int(write * shares[2])
    cost = PRICES.cost(
        provider, name, "", Usage(given_tokens, output, read, write, write_1h, 0), start_ns, tier
    )
    wanted = calc_price(
        ListUsage(
            input_tokens=given_tokens,
            output_tokens=output,
            cache_read_tokens=read,
            cache_write_tokens=write,
            cache_write_1h_tokens=write_1h,
        ),
        name,
        provider_id=list_id,
        genai_request_timestamp=datetime.fromtimestamp(start_ns / NS, UTC),
        price_context={"processing": "batch"}
        if tier == "batch"
        else {"service_tier": tier}
        if tier
        else None,
    ).total_price
    # genai-prices passes over a tier that it has no price for; here that is no exact price.
    assert (cost.status, cost.reason) in {
        ("exact", ""),
        ("estimated", f"no price for service tier {tier}: priced as standard"),
    }
    assert cost.usd == pytest.approx(float(wanted), rel=1e-9, abs=1e-12)


def test_prices_are_those_of_the_day() -> None:
    usage = Usage(300_000, 1_000)
    assert PRICES.cost("openai", "o3", "", usage, at(2025, 1, 1)).usd == pytest.approx(3.04)
    assert PRICES.cost("openai", "o3", "", usage, at(2026, 11, 1)).usd == pytest.approx(0.608)


def test_tier_reprices_the_whole_call() -> None:
    cost = [PRICES.cost("gcp.gemini", "gemini-2.5-pro", "", Usage(n, 0), NOW).usd for n in (200_000, 200_001)]
    assert cost == pytest.approx([0.25, 0.5000025])


@pytest.mark.parametrize(
    ("provider", "request_model", "response_model", "usd", "status"),
    [
        ("openai", "text-embedding-3-small", "", 0.02, "exact"),
        ("", "text-embedding-3-small", "", None, "unknown"),
        ("azure.ai.openai", "my-deployment", "gpt-4o-mini-2024-07-18", 0.15, "exact"),
        ("azure.ai.openai", "azure/gpt-4o-mini", "", 0.15, "exact"),
        ("", "openai/gpt-4o-mini", "", 0.15, "exact"),
        ("gcp.gemini", "gemini-2.5-flash", "gemini-2.5-flash-001", 0.3, "exact"),
        ("gcp.gemini", "models/gemini-2.5-flash", "", 0.3, "exact"),
        ("gcp.gemini", "gemini-2.5-flash-001", "", 0.3, "estimated"),
        ("openai", "claude-sonnet-4-5", "", 6.0, "estimated"),
        ("", "gpt-4o-mini", "", 0.15, "estimated"),
        ("openai", "acme/house-model-7b", "", None, "unknown"),
        ("ollama", "llama3.1", "", None, "unknown"),
        ("openai", "", "", None, "unknown"),
    ],
)
def test_names(
    provider: str, request_model: str, response_model: str, usd: float | None, status: str
) -> None:
    cost = PRICES.cost(provider, request_model, response_model, Usage(1_000_000, 0), NOW, needs_output=False)
    assert cost.status == status
    assert cost.usd == (None if usd is None else pytest.approx(usd))
    assert bool(cost.reason) == (status != "exact")


def test_states_say_why() -> None:
    missing = PRICES.cost("openai", "gpt-4o-mini", "", Usage(), NOW)
    assert (missing.usd, missing.status, missing.reason) == (None, "unknown", NO_USAGE)
    partial = PRICES.cost("openai", "gpt-4o-mini", "", Usage(input=10), NOW)
    assert (partial.status, partial.reason) == ("estimated", NO_OUTPUT)
    writes = PRICES.cost("anthropic", "claude-sonnet-4-5", "", Usage(100, 1, 0, 50), NOW)
    assert (writes.status, writes.reason) == ("estimated", SHORT_WRITES)
    audio = PRICES.cost("groq", "whisper-large-v3", "", Usage(10, 10), NOW)
    assert (audio.usd, audio.status) == (None, "unknown")


def test_zero_tokens_cost_nothing_and_that_is_exact() -> None:
    cost = PRICES.cost("openai", "gpt-4o-mini", "", Usage(0, 0), NOW)
    assert (cost.usd, cost.status) == (0.0, "exact")


def test_float_cost_equals_the_decimal_sum() -> None:
    cost = PRICES.cost("openai", "gpt-4o-mini", "", Usage(1117, 53), NOW)
    assert cost.usd == float(Decimal("0.15") / 10**6 * 1117 + Decimal("0.6") / 10**6 * 53)


def test_invented_models_do_not_fill_the_memory() -> None:
    prices = PriceBook()
    for number in range(3):
        prices.cost("openai", f"model-{number}", "", Usage(1, 1), NOW)
    assert len(prices._listings) == 3
    assert prices.listing("openai", "model-1", "").missing


def test_a_batch_price_counts_from_its_first_day_and_before_it_that_is_said() -> None:
    """genai-prices has batch prices since 2026-10-14."""
    usage = Usage(1_000_000, 0)
    before = PRICES.cost("openai", "gpt-4o", "", usage, at(2026, 10, 14) - 1, "batch")
    assert before.usd == pytest.approx(2.5)
    assert before.reason == "no price for service tier batch: priced as standard"
    since = PRICES.cost("openai", "gpt-4o", "", usage, at(2026, 10, 14), "batch")
    assert since.usd == pytest.approx(1.25)
    assert since.status == "exact"
    claude = PRICES.cost("anthropic", "claude-sonnet-4-5", "", Usage(100_000, 0), NOW, "batch")
    assert claude.usd == pytest.approx(0.15)
    assert claude.status == "exact"


def test_flex_and_priority_have_prices_of_their_own() -> None:
    usage = Usage(1_000_000, 0)
    for tier, usd in (("", 0.25), ("flex", 0.125), ("priority", 0.45), ("default", 0.25)):
        cost = PRICES.cost("openai", "gpt-5-mini", "", usage, NOW, tier)
        assert cost.usd == pytest.approx(usd)
        assert cost.status == "exact"
    unknown = PRICES.cost("openai", "gpt-5-mini", "", usage, NOW, "scale")
    assert unknown.usd == pytest.approx(0.25)
    assert unknown.status == "estimated"
    assert unknown.reason == "no price for service tier scale: priced as standard"


def test_reasoning_is_priced_as_output_or_by_its_own_price() -> None:
    with_it = PRICES.cost("openai", "o3", "", Usage(0, 1_000, reasoning=900), NOW)
    without = PRICES.cost("openai", "o3", "", Usage(0, 1_000), NOW)
    assert with_it.usd == without.usd == pytest.approx(1_000 * 8e-6)
    deep = PRICES.cost("perplexity", "sonar-deep-research", "", Usage(0, 1_000, reasoning=900), NOW)
    assert deep.usd != PRICES.cost("perplexity", "sonar-deep-research", "", Usage(0, 1_000), NOW).usd


def test_cached_tokens_cost_less() -> None:
    cost = PRICES.cost("openai", "gpt-4o-mini", "", Usage(1_000, 0, cache_read=1_000), NOW)
    assert cost.usd == pytest.approx(1_000 * 0.075e-6)
