"""What kind of span it is. The first convention in `KIND_TABLES` that knows the value decides.

Leaf kinds (`LEAVES`) are calls and are priced; all others contain calls, or have nothing to price.
"""

from lumina_schemas.span import Kind

LEAVES: frozenset[str] = frozenset({"llm", "embedding", "rerank"})
CONTAINERS: frozenset[str] = frozenset({"agent", "chain", "tool", "retrieval", "guardrail", "prompt"})
"""Kinds that separate calls: a call inside a tool inside a call is a call of its own."""

OPENINFERENCE: dict[str, Kind] = {
    "llm": "llm",
    "embedding": "embedding",
    "reranker": "rerank",
    "tool": "tool",
    "agent": "agent",
    "chain": "chain",
    "retriever": "retrieval",
    "guardrail": "guardrail",
    "evaluator": "chain",
    "prompt": "prompt",
}
LANGSMITH: dict[str, Kind] = {
    "llm": "llm",
    "embedding": "embedding",
    "chain": "chain",
    "tool": "tool",
    "retriever": "retrieval",
    "prompt": "prompt",
    "parser": "chain",
}
TRACELOOP: dict[str, Kind] = {"workflow": "chain", "task": "chain", "agent": "agent", "tool": "tool"}
LANGFUSE: dict[str, Kind] = {
    "generation": "llm",
    "embedding": "embedding",
    "agent": "agent",
    "tool": "tool",
    "chain": "chain",
    "retriever": "retrieval",
    "guardrail": "guardrail",
    "evaluator": "chain",
    "span": "chain",
}
OPERATIONS: dict[str, Kind] = {
    "chat": "llm",
    "text_completion": "llm",
    "generate_content": "llm",
    "completion": "llm",
    "message": "llm",
    "messages": "llm",
    "responses": "llm",
    "embeddings": "embedding",
    "embedding": "embedding",
    "rerank": "rerank",
    "execute_tool": "tool",
    "retrieval": "retrieval",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "agent_step": "chain",
    "invoke_workflow": "chain",
    "execute_task": "chain",
    "chain": "chain",
}
REQUEST_TYPES: dict[str, Kind] = {
    "chat": "llm",
    "completion": "llm",
    "embedding": "embedding",
    "rerank": "rerank",
}
VERCEL: dict[str, Kind] = {
    "ai.generatetext.dogenerate": "llm",
    "ai.streamtext.dostream": "llm",
    "ai.generateobject.dogenerate": "llm",
    "ai.streamobject.dostream": "llm",
    "ai.embed.doembed": "embedding",
    "ai.embedmany.doembed": "embedding",
    "ai.rerank.dorerank": "rerank",
    "ai.toolcall": "tool",
    "ai.generatetext": "chain",
    "ai.streamtext": "chain",
    "ai.generateobject": "chain",
    "ai.streamobject": "chain",
    "ai.embed": "chain",
    "ai.embedmany": "chain",
    "ai.rerank": "chain",
}

KIND_TABLES: tuple[tuple[str, dict[str, Kind]], ...] = (
    ("openinference_kind", OPENINFERENCE),
    ("langsmith_kind", LANGSMITH),
    ("traceloop_kind", TRACELOOP),
    ("langfuse_type", LANGFUSE),
    ("operation", OPERATIONS),
    ("vercel_operation", VERCEL),
    ("request_type", REQUEST_TYPES),
)
"""(field, its values in lower case): conventions that name the kind, in order of precedence."""

CANDIDATES: frozenset[tuple[str, str]] = frozenset(
    {
        ("operation", "invoke_agent"),
        ("operation", "invoke_workflow"),
        ("operation", "agent_step"),
        ("operation", "execute_task"),
        ("openinference_kind", "agent"),
        ("openinference_kind", "chain"),
        ("traceloop_kind", "agent"),
        ("langfuse_type", "agent"),
    }
)
"""(field, value) of roll-ups whose tokens may be those of calls below them, or told by nobody else: with
tokens of their own they are candidates, and the trace decides. All other roll-ups never count.
"""

ROLLUP_SCOPES: frozenset[str] = frozenset({"gen_ai"})
"""Scopes whose roll-ups always have their calls below them (Vercel AI SDK 7): no candidates."""

SPAN_NAMES: dict[tuple[str, str], Kind] = {
    ("litellm", "raw_gen_ai_request"): "llm",
    ("pydantic-ai", "agent run"): "agent",
    ("pydantic-ai", "running tool"): "tool",
    ("pydantic-ai", "running tools"): "chain",
}
"""(scope, span name) of spans whose kind no attribute names. Calls among them need a model or a response id;
agents with tokens of their own are candidates.
"""

NAMED_BY_SPAN: tuple[str, ...] = ("openlit.instrumentation.",)
"""Starts of scopes whose failed calls say nothing but their span's name, `operation model`."""

NO_CALLS: tuple[str, ...] = ("._prepare_chat_with_tools",)
"""Ends of names of spans that call themselves calls, and are none (LlamaIndex by OpenInference)."""

CONTINUATIONS: tuple[tuple[str, str], ...] = (("logfire.", "streaming response from "),)
"""(start of the scope, start of the span's name): the end of a stream as a span of its own, beside the span
that began it, perhaps in another trace.
"""

NAMED_KINDS: tuple[tuple[str, Kind], ...] = (("embed", "embedding"), ("rerank", "rerank"))
"""A span with a model but no stated kind is `llm`, unless its name holds one of these words."""

DEFAULT_OPERATIONS: dict[str, str] = {
    "llm": "chat",
    "embedding": "embeddings",
    "rerank": "rerank",
    "tool": "execute_tool",
    "agent": "invoke_agent",
    "retrieval": "retrieval",
}
"""The operation of a kind whose span names none."""

OPERATION_ALIASES: dict[str, str] = {
    "completion": "text_completion",
    "message": "chat",
    "messages": "chat",
    "embedding": "embeddings",
}
