"""What an instrumentation itself lost of a call: the value that stands in place of the truth, and why."""

from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any


@dataclass
class Lost:
    """Expected values that differ from the truth, and why."""

    why: str
    values: dict[str, Any] = field(default_factory=dict)


NO_USAGE = {"input_tokens": None, "output_tokens": None, "cost_status": "unknown"}
SHORT = "the split of cache writes by time to live is not sent"
SUMMED = "output of streams is summed over two chunks that overlap by one token"
NO_CONTENT = {"input": "", "output": "", "system": "", "tools": []}
LOADED = (
    "source: atlas\n\nParis is the capital of France.\nsource: atlas\n\nBerlin is the capital of Germany."
)
ASKED_QUERY = '{"query":"What is the capital of France?"}'
ASKED = "in streams the asked model stands for the one that answered, and no response id is sent"
ASKED_VALUES = {"response_model": "gpt-4o-mini", "response_id": ""}
LOST: dict[str, Lost] = {
    "otel_genai_openai-chat_stream_abandoned": Lost(
        "an abandoned stream ends without usage, as an error, with what came until then",
        NO_USAGE | {"finish_reasons": ("error",), "output": "Paris is "},
    ),
    "otel_genai_openai-chat_stream_nousage": Lost("the provider sent no usage", NO_USAGE),
    "otel_google_genai-error_429": Lost("content is off by default", NO_CONTENT),
    "otel_google_genai-gen": Lost("content is off by default", NO_CONTENT),
    "otel_google_genai-gen_cached": Lost("content is off by default", NO_CONTENT),
    "otel_google_genai-gen_stream": Lost("content is off by default", NO_CONTENT),
    "otel_openai_v2-chat_reasoning": Lost("reasoning tokens are not sent", {"reasoning_tokens": 0}),
    "otel_openai_v2-chat_stream_nousage": Lost(
        "no usage; whether it streamed is not sent; the reason stands in the log event only",
        NO_USAGE | {"streaming": None},
    ),
    "otel_openai_v2-chat_vision_n2": Lost("of content in parts only the text is logged", {}),
    "otel_openai_v2-embeddings": Lost("embedding inputs are not sent", {"input": ""}),
    "openinference_langchain-chain_stream": Lost(
        "the chunks' response id and stream flag are dropped", {"response_id": "", "streaming": None}
    ),
    "openinference_openai-chat_stream_abandoned": Lost(
        "an abandoned stream ends without usage, with what came until then",
        NO_USAGE | {"finish_reasons": (), "output": "Paris is "},
    ),
    "openinference_openai-chat_stream_nousage": Lost("the provider sent no usage", NO_USAGE),
    "traceloop_anthropic-msg_cached": Lost(SHORT, {"cost_status": "estimated"}),
    "traceloop_anthropic-msg_stream": Lost(SUMMED, {"output_tokens": 48}),
    "traceloop_anthropic-msg_stream_cached": Lost(
        SUMMED, {"output_tokens": 48, "cost_status": "estimated", "streaming": None}
    ),
    "traceloop_anthropic-msg_thinking": Lost("reasoning tokens are not sent", {"reasoning_tokens": 0}),
    "traceloop_langchain-chain_stream": Lost(
        "the chunks' model, response id and stream flag are dropped",
        {"response_model": "gpt-4o-mini", "response_id": "", "streaming": None},
    ),
    "traceloop_openai-chat_stream_nousage": Lost("the provider sent no usage", NO_USAGE),
    "traceloop_openai-chat_unpriced": Lost(
        "the vendor's prefix of the model is dropped", {"response_model": "house-model-7b"}
    ),
    "traceloop_openai_old-chat_stream_nousage": Lost("the provider sent no usage", NO_USAGE),
    "traceloop_openai_old-chat_unpriced": Lost(
        "the vendor's prefix of the model is dropped", {"response_model": "house-model-7b"}
    ),
    "traceloop_openai_old-responses_tools": Lost(
        "the responses API's reasons are not sent, and the item's id stands for the call's",
        {"finish_reasons": (), "call_id": "fc_1"},
    ),
    "traceloop_openai-responses_tools": Lost("the item's id stands for the call's", {"call_id": "fc_1"}),
    "otel_google_genai_latest-gen_tools": Lost(
        "Gemini names no id, the instrumentation makes one up", {"call_id": "get_weather_0"}
    ),
    "otel_openai_v2-responses": Lost("the responses API is not instrumented", {"calls": 0}),
    "otel_openai_v2-responses_stream": Lost("the responses API is not instrumented", {"calls": 0}),
    "otel_openai_v2-responses_tools": Lost("the responses API is not instrumented", {"calls": 0}),
    "openlit_anthropic-msg_cached": Lost(SHORT, {"cost_status": "estimated"}),
    "openlit_anthropic-msg_stream_cached": Lost(SHORT, {"cost_status": "estimated"}),
    "vercel_ai_v7-anthropic_cached": Lost(SHORT, {"cost_status": "estimated"}),
    "openlit_openai-chat_reasoning": Lost("reasoning tokens are not sent", {"reasoning_tokens": 0}),
    "openlit_openai-chat_stream_nousage": Lost(
        "the instrumentation counts words itself, without saying so",
        {"input_tokens": 41, "output_tokens": 16},
    ),
    "openlit_openai-chat_vision_n2": Lost(
        "two choices are joined into one",
        {
            "finish_reasons": ("stop",),
            "output": "Paris is the capital of France. The capital of France is Paris (choice 1).",
        },
    ),
    "anthropic_sdk_native-error_529": Lost("content is off by default", NO_CONTENT),
    "anthropic_sdk_native-msg": Lost("content is off by default", NO_CONTENT),
    "anthropic_sdk_native-msg_cached": Lost("content is off by default", NO_CONTENT),
    "anthropic_sdk_native-msg_stream": Lost("content is off by default", NO_CONTENT),
    "anthropic_sdk_native-msg_thinking": Lost("content is off by default", NO_CONTENT),
    "langfuse_sdk-observe_generation": Lost("reported by hand: no provider was called", {"calls": 1}),
    "langfuse_sdk-openai_stream": Lost(
        "the answering model overwrites the asked one; neither provider nor response id is sent",
        {"request_model": "gpt-4o-mini-2024-07-18", "response_id": "", "cost_status": "estimated"},
    ),
    "langfuse_sdk-openai_wrapper": Lost(
        "the answering model overwrites the asked one; neither provider, response id nor reason is sent",
        {
            "request_model": "gpt-4o-mini-2024-07-18",
            "response_id": "",
            "finish_reasons": (),
            "cost_status": "estimated",
        },
    ),
    "litellm_otel-openai_stream": Lost(
        "in streams the asked model stands for the one that answered", {"response_model": "gpt-4o-mini"}
    ),
    "logfire_openai-chat_stream": Lost(ASKED, ASKED_VALUES),
    "logfire_openai-chat_tools_stream": Lost(ASKED, ASKED_VALUES),
    "logfire_openai-chat_stream_abandoned": Lost(
        "an abandoned stream leaves the span of its request, and nothing of the answer",
        NO_USAGE | ASKED_VALUES | {"finish_reasons": (), "streaming": None, "output": ""},
    ),
    "logfire_openai-responses": Lost("the responses API's status is not sent", {"finish_reasons": ()}),
    "logfire_openai-responses_stream": Lost(
        ASKED + ", nor the responses API's status", ASKED_VALUES | {"finish_reasons": ()}
    ),
    "logfire_openai-responses_tools": Lost("the responses API's status is not sent", {"finish_reasons": ()}),
    "vercel_ai_v5-embed": Lost("the answering model is not sent", {"response_model": ""}),
    "vercel_ai_v5-generate": Lost("reasoning tokens are not sent", {"reasoning_tokens": 0}),
    "openlit_openai-error_429": Lost("failed calls have no content", {"input": ""}),
    "anthropic_sdk_native_full-msg_stream": Lost("answers of streams are not recorded", {"output": ""}),
}


