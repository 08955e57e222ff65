"""Instrumentations by their scope: what turns prompts and answers on, where they are off or can be off."""

from typing import NamedTuple


class Instrumentation(NamedTuple):
    """One instrumentation in the field."""

    title: str
    scopes: tuple[str, ...]  # starts of the scope's name; the longest that fits decides
    content: str  # what a user sets, so that prompts and answers are sent


INSTRUMENTATIONS: tuple[Instrumentation, ...] = (
    Instrumentation(
        "OpenTelemetry GenAI (openai-v2, google-genai, util-genai)",
        (
            "opentelemetry.instrumentation.openai_v2",
            "opentelemetry.instrumentation.google_genai",
            "opentelemetry.util.genai",
            "opentelemetry.instrumentation.genai",
            "otel_genai",
        ),
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=SPAN_ONLY with "
        "OTEL_SEMCONV_STABILITY_OPT_IN=gen_ai_latest_experimental (older versions: =true)",
    ),
    Instrumentation(
        "OpenTelemetry botocore (Bedrock)",
        ("opentelemetry.instrumentation.botocore",),
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true",
    ),
    Instrumentation(
        "OpenLLMetry (Traceloop)",
        ("opentelemetry.instrumentation.", "traceloop"),
        "TRACELOOP_TRACE_CONTENT=true",
    ),
    Instrumentation(
        "OpenInference",
        ("openinference.instrumentation", "@arizeai/openinference"),
        "OPENINFERENCE_HIDE_INPUTS=false and OPENINFERENCE_HIDE_OUTPUTS=false",
    ),
    Instrumentation("OpenLIT", ("openlit",), "openlit.init(capture_message_content=True)"),
    Instrumentation(
        "Vercel AI SDK",
        ("ai", "gen_ai"),
        "experimental_telemetry: { isEnabled: true, recordInputs: true, recordOutputs: true }",
    ),
    Instrumentation("Langfuse SDK", ("langfuse",), "capture_input and capture_output of @observe left on"),
    Instrumentation(
        "LangSmith", ("langsmith",), "LANGSMITH_HIDE_INPUTS=false and LANGSMITH_HIDE_OUTPUTS=false"
    ),
    Instrumentation("Logfire", ("logfire",), "no scrubbing of messages: logfire.instrument_*() records them"),
    Instrumentation("pydantic-ai", ("pydantic-ai",), "InstrumentationSettings(include_content=True)"),
    Instrumentation("LiteLLM", ("litellm",), "litellm.turn_off_message_logging = False"),
    Instrumentation(
        "Google ADK",
        ("gcp.vertex.agent",),
        "ADK_CAPTURE_MESSAGE_CONTENT_IN_SPANS=true and "
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT=true",
    ),
    Instrumentation(
        "Semantic Kernel",
        ("semantic_kernel",),
        "SEMANTICKERNEL_EXPERIMENTAL_GENAI_ENABLE_OTEL_DIAGNOSTICS_SENSITIVE=true",
    ),
    Instrumentation("Strands Agents", ("strands",), "content is sent as span events by default"),
    Instrumentation(
        "Anthropic SDK's own spans",
        ("com.anthropic.sdk", "com.anthropic.claude-platform"),
        "content capture in the SDK's traces settings (off by default)",
    ),
    Instrumentation("Claude Code", ("com.anthropic.claude_code",), "OTEL_LOG_USER_PROMPTS=1"),
)
"""Sources: the instrumentations' documentation, and the captures under `tests/corpus/`."""

ANY_SETTING = "the content capture of the instrumentation (most capture none by default)"


def content_setting(scope: str) -> str:
    """What turns prompts and answers on for the instrumentation of this scope, in its own words."""
    best, setting = 0, ANY_SETTING
    for instrumentation in INSTRUMENTATIONS:
        for start in instrumentation.scopes:
            exact = start in ("ai", "gen_ai")  # too short to be the start of anything
            fits = scope == start if exact else scope.startswith(start)
            if fits and len(start) > best:
                best, setting = len(start), instrumentation.content
    return setting
