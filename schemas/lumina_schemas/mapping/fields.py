"""Attribute names that hold one plain value, per field, in order of precedence.

Sources: OTel GenAI semantic conventions 1.25 to 1.44 and the semantic-conventions-genai repository,
OpenInference, OpenLLMetry (Traceloop), OpenLIT, Vercel AI SDK, Langfuse, LangSmith, Logfire and pydantic-ai,
LiteLLM, Anthropic SDK, Claude Code, as found in spans captured from them.
"""

FIELDS: dict[str, tuple[str, ...]] = {
    "endpoint": ("lumina.endpoint",),
    "provider": (
        "gen_ai.provider.name",
        "gen_ai.system",
        "llm.provider",
        "llm.system",
        "ai.model.provider",
        "langsmith.metadata.ls_provider",
        "traceloop.association.properties.ls_provider",
        "langfuse.observation.metadata.ls_provider",
    ),
    "request_model": (
        "gen_ai.request.model",
        "llm.request.model_name",
        "llm.input_model_name",
        "ai.model.id",
        "langsmith.metadata.ls_model_name",
        "traceloop.association.properties.ls_model_name",
        "langfuse.observation.metadata.ls_model_name",
    ),
    "response_model": (
        "gen_ai.response.model",
        "llm.response.model_name",
        "llm.output_model_name",
        "ai.response.model",
    ),
    # A model whose side of the call the name does not tell.
    "model": (
        "llm.model_name",
        "langfuse.observation.model.name",
        "embedding.model_name",
        "reranker.model_name",
    ),
    "response_id": ("gen_ai.response.id", "ai.response.id", "llm.response.id"),
    "operation": ("gen_ai.operation.name",),
    # What says the kind of the span, by convention. `kinds.py` tells their order.
    "openinference_kind": ("openinference.span.kind",),
    "langsmith_kind": ("langsmith.span.kind",),
    "traceloop_kind": ("traceloop.span.kind",),
    "langfuse_type": ("langfuse.observation.type",),
    "request_type": ("llm.request.type",),
    "vercel_operation": ("ai.operationId",),
    "finish_reasons": (
        "gen_ai.response.finish_reasons",
        "gen_ai.response.finish_reason",
        "llm.finish_reason",
        "ai.response.finishReason",
        "anthropic.message.stop_reason",
        "langfuse.observation.metadata.finish_reason",
    ),
    "error_type": ("error.type",),
    "error_message": ("error.message",),
    "streaming": (
        "gen_ai.request.stream",
        "gen_ai.is_streaming",
        "llm.is_streaming",
        "llm.request.is_streaming",
    ),
    "session_id": (
        "gen_ai.conversation.id",
        "session.id",
        "langfuse.session.id",
        "langfuse.observation.metadata.langfuse_session_id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.thread_id",
        "traceloop.association.properties.chat_id",
        "ai.telemetry.metadata.sessionId",
        "langsmith.metadata.session_id",
        "langsmith.metadata.thread_id",
        "langsmith.metadata.conversation_id",
        "gcp.vertex.agent.session_id",
    ),
    "user_id": (
        "user.id",
        "enduser.id",
        "langfuse.user.id",
        "langfuse.observation.metadata.langfuse_user_id",
        "gen_ai.user",
        "gen_ai.request.user",
        "llm.user",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
        "langsmith.metadata.user_id",
        "gen_ai.user.id",
    ),
    "prompt_name": (
        "gen_ai.prompt.name",
        "langfuse.observation.prompt.name",
        "traceloop.prompt.key",
        "prompt.id",
        "ai.telemetry.functionId",
        "langsmith.metadata.lc_hub_repo",
    ),
    "prompt_version": (
        "gen_ai.prompt.version",
        "langfuse.observation.prompt.version",
        "traceloop.prompt.version",
        "traceloop.prompt.version_name",
        "llm.prompt_template.version",
        "ai.telemetry.metadata.promptVersion",
        "langsmith.metadata.lc_hub_commit_hash",
    ),
    "tags": ("lumina.tags", "langfuse.trace.tags", "langfuse.observation.metadata.langfuse_tags", "tag.tags"),
    "sample_rate": ("lumina.sample_rate",),
    "service_tier": (
        "openai.response.service_tier",
        "gen_ai.openai.response.service_tier",
        "gen_ai.response.service_tier",
        "anthropic.response.service_tier",
    ),
}