@dataclass(frozen=True)
class Same:
    """The value of another field of the same call."""

    field: str


@dataclass(frozen=True)
class Each:
    """One value a call, in order."""

    values: tuple[Any, ...]


NOT_TOLD = {"response_model": "", "response_id": ""}
ONE_MODEL = "one name stands for the asked and the answering model"
NO_VENDOR = "region and vendor are dropped from the model's id"
NO_CACHE = "cached tokens of InvokeModel are not sent"
NO_CACHE_VALUES = {"input_tokens": 97, "cache_read_tokens": 0, "cache_write_tokens": 0}
LITELLM_ID = (
    "resp_bGl0ZWxsbTpjdXN0b21fbGxtX3Byb3ZpZGVyOm9wZW5haTttb2RlbF9pZDpOb25lO3Jlc3BvbnNlX2lk"
    "OnJlc3BfZmFrZTAwMA=="
)
AS_PYTHON = "['alpha', 'beta']"
COHERE_PLAN = "I will look up the weather."
COHERE_RERANK = (
    '{"model":"rerank-v3.5","query":"capital of France","documents":["Berlin is in Germany.",'
    '"Paris is the capital of France.","Rome is in Italy."],"top_n":2}'
)
GEMINI_RESULT = 'Weather in Paris?\n{"result": "18 C, sunny"}'
ONLY_ASKED = "spans name the asked model only, and no response id"
OF_LANGFUSE = Lost(
    "of models only the answering one; no id, reasons, provider",
    {
        "request_model": Same("response_model"),
        "response_id": "",
        "finish_reasons": (),
        "cost_status": "estimated",
    },
)
LOST_BY: tuple[tuple[str, Lost], ...] = (
    ("*_bedrock-*converse*cached", Lost(SHORT, {"cost_status": "estimated"})),
    ("otel_botocore-converse*cached", Lost(SHORT, {"cost_status": "estimated"})),
    ("openinference_bedrock-converse*", Lost(ONE_MODEL, {"response_model": Same("request_model")})),
    ("openinference_bedrock-invoke_nova*", Lost(ONE_MODEL, {"response_model": Same("request_model")})),
    (
        "openinference_bedrock-invoke*cached",
        Lost(ONE_MODEL, {"request_model": "claude-sonnet-4-5-20250929"}),
    ),
    ("openinference_bedrock-invoke_stream_cached", Lost(SHORT, {"cost_status": "estimated"})),
    ("openinference_bedrock-converse_error", Lost("a failed call has no answer", {"response_model": ""})),
    ("openinference_bedrock-embed", Lost("embedding inputs are not sent", {"input": ""})),
    ("openlit_bedrock-converse*", Lost(ONE_MODEL, {"response_model": Same("request_model")})),
    (
        "openlit_bedrock-converse_error",
        Lost("failed calls say no more than their name", {"response_model": "", **NO_CONTENT}),
    ),
    (
        "openlit_bedrock-converse_tools",
        Lost(
            "tools, and what they give, are not sent",
            {"tools": [], "input": Each((Same("input"), "Weather in Paris?\nLet me check."))},
        ),
    ),
    ("openlit_bedrock-invoke_cached", Lost("InvokeModel is not instrumented", {"calls": 0})),
    (
        "otel_botocore-converse_tools*",
        Lost("text beside a tool call is not sent", {"output": Each(("", Same("output")))}),
    ),
    ("otel_botocore-embed", Lost("the answering model is not sent", {"response_model": ""})),
    ("otel_botocore-invoke*cached", Lost(NO_CACHE, NOT_TOLD | NO_CACHE_VALUES)),
    (
        "otel_botocore_default-*",
        Lost(
            "content is off by default: of tools only names and ids",
            {**NO_CONTENT, "tools": Each(([("get_weather", "tooluse_abc123", None)], []))},
        ),
    ),
    ("traceloop_bedrock*", Lost(NO_VENDOR, {"request_model": "claude-sonnet-4-5-20250929-v1:0"})),
    ("traceloop_bedrock*nova*", Lost(NO_VENDOR, {"request_model": "nova-pro-v1:0"})),
    ("traceloop_bedrock*stream*", Lost("that it streamed is not sent", {"streaming": None})),
    ("traceloop_bedrock-invoke*cached", Lost(NO_CACHE, NO_CACHE_VALUES)),
    ("traceloop_bedrock-invoke_nova_stream", Lost("the reason is not sent", {"finish_reasons": ()})),
    (
        "traceloop_bedrock-embed",
        Lost(NO_VENDOR, {"request_model": "titan-embed-text-v2:0", "response_model": "", "output_tokens": 0}),
    ),
    ("traceloop_bedrock-converse_error", Lost("failed calls have no content", NO_CONTENT)),
    ("traceloop_bedrock_default-*", Lost("content is switched off", NO_CONTENT)),
    ("agent_framework-chat_agent_stream", Lost("that it streamed is not sent", {"streaming": None})),
    ("agent_framework-default_chat", Lost("content is off by default", NO_CONTENT)),
    ("google_adk_v1_14-*", Lost("the answering model is not sent", {"response_model": ""})),
    ("langfuse_sdk*-*alone", Lost("the response id is not sent", {"response_id": ""})),
    (
        "langfuse_sdk*-langchain_*",
        Lost("neither id nor reasons are sent", {"response_id": "", "finish_reasons": ()}),
    ),
    (
        "langfuse_sdk-langchain_anthropic_cached",
        Lost(
            "the SDK's own span tells them", {"response_id": Same("response_id"), "finish_reasons": ("stop",)}
        ),
    ),
    (
        "langfuse_sdk*-langchain_stream*",
        Lost("streams name the asked model only", {"response_model": "gpt-4o-mini"}),
    ),
    ("langfuse_sdk_v3-langchain_anthropic_cached_alone", Lost(SHORT, {"cost_status": "estimated"})),
    (
        "langfuse_sdk-anthropic_generation_cached_alone",
        Lost("what the program does not hand over", {"cost_status": "estimated"}),
    ),
    ("langfuse_sdk*-openai_prompt", OF_LANGFUSE),
    ("langfuse_sdk*-openai_responses", OF_LANGFUSE),
    ("langfuse_sdk*-openai_tools", OF_LANGFUSE),
    ("litellm_otel-anthropic_stream", Lost("the id is made up", {"response_id": ""})),
    (
        "litellm_otel-default",
        Lost("content is left out, and with it the reasons", NO_CONTENT | {"finish_reasons": ()}),
    ),
    ("litellm_otel-embeddings", Lost("output is said to be zero", {"output_tokens": 0})),
    (
        "openinference_agno-*",
        Lost(ONLY_ASKED, {"response_model": "gpt-4o-mini", "response_id": "", "finish_reasons": ()}),
    ),
    ("openinference_agno-agent_stream*", Lost("that it streamed is not sent", {"streaming": None})),
    ("openinference_crewai-task", Lost("calls are left to the client's instrumentation", {"calls": 0})),
    ("openinference_crewai-task_tools", Lost("calls are left to the client's instrumentation", {"calls": 0})),
    (
        "openinference_langchain-rag_rerank",
        Lost("embeddings and reranks are not instrumented", {"only": (3,)}),
    ),
    ("traceloop_langchain-rag", Lost("embeddings are not instrumented", {"only": (2,)})),
    ("traceloop_llama_index-*", Lost("calls are tasks without model and usage", {"calls": 0})),
    (
        "traceloop_llama_index-rag_stacked",
        Lost("embeddings are not instrumented", {"only": (2,), "calls": 1}),
    ),
    (
        "litellm_otel-responses",
        Lost(
            "the provider's id is inside the id",
            {
                "response_id": LITELLM_ID,
                "cost_status": "estimated",
            },
        ),
    ),
    ("litellm_otel-tools", Lost("the message has no parts", {"tools": Each(([], []))})),
    ("langfuse_sdk*-retriever", Lost("the provider is not sent", {"cost_status": "estimated"})),
    ("langfuse_sdk_v3-openai_embeddings", Lost("the provider is not sent", {"cost_status": "estimated"})),
    ("litellm_otel-embeddings", Lost("the provider is not sent", {"cost_status": "estimated"})),
    ("*_cohere-*", Lost("Cohere names no answering model", {"response_model": Same("request_model")})),
    ("traceloop_cohere-*", Lost("Cohere names no answering model", {"response_model": ""})),
    (
        "*_cohere-rerank",
        Lost("reranks are billed by the search", {"cost_status": "unknown"}),
    ),
    ("openinference_cohere-rerank", Lost("the request stands for its query", {"input": COHERE_RERANK})),
    (
        "traceloop_cohere-rerank",
        Lost(
            "documents and order are sent as messages",
            {
                "system": "Berlin is in Germany.\nParis is the capital of France.\nRome is in Italy.",
                "output": "Doc 1, Score: 0.98\nDoc 0, Score: 0.67",
            },
        ),
    ),
    (
        "*_cohere-embed",
        Lost("embeddings come without usage", {"input_tokens": None, "cost_status": "unknown"}),
    ),
    ("openinference_cohere-embed", Lost("told, though the truth has none", {"response_id": "emb-fake000"})),
    ("traceloop_cohere-embed", Lost("told, though the truth has none", {"response_id": "emb-fake000"})),
    (
        "openlit_cohere-embed",
        Lost("no price; inputs as Python writes them", {"input_tokens": 19, "input": AS_PYTHON}),
    ),
    (
        "openinference_cohere-stream",
        Lost(
            "what is billed is not sent",
            {"response_id": "", "input_tokens": 604, "output_tokens": 55, "streaming": None},
        ),
    ),
    (
        "traceloop_cohere-tools",
        Lost("the plan is text", {"output": Each((COHERE_PLAN, Same("output")))}),
    ),
    ("openinference_gemini-stream", Lost("that it streamed is not sent", {"streaming": None})),
    ("*_gemini-tools", Lost("results of tools are text", {"input": Each((Same("input"), GEMINI_RESULT))})),
    ("openlit_gemini-*", Lost("the user's message is dropped", {"input": ""})),
    ("openlit_gemini-tools", Lost("no text is sent as None", {"input": Same("input")})),
    ("openlit_gemini-tools", Lost("no text is sent as None", {"output": Each(("None", Same("output")))})),
    ("openlit_vertex-chat", Lost("the user's message is dropped", {"input": ""})),
    (
        "traceloop_gemini-stream",
        Lost("only the last chunk", {"streaming": None, "output": "France."}),
    ),
    (
        "openinference_groq-stream",
        Lost(
            "the stream is not followed",
            NO_USAGE | NOT_TOLD | {"finish_reasons": (), "output": "<groq.Stream object at 0x7f1e1f49ebd0>"},
        ),
    ),
    ("*_groq-chat_cached", Lost("reasoning tokens are not sent", {"reasoning_tokens": 0})),
    ("openinference_groq-chat_cached", Lost("they are", {"reasoning_tokens": Same("reasoning_tokens")})),
    (
        "openlit_groq-stream",
        Lost("another id", {"response_model": "", "response_id": "req_fake"}),
    ),
    ("traceloop_groq-stream", Lost("not sent for streams", NOT_TOLD)),
    ("openinference_mistral-stream", Lost("not sent for streams", {"response_id": ""})),
    ("openinference_mistral-tools", Lost("ids of tool calls are not sent", {"call_id": None})),
    ("*_mistral-embed", Lost("output is said to be zero", {"output_tokens": 0})),
    ("openlit_mistral-embed", Lost("inputs as Python writes them", {"response_id": "", "input": AS_PYTHON})),
    ("traceloop_mistral-embed", Lost("the answering model is not sent", {"response_model": ""})),
    ("openlit_mistral-error_429", Lost("failed calls say no more than their name", NO_CONTENT)),
    ("traceloop_mistral-*", Lost("texts of prompts are not sent", {"input": "", "system": ""})),
    ("traceloop_mistral-embed", Lost("but those of embeddings", {"input": Same("input")})),
    ("traceloop_mistral-tools", Lost("tool calls are not sent", {"tools": []})),
    ("*_ollamaoai-*", Lost("nothing names Ollama", {"provider": "openai", "cost_status": "unknown"})),
    (
        "traceloop_ollama-*",
        Lost("no reasons; self-hosted", {"finish_reasons": (), "cost_status": "unknown"}),
    ),
    ("traceloop_ollama-tools", Lost("tool calls are not sent", {"tools": []})),
    ("traceloop_ollama-generate", Lost("the system's text is not sent", {"system": ""})),
    ("traceloop_together-chat", Lost("the reason is not sent", {"finish_reasons": ()})),
    (
        "traceloop_together-stream",
        Lost("the stream is not followed", NO_USAGE | NOT_TOLD | {"finish_reasons": (), "output": ""}),
    ),
    ("openlit_azure-chat_cached", Lost("reasoning tokens are not sent", {"reasoning_tokens": 0})),
    (
        "openlit_azure-embed",
        Lost(
            "the deployment's name for the model", {"response_model": "prod-embed", "cost_status": "unknown"}
        ),
    ),
    ("openlit_azure-error_429", Lost("failed calls have no content", {"input": ""})),
    ("otel_openai_v2_azure-chat_cached", Lost("not sent", {"cache_read_tokens": 0, "reasoning_tokens": 0})),
    ("otel_openai_v2_azure-chat_stream", Lost("that it streamed is not sent", {"streaming": None})),
    ("openinference_cohere-error_429", Lost("a failed call has no answer", {"response_model": ""})),
    ("openlit_cohere-stream", Lost("not sent for streams", {"response_model": ""})),
    (
        "claude_code-*",
        Lost(
            "the request's id for the response's, no answering model, no split of cache writes",
            {
                "response_model": "",
                "response_id": Each(("req_fake000", "req_fake001", "req_fake002")),
                "cost_status": "estimated",
                **NO_CONTENT,
            },
        ),
    ),
    ("claude_code-error_529", Lost("nor that it streamed", {"cost_status": "unknown", "streaming": None})),
    ("claude_code-retry_529", Lost("retries are one span", {"only": (1,), "response_id": "req_fake001"})),
    ("claude_code-logs_only", Lost("calls told by log events alone are not read", {"calls": 0})),
    ("google_adk_*", Lost("the response id is not sent", {"response_id": ""})),
    ("google_adk_v1-content_stream", Lost("nor that it streamed", {"response_model": "", "streaming": None})),
    (
        "google_adk_v1-default",
        Lost(
            "content is left out, and with it the answering model",
            {"response_model": "", **NO_CONTENT},
        ),
    ),
    ("google_adk_v2-*", Lost("the answering model is not sent", {"response_model": ""})),
    ("google_adk_v2-default", Lost("content is off by default", NO_CONTENT)),
    (
        "google_adk_v2-content_stream",
        Lost("chunks are parts", {"streaming": None, "output": "Paris is \nthe capital \nof France."}),
    ),
    ("google_adk_v2-content*tools*", Lost("ids of tool calls are made up", {"call_id": "get_weather_0"})),
    ("langsmith_otel-chain_stream", Lost("not sent for streams", {"response_id": "", "streaming": None})),
    ("langsmith_otel-rag", Lost("embeddings are not instrumented", {"only": (2,)})),
    ("langsmith_otel-responses", Lost("the API's status is not sent", {"finish_reasons": ()})),
    ("logfire_openai_agents-chat_tools", Lost(ONLY_ASKED, ASKED_VALUES | {"finish_reasons": ()})),
    ("openinference_dspy-*", Lost(ONLY_ASKED, ASKED_VALUES)),
    (
        "openinference_dspy-cot",
        Lost("neither usage nor reasons", NO_USAGE | {"finish_reasons": ()}),
    ),
    ("openinference_litellm-anthropic_cached", Lost(SHORT, {"response_id": "", "cost_status": "estimated"})),
    ("openinference_litellm-stream", Lost(ONLY_ASKED, ASKED_VALUES)),
    (
        "openinference_llama_index-*",
        Lost(ONLY_ASKED, {"response_model": Same("request_model"), "response_id": ""}),
    ),
    ("openinference_llama_index-agent_tools", Lost("streams come without usage", NO_USAGE)),
    (
        "openinference_llama_index-rag*",
        Lost(
            "embeddings come without usage and answering model",
            {
                "input_tokens": Each((None, None, 1117)),
                "response_model": Each(("", "", "gpt-4o-mini")),
                "cost_status": Each(("unknown", "unknown", "exact")),
                "input": Each((LOADED, ASKED_QUERY, Same("input"))),
            },
        ),
    ),
    ("openinference_llama_index-rag_stream", Lost("streams come without usage", NO_USAGE)),
    (
        "openinference_llama_index-rag_rerank",
        Lost(
            "embeddings and reranks come without usage and answering model",
            {
                "input_tokens": Each((None, None, None, 1117)),
                "response_model": Each(("", "", "", "gpt-4o-mini")),
                "cost_status": Each(("unknown", "unknown", "unknown", "exact")),
                "input": Each((LOADED, ASKED_QUERY, Same("input"), Same("input"))),
            },
        ),
    ),
    ("openinference_openai_agents-chat_tools", Lost(ONLY_ASKED, ASKED_VALUES | {"finish_reasons": ()})),
    (
        "openinference_openai_agents-responses*",
        Lost("the answering model stands for the asked one", {"request_model": Same("response_model")}),
    ),
    (
        "openinference_openai_agents-responses_tools",
        Lost("every answer is said to end by `stop`", {"finish_reasons": ("stop",)}),
    ),
    ("openinference_smolagents-tools", Lost(ONLY_ASKED, ASKED_VALUES | {"finish_reasons": ()})),
    ("pydantic_ai_v[01]-*", Lost("not sent before 2.0", {"response_id": "", "finish_reasons": ()})),
    ("pydantic_ai_v[01]-anthropic_cached", Lost(SHORT, {"cost_status": "estimated"})),
    (
        "pydantic_ai_v[01]-agent_stream",
        Lost("streams name the asked model only", {"response_model": "gpt-4o-mini", "streaming": None}),
    ),
    (
        "pydantic_ai_v1-error_429_retried",
        Lost("retries are one span; no content when failed", {"only": (2,), **NO_CONTENT}),
    ),
    ("semantic_kernel-*", Lost("the answering model is not sent", {"response_model": ""})),
    ("semantic_kernel-chat_cached", Lost("cached tokens are not sent", {"cache_read_tokens": 0})),
    ("semantic_kernel-chat_default", Lost("content is off by default", NO_CONTENT)),
    ("semantic_kernel-chat_stream", Lost("that it streamed is not sent", {"streaming": None})),
    (
        "strands-*",
        Lost(
            "the framework's name stands for the provider's; model, id and streaming are not sent",
            NOT_TOLD | {"cost_status": "estimated", "streaming": None},
        ),
    ),
    (
        "traceloop_openai_agents-chat_tools",
        Lost(
            "the chat API's answers are lost",
            NO_USAGE | NOT_TOLD | {"finish_reasons": (), "tools": [], "output": ""},
        ),
    ),
    ("traceloop_openai_agents-handoff", Lost("only the answering model is sent", {"request_model": ""})),
    (
        "traceloop_openai_agents-responses_*",
        Lost("only the answering model is sent", {"request_model": ""}),
    ),
    (
        "traceloop_openai_agents-stacked_tools",
        Lost("the item's id stands for the call's", {"call_id": "fc_000"}),
    ),
    ("vercel_ai_v?-nocontent", Lost("content is switched off", NO_CONTENT)),
    ("vercel_ai_v?-embed*", Lost("the answering model is not sent", {"response_model": ""})),
    ("vercel_ai_v7-embed*", Lost("embedding inputs are not sent", {"input": ""})),
    ("vercel_ai_v7-anthropic*cached", Lost(SHORT, {"cost_status": "estimated"})),
    ("vercel_ai_v7-stream_responses_cached", Lost("reasoning tokens are not sent", {"reasoning_tokens": 0})),
)
"""The same for groups of captures, by patterns of their names; later ones add to earlier ones."""


def lost_in(name: str) -> dict[str, Any]:
    """What a capture's instrumentation lost: values in place of the truth."""
    values: dict[str, Any] = {}
    for pattern, lost in LOST_BY:
        if fnmatch(name, pattern):
            values |= lost.values
    return values | LOST.get(name, Lost("")).values


def meant(value: Any, truth: dict[str, Any], number: int) -> Any:
    """The value that stands in `LOST` for a call."""
    if isinstance(value, Each):
        value = value.values[number]
    return truth[value.field] if isinstance(value, Same) else value
