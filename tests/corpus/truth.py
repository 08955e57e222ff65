"""Captured spans of real instrumentations against what the provider really answered.

`LOST` holds what an instrumentation itself lost, with the reason: the expected value stands there instead
of the truth, so that a lost fact is asserted too. Whoever makes calls of a capture, in whatever way, asks
`check`.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import genai_prices
import pytest

from lumina_schemas.mapping.content import SYSTEM_ROLES
from lumina_schemas.mapping.finish import FINISH_REASONS
from lumina_schemas.span import Message, Span

CORPUS = Path(__file__).parent
PROVIDERS = {"google": {"gcp.gemini", "gcp.gen_ai"}}


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
    (
        "langfuse_sdk*-openai_prompt",
        Lost(
            "of models only the answering one; no id, reasons, provider",
            {
                "request_model": Same("response_model"),
                "response_id": "",
                "finish_reasons": (),
                "cost_status": "estimated",
            },
        ),
    ),
    (
        "langfuse_sdk*-openai_tools",
        Lost(
            "of models only the answering one; no id, reasons, provider",
            {
                "request_model": Same("response_model"),
                "response_id": "",
                "finish_reasons": (),
                "cost_status": "estimated",
            },
        ),
    ),
    (
        "langfuse_sdk*-openai_responses",
        Lost(
            "of models only the answering one; no id, reasons, provider",
            {
                "request_model": Same("response_model"),
                "response_id": "",
                "finish_reasons": (),
                "cost_status": "estimated",
            },
        ),
    ),
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


def names() -> list[str]:
    """All captures."""
    return sorted(path.name.removesuffix(".truth.json") for path in CORPUS.glob("*.truth.json"))


def truth_of(name: str) -> dict[str, Any]:
    """What really happened in a capture."""
    truth: dict[str, Any] = json.loads((CORPUS / f"{name}.truth.json").read_text())
    return truth


def check(name: str, spans: Iterable[Span]) -> None:
    """Assert that these spans of a capture are its calls, field by field, with their cost."""
    lost = lost_in(name)
    truth = truth_of(name)["calls"]
    truth = [truth[index] for index in lost["only"]] if "only" in lost else truth
    calls = sorted((span for span in spans if span.priced), key=lambda span: span.start_ns)
    assert len(calls) == lost.get("calls", len(truth))
    for number, (span, call) in enumerate(zip(calls, truth, strict=False)):
        wanted = expected(call)
        wanted |= {field: meant(value, wanted, number) for field, value in lost.items()}
        got = seen(span)
        if name == "traceloop_openai_old-responses_tools" and number == 1:
            wanted["input"] = ""  # results of tools are not recorded
        if name == "otel_openai_v2-chat_vision_n2":
            wanted["input"] = got["input"]
            assert "capital of France" in got["input"]
        if "call_id" in lost:
            wanted["tools"] = [(tool, lost["call_id"], arguments) for tool, _, arguments in wanted["tools"]]
        assert got == {field: wanted[field] for field in got}, span.cost_reason
        check_cost(span, call)


def check_cost(span: Span, call: dict[str, Any]) -> None:
    """Cost is known exactly where usage and price are, and is what genai-prices itself comes to."""
    if span.cost_status == "unknown":
        assert span.cost_usd is None
        assert span.cost_reason
        return
    hours = (call.get("usage") or {}).get("cache_write_1h", 0) if span.cache_write_tokens else 0
    by_request = call["provider"] == "google" or not call["response_model"]
    known = {
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cache_read_tokens": span.cache_read_tokens,
        "cache_write_tokens": span.cache_write_tokens,
        "cache_write_1h_tokens": hours if "1-hour" not in span.cost_reason else None,
    }
    price = genai_prices.calc_price(
        genai_prices.Usage(**{key: count for key, count in known.items() if count}),
        model_ref=call["request_model"] if by_request else call["response_model"],
        provider_id=call["provider"],
        genai_request_timestamp=datetime.fromtimestamp(span.start_ns / 1e9, UTC),
    )
    assert span.cost_usd == pytest.approx(float(price.total_price), abs=1e-10), span.cost_reason


def expected(call: dict[str, Any]) -> dict[str, Any]:
    """The truth in the names of a span."""
    usage = call.get("usage") or {}
    embedding = call["api"] == "embeddings"
    known = bool(usage) and not call["error"]
    unpriced = call["request_model"].startswith("acme/") or not known
    inputs = call["input_messages"] or call.get("query") or []
    inputs = inputs if isinstance(inputs, list) else [inputs]
    leading = [item for item in inputs if isinstance(item, dict) and item.get("role") in SYSTEM_ROLES]
    return {
        "provider": call["provider"],
        "request_model": call["request_model"],
        "response_model": call.get("response_model") or "",
        "response_id": call.get("response_id") or "",
        "input_tokens": usage.get("input_total") if known else None,
        "output_tokens": usage.get("output_total") if known and not embedding else None,
        "cache_read_tokens": usage.get("cache_read", 0),
        "cache_write_tokens": usage.get("cache_write", 0),
        "reasoning_tokens": usage.get("reasoning", 0),
        "finish_reasons": tuple(
            FINISH_REASONS[reason.lower()] for reason in call.get("finish_reasons") or []
        ),
        "failed": bool(call["error"]),
        "streaming": bool(call["stream"]) or None,
        "cost_status": "unknown" if unpriced else "exact",
        "kind": "embedding" if embedding else "rerank" if call["api"] == "rerank" else "llm",
        "input": "\n".join(texts([item for item in inputs if item not in leading])),
        "system": "\n".join(texts(call.get("system_instructions") or leading)),
        "output": "\n".join(texts(call.get("output") or [])),
        "tools": tools(call.get("output") or []),
    }


def texts(raw: Any) -> list[str]:
    """What is said in a provider's own messages, in order: texts and results of tools."""
    if isinstance(raw, str):
        return [raw] if raw else []
    if isinstance(raw, list):
        return [text for item in raw for text in texts(item)]
    if not isinstance(raw, dict) or raw.get("type") == "thinking":
        return []
    if "functionResponse" in raw:
        return [str(raw["functionResponse"]["response"])]
    said = [raw[key] for key in ("text", "content", "parts", "output") if raw.get(key)]
    return texts(said[0]) if said else []


