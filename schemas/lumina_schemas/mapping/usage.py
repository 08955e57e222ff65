"""Token counts in other shapes: usage objects in attributes, and inputs that leave cached tokens out."""

USAGE_OBJECTS: tuple[str, ...] = (
    "gen_ai.usage.raw",  # Logfire: the provider's own usage
    "langfuse.observation.usage_details",
    "metadata.usage_object",  # LiteLLM: the repr of a Python dict
    "ai.response.providerMetadata",  # Vercel
    "langsmith.metadata.usage_metadata",
)
"""Attributes whose value is a usage object. They fill what no plain attribute says."""

USAGE_KEYS: dict[str, tuple[str, ...]] = {
    "input_tokens": ("input_tokens", "prompt_tokens", "input", "promptTokenCount", "prompt_token_count"),
    "output_tokens": (
        "output_tokens",
        "completion_tokens",
        "output",
        "candidatesTokenCount",
        "candidates_token_count",
    ),
    "cache_read_tokens": (
        "cache_read_input_tokens",
        "input_tokens_details.cached_tokens",
        "prompt_tokens_details.cached_tokens",
        "input_token_details.cache_read",
        "input_cached_tokens",
        "input_cache_read",
        "cachedContentTokenCount",
        "cached_content_token_count",
        "anthropic.usage.cache_read_input_tokens",
        "anthropic.cacheReadInputTokens",
        "openai.cachedPromptTokens",
        "bedrock.usage.cacheReadInputTokens",
    ),
    "cache_write_tokens": (
        "cache_creation_input_tokens",
        "input_tokens_details.cache_write_tokens",
        "prompt_tokens_details.cache_write_tokens",
        "input_token_details.cache_creation",
        "input_cache_creation",
        "anthropic.usage.cache_creation_input_tokens",
        "anthropic.cacheCreationInputTokens",
        "bedrock.usage.cacheWriteInputTokens",
    ),
    "cache_write_5m_tokens": (
        "cache_creation.ephemeral_5m_input_tokens",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens",
        "anthropic.usage.cache_creation.ephemeral_5m_input_tokens",
        "input_token_details.ephemeral_5m_input_tokens",
        "cache_creation_ephemeral_5m_input_tokens",
        "input_ephemeral_5m_input_tokens",
    ),
    "cache_write_1h_tokens": (
        "cache_creation.ephemeral_1h_input_tokens",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
        "anthropic.usage.cache_creation.ephemeral_1h_input_tokens",
        "input_token_details.ephemeral_1h_input_tokens",
        "cache_creation_ephemeral_1h_input_tokens",
        "input_ephemeral_1h_input_tokens",
    ),
    "reasoning_tokens": (
        "output_tokens_details.reasoning_tokens",
        "completion_tokens_details.reasoning_tokens",
        "output_tokens_details.thinking_tokens",
        "output_token_details.reasoning",
        "output_reasoning",
        "thoughtsTokenCount",
        "thoughts_token_count",
    ),
    "total_tokens": ("totalTokenCount", "total_token_count", "total"),
}
"""Paths inside a usage object, per count, in order of precedence."""

EXCLUSIVE_INPUT: tuple[tuple[str, str], ...] = (
    ("openlit.instrumentation.anthropic", ""),
    ("ai", "anthropic"),  # Vercel AI SDK 5
    ("ai", "aws.bedrock"),
    ("langfuse-sdk", "anthropic"),
    ("opentelemetry.instrumentation.bedrock", ""),  # OpenLLMetry
    ("opentelemetry.instrumentation.botocore.bedrock-runtime", ""),
    ("openlit.instrumentation.bedrock", ""),
    ("com.anthropic.claude_code", ""),
    ("com.anthropic.claude_code.tracing", ""),
    ("com.anthropic.claude_code.events", ""),
)
"""(scope, provider or any): instrumentations whose input count leaves cached tokens out.

Needed only where arithmetic cannot tell: cached tokens above the input prove it without any table.
"""

EXCLUSIVE_OUTPUT: frozenset[str] = frozenset({"openlit.instrumentation.google_ai_studio"})
"""Scopes whose output count leaves reasoning out."""

TRANSPORT_SCOPES: frozenset[str] = frozenset({"mistralai_sdk_tracer"})
"""Clients' own spans of their requests, without a response id: the same call as what lies around them."""

EXACT_USAGE_SCOPES: frozenset[str] = frozenset({"com.anthropic.sdk.python", "com.anthropic.claude-platform"})
"""Scopes that report what the provider answered, untouched; preferred where two spans tell of one call."""