COUNTS: dict[str, tuple[str, ...]] = {
    "input_tokens": (
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "llm.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.inputTokens",
        "ai.usage.promptTokens",
        "ai.usage.tokens",
        "gen_ai.response.input_tokens",
    ),
    "output_tokens": (
        "gen_ai.usage.output_tokens",
        "gen_ai.usage.completion_tokens",
        "llm.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.outputTokens",
        "ai.usage.completionTokens",
        "gen_ai.response.output_tokens",
    ),
    "cache_read_tokens": (
        "gen_ai.usage.cache_read.input_tokens",
        "gen_ai.usage.cache_read_input_tokens",
        "gen_ai.usage.cache_read_tokens",
        "gen_ai.usage.details.cache_read_tokens",
        "gen_ai.usage.details.cached_tokens",
        "gen_ai.usage.details.cache_read_input_tokens",
        "gen_ai.usage.input_tokens.cached",
        "llm.token_count.prompt_details.cache_read",
        "llm.token_count.prompt_details.cache_input",
        "ai.usage.inputTokenDetails.cacheReadTokens",
        "ai.usage.cachedInputTokens",
    ),
    "cache_write_tokens": (
        "gen_ai.usage.cache_write.input_tokens",
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_tokens",
        "gen_ai.usage.details.cache_write_tokens",
        "gen_ai.usage.details.cache_creation_input_tokens",
        "gen_ai.usage.cache_write_input_tokens",
        "gen_ai.usage.input_tokens.cache_write",
        "llm.token_count.prompt_details.cache_write",
        "ai.usage.inputTokenDetails.cacheWriteTokens",
    ),
    "cache_write_5m_tokens": ("anthropic.usage.cache_creation.ephemeral_5m_input_tokens",),
    "cache_write_1h_tokens": ("anthropic.usage.cache_creation.ephemeral_1h_input_tokens",),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "gen_ai.usage.reasoning_tokens",
        "llm.usage.reasoning_tokens",
        "gen_ai.usage.details.reasoning_tokens",
        "llm.token_count.completion_details.reasoning",
        "ai.usage.reasoningTokens",
        "ai.usage.outputTokenDetails.reasoningTokens",
    ),
    # Beside the output, not in it (Google ADK 1).
    "reasoning_apart_tokens": ("gen_ai.usage.experimental.reasoning_tokens",),
    "uncached_tokens": ("ai.usage.inputTokenDetails.noCacheTokens",),
    "total_tokens": ("gen_ai.usage.total_tokens", "llm.usage.total_tokens", "llm.token_count.total"),
}
"""Token counts. Always coalesced, never added: several generations of one count may stand on one span."""

FIRST_TOKEN_S: tuple[str, ...] = (
    "gen_ai.response.time_to_first_chunk",
    "gen_ai.client.operation.time_to_first_chunk",
)
FIRST_TOKEN_MS: tuple[str, ...] = ("ai.response.msToFirstChunk",)
FIRST_TOKEN_MIXED: tuple[str, ...] = ("gen_ai.server.time_to_first_token",)
"""One key with two units: an integer is milliseconds (strands), a double seconds (OpenLIT)."""

FIRST_TOKEN_AT: tuple[str, ...] = ("langfuse.observation.completion_start_time",)
"""The moment of the first token, RFC 3339, perhaps in quotes."""

FIRST_TOKEN_EVENTS: frozenset[str] = frozenset(
    {
        "First Token Stream Event",
        "gen_ai.content.completion.chunk",
        "llm.content.completion.chunk",
        "ai.stream.firstChunk",
    }
)
"""Span events whose time is the time of the first token."""

STREAMING_METHODS: frozenset[str] = frozenset({"ConverseStream", "InvokeModelWithResponseStream"})
STREAMING_NAMES: frozenset[str] = frozenset(
    {"bedrock.converse_stream", "bedrock.invoke_model_with_response_stream"}
)
"""Values of `rpc.method`, and names of spans, that say that the answer was a stream."""

WORKFLOWS: tuple[str, ...] = (
    "gen_ai.agent.name",
    "gen_ai.workflow.name",
    "traceloop.workflow.name",
    "agent.name",
    "graph.node.name",
)
"""Names of the agent or workflow that a call belongs to."""

SPAN_RELEASES: tuple[str, ...] = ("langfuse.release",)
"""A span's own word for the release, where its resource has none (Langfuse's JavaScript SDK)."""

ROUTES: tuple[str, ...] = ("http.route", "rpc.method", "messaging.destination.name", "faas.name")
"""What a server, consumer or function span serves. A client span's route is somebody else's."""

SAMPLE_RATE = "lumina.sample_rate"
"""Share of the traffic that a sender passes on, above 0 and at most 1; on a span or a resource."""

SERVICE = "service.name"
ENVIRONMENTS: tuple[str, ...] = ("deployment.environment.name", "deployment.environment")
RELEASES: tuple[str, ...] = ("service.version", "langfuse.release")
PROJECT = "lumina.project"
ENDPOINT = "lumina.endpoint"
"""Resource attributes that become fields. A release stays in the resource too, where people look for it."""

_CLAUDE_CODE = {
    "model": "request_model",
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_tokens": "cache_read_tokens",
    "cache_creation_tokens": "cache_write_tokens",
    "ttft_ms": "first_token_ms",
}
_LOGFIRE = {"duration": "elapsed_s"}
_AGENTS = {"input": "input", "output": "output"}
_LITELLM = {
    f"llm.{provider}.{name}": field
    for provider in (
        "anthropic",
        "openai",
        "azure",
        "bedrock",
        "vertex_ai",
        "gemini",
        "cohere",
        "mistral",
        "groq",
    )
    for name, field in (
        ("id", "response_id"),
        ("model", "response_model"),
        ("stop_reason", "finish_reasons"),
        ("usage", "usage"),
    )
}
SCOPED: dict[str, dict[str, str]] = {
    "com.anthropic.claude_code": _CLAUDE_CODE,
    "com.anthropic.claude_code.tracing": _CLAUDE_CODE,
    "litellm": _LITELLM,
    "logfire.anthropic": _LOGFIRE,
    "logfire.openai": _LOGFIRE,
    "logfire.openai_agents": _AGENTS,
    "pydantic-ai": {"model_name": "request_model", "agent_name": "workflow"},
}
"""Scope -> {name: field} of names too common to mean this anywhere else; `usage` is a usage
object, `input` and `output` are messages.
"""

MADE_UP_IDS: dict[str, str] = {
    "litellm": r"(chatcmpl-)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
}
"""Scope -> response ids that the instrumentation makes up where it does not know the provider's: not ids."""
