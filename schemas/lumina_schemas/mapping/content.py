"""Where prompts and answers stand, and how the parts of a message are spelled."""

INPUTS: tuple[str, ...] = (
    "gen_ai.input.messages",
    "gen_ai.prompt",
    "ai.prompt.messages",
    "ai.prompt",
    "ai.values",
    "ai.value",
    "langfuse.observation.input",
    "pydantic_ai.all_messages",
    "gcp.vertex.agent.llm_request",
    "request_data",
    "input.value",
    "traceloop.entity.input",
)
OUTPUTS: tuple[str, ...] = (
    "gen_ai.output.messages",
    "gen_ai.completion",
    "ai.response.text",
    "ai.response.object",
    "langfuse.observation.output",
    "gcp.vertex.agent.llm_response",
    "response_data",
    "output.value",
    "traceloop.entity.output",
)
"""Attributes that hold all messages of one side, as JSON or structured. First that yields a message wins."""

QUOTED: frozenset[str] = frozenset({"ai.values", "ai.value"})
"""Of these, the ones whose texts are JSON texts, in quotes."""

GENERIC: frozenset[str] = frozenset(
    {
        "input.value",
        "output.value",
        "traceloop.entity.input",
        "traceloop.entity.output",
        "langfuse.observation.input",
        "langfuse.observation.output",
        "request_data",
        "response_data",
    }
)
"""Of these, the ones that hold whatever a function took or gave: messages on model calls only."""

INDEXED: tuple[tuple[str, str], ...] = (
    ("gen_ai.prompt.", "input"),
    ("llm.input_messages.", "input"),
    ("llm.prompts.", "input"),
    ("embedding.embeddings.", "input"),
    ("gen_ai.completion.", "output"),
    ("llm.output_messages.", "output"),
    ("llm.choices.", "output"),
    ("retrieval.documents.", "documents"),
    ("reranker.output_documents.", "documents"),
)
"""Prefixes of messages spread over attributes, `prefix N . path`."""

INDEXED_WRAPPERS: frozenset[str] = frozenset(
    {
        "message",
        "message_content",
        "tool_call",
        "function",
        "prompt",
        "completion",
        "image",
        "embedding",
        "document",
    }
)
"""Steps of a path that only wrap: `llm.input_messages.0.message.tool_calls.0.tool_call.function.name`."""

EVENT_LISTS: tuple[str, ...] = ("events", "all_messages_events")
"""Attributes that hold message events as a JSON list, each with its `event.name` (pydantic-ai, Logfire)."""

ELIDED: frozenset[str] = frozenset({"<elided>"})
"""What stands for a text that the sender leaves out."""

SYSTEM = "gen_ai.system_instructions"
TOOL_CALLS = "ai.response.toolCalls"

MESSAGE_EVENTS: dict[str, tuple[str, str]] = {
    "gen_ai.system.message": ("input", "system"),
    "gen_ai.user.message": ("input", "user"),
    "gen_ai.assistant.message": ("input", "assistant"),
    "gen_ai.tool.message": ("input", "tool"),
    "gen_ai.choice": ("output", "assistant"),
    "gen_ai.content.prompt": ("input", "user"),
    "gen_ai.content.completion": ("output", "assistant"),
}
"""Span or log event that is one message -> (side, role unless it says otherwise)."""

OPERATION_DETAILS = "gen_ai.client.inference.operation.details"
"""Event that carries the content attributes of a whole call."""

ROLES: dict[str, str] = {"human": "user", "ai": "assistant", "model": "assistant", "developer": "system"}
"""Spellings of roles."""

SYSTEM_ROLES: frozenset[str] = frozenset({"system", "developer"})

PART_TYPES: dict[str, str] = {
    "text": "text",
    "input_text": "text",
    "output_text": "text",
    "reasoning": "reasoning",
    "thinking": "reasoning",
    "redacted_thinking": "reasoning",
    "tool_call": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "tool-call": "tool_call",
    "function": "tool_call",
    "tooluse": "tool_call",
    "functioncall": "tool_call",
    "tool_call_response": "tool_call_response",
    "tool_result": "tool_call_response",
    "function_call_output": "tool_call_response",
    "tool-result": "tool_call_response",
    "toolresult": "tool_call_response",
    "functionresponse": "tool_call_response",
    "image": "uri",
    "image_url": "uri",
    "input_image": "uri",
    "uri": "uri",
    "file": "file",
    "input_file": "file",
    "document": "file",
    "blob": "blob",
    "inline_data": "blob",
    "inlinedata": "blob",
    "input_audio": "blob",
    "refusal": "refusal",
}
"""A part's type, in lower case, -> ours (OTel GenAI 1.37). Unlisted ones stay."""

PART_BY_KEY: tuple[tuple[str, str], ...] = (
    ("text", "text"),
    ("functionCall", "tool_call"),
    ("function_call", "tool_call"),
    ("toolUse", "tool_call"),
    ("functionResponse", "tool_call_response"),
    ("function_response", "tool_call_response"),
    ("toolResult", "tool_call_response"),
    ("toolName", "tool_call"),
    ("inlineData", "blob"),
    ("inline_data", "blob"),
    ("function", "tool_call"),
    ("content", "text"),
)
"""Parts without a type tell it by the key they carry (Gemini, Bedrock, old OpenAI)."""

CONTENT_KEYS: tuple[str, ...] = ("content", "text", "thinking", "reasoning", "refusal", "data", "uri", "url")
CALL_ID_KEYS: tuple[str, ...] = ("call_id", "tool_call_id", "tool_use_id", "toolCallId", "toolUseId", "id")
CALL_NAME_KEYS: tuple[str, ...] = ("name", "toolName")
ARGUMENT_KEYS: tuple[str, ...] = ("arguments", "args", "input")
RESULT_KEYS: tuple[str, ...] = ("result", "response", "output", "content")

RESPONSE_ID_TEXT = r'(?<!\\)"id":\s*"((?:msg|chatcmpl|resp|gen)[_-][\w.-]{1,200})"'
"""A provider's own response id inside a dumped answer. JSON escapes the quotes of texts: none can fake it."""

RESPONSE_MODEL_TEXT = r'(?<!\\)"model_name":\s*"([^"\\]{1,200})"'
"""The answering model inside a dumped LangChain answer."""

FINISH_REASON_TEXT = r'(?<!\\)"(?:finish_reason|stop_reason)":\s*"([a-z_]{1,40})"'
"""Why the model stopped, inside a dumped LangChain answer."""

MODEL_IN: tuple[str, ...] = ("llm.invocation_parameters", "embedding.invocation_parameters", "input.value")
"""JSON objects whose `model` is the requested one, where no plain attribute says it."""

ANSWER_IN: tuple[str, ...] = ("output.value", "gen_ai.completion", "gcp.vertex.agent.llm_response")
"""JSON objects that may hold the response's `id`, `model` and usage."""