def tools(raw: list[Any]) -> list[tuple[str, str | None, Any]]:
    """Tools asked for in a provider's own answer: (name, id, arguments)."""
    found: list[tuple[str, str | None, Any]] = []
    for item in raw:
        if item.get("type") == "tool_use":
            found.append((item["name"], item["id"], item["input"]))
        elif item.get("type") == "function_call":
            found.append((item["name"], item["call_id"], json.loads(item["arguments"])))
        elif "functionCall" in item:
            found.append((item["functionCall"]["name"], None, item["functionCall"]["args"]))
        for call in item.get("tool_calls") or ():
            asked = call["function"]
            found.append((asked["name"], call["id"], json.loads(asked["arguments"])))
    return found


def seen(span: Span) -> dict[str, Any]:
    provider = next((name for name, known in PROVIDERS.items() if span.provider in known), span.provider)
    return {
        "provider": provider,
        "request_model": span.request_model,
        "response_model": span.response_model,
        "response_id": span.response_id,
        "input_tokens": span.input_tokens,
        "output_tokens": span.output_tokens,
        "cache_read_tokens": span.cache_read_tokens or 0,
        "cache_write_tokens": span.cache_write_tokens or 0,
        "reasoning_tokens": span.reasoning_tokens or 0,
        "finish_reasons": span.finish_reasons,
        "failed": span.error is not None and span.status == "error",
        "streaming": span.streaming or None,
        "cost_status": span.cost_status,
        "kind": span.kind,
        "input": said(span.input_messages),
        "system": span.system,
        "output": said(span.output_messages),
        "tools": [(tool.name, tool.id, tool.arguments) for tool in span.tool_calls],
    }


def said(messages: tuple[Message, ...]) -> str:
    """Texts and tool results of some messages, without the system's."""
    texts = (
        str(part.result) if part.type == "tool_call_response" else part.content or ""
        for message in messages
        if message.role != "system"
        for part in message.parts
        if part.type in ("text", "tool_call_response")
    )
    return "\n".join(text for text in texts if text)
