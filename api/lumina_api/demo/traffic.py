"""Planned calls become real spans: one OpenTelemetry SDK a service, exported over OTLP/HTTP.

What flows in: calls of the scenario and the times at which they are to end. What flows out: OTLP requests of
whole traces. A trace is never cut by a batch, as its root names the endpoint of the calls inside.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.util.types import AttributeValue

from lumina_api.demo import PROJECT
from lumina_api.demo.scenario import PlannedCall

# A batch leaves when we flush, never by size or time: a timer could cut a trace in two.
QUEUE_SPANS = 50_000
NEVER_MS = 24 * 3600 * 1000.0

MS = 1_000_000
TIMEOUT_S = 10.0


@dataclass
class Tally:
    """What an exporter has sent and what it could not send, in spans."""

    sent: int = 0
    failed: int = 0


class CountingExporter(SpanExporter):
    """An exporter that counts: the SDK only logs what it loses."""

    def __init__(self, exporter: SpanExporter, tally: Tally) -> None:
        self._exporter = exporter
        self._tally = tally

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Hand on and count."""
        result = self._exporter.export(spans)
        if result is SpanExportResult.SUCCESS:
            self._tally.sent += len(spans)
        else:
            self._tally.failed += len(spans)
        return result

    def shutdown(self) -> None:
        """Close the exporter's connections."""
        self._exporter.shutdown()


def otlp_exporter(endpoint: str, headers: dict[str, str] | None = None) -> SpanExporter:
    """The exporter that applications use: OTLP/HTTP, protobuf. Without headers: those of the environment."""
    url = f"{endpoint.rstrip('/')}/v1/traces"
    return OTLPSpanExporter(url, headers=headers or None, timeout=TIMEOUT_S)


@dataclass
class Applications:
    """The demo's services, each with its own SDK. `endpoint` is the base URL of an OTLP/HTTP receiver."""

    endpoint: str
    exporter: Callable[[str], SpanExporter] = otlp_exporter
    tally: Tally = field(default_factory=Tally)
    _providers: dict[str, TracerProvider] = field(default_factory=dict)
    _tracers: dict[str, Tracer] = field(default_factory=dict)

    def emit(self, call: PlannedCall, end_ns: int) -> None:
        """Make the spans of one trace, which ends at `end_ns` (Unix time). `flush` sends them."""
        _trace(self._tracer(call.endpoint.service), call, end_ns)

    def flush(self) -> None:
        """Send all that was emitted; returns when it is acknowledged, or counted as failed."""
        for provider in self._providers.values():
            provider.force_flush()

    def shutdown(self) -> None:
        """Send the rest and close."""
        for provider in self._providers.values():
            provider.shutdown()

    def _tracer(self, service: str) -> Tracer:
        if service not in self._tracers:
            resource = Resource.create(
                {
                    "service.name": service,
                    "service.version": "1.4.2",
                    "deployment.environment.name": "demo",
                    "lumina.project": PROJECT,
                }
            )
            provider = TracerProvider(sampler=ALWAYS_ON, resource=resource, shutdown_on_exit=False)
            provider.add_span_processor(
                BatchSpanProcessor(
                    CountingExporter(self.exporter(self.endpoint), self.tally),
                    max_queue_size=QUEUE_SPANS,
                    max_export_batch_size=QUEUE_SPANS,
                    schedule_delay_millis=NEVER_MS,
                )
            )
            self._providers[service] = provider
            self._tracers[service] = provider.get_tracer("lumina.demo")
        return self._tracers[service]


def _trace(tracer: Tracer, call: PlannedCall, end_ns: int) -> None:
    """The spans of one request, outermost first: HTTP or workflow, agent, retrieval or tool, LLM call."""
    endpoint = call.endpoint
    llm_start = end_ns - int(call.duration_ms * MS)
    before_ms = 0.3 * call.duration_ms if endpoint.retrieval or endpoint.tool else 0.0
    start = llm_start - int(before_ms * MS) - 3 * MS
    outer: list[Span] = []
    context: Context | None = None

    def enter(name: str, kind: SpanKind, at_ns: int, attributes: dict[str, AttributeValue]) -> None:
        nonlocal context
        span = tracer.start_span(name, context, kind=kind, start_time=at_ns, attributes=attributes)
        context = set_span_in_context(span, context)
        outer.append(span)

    if endpoint.route:
        status = 502 if call.error else 200
        enter(
            f"POST {endpoint.route}",
            SpanKind.SERVER,
            start,
            {
                "http.request.method": "POST",
                "http.route": endpoint.route,
                "http.response.status_code": status,
                "server.address": endpoint.service,
            },
        )
    if endpoint.door == "agent":
        enter(
            f"invoke_agent {endpoint.name}",
            SpanKind.INTERNAL,
            start + MS,
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.provider.name": endpoint.provider,
                "gen_ai.agent.name": endpoint.name,
            },
        )
    if endpoint.retrieval:
        tracer.start_span(
            f"retrieval {endpoint.retrieval}",
            context,
            kind=SpanKind.CLIENT,
            start_time=start + 2 * MS,
            attributes={
                "gen_ai.operation.name": "retrieval",
                "gen_ai.data_source.id": endpoint.retrieval,
                "gen_ai.request.top_k": 8,
            },
        ).end(llm_start - MS)
    if endpoint.tool:
        tracer.start_span(
            f"execute_tool {endpoint.tool}",
            context,
            start_time=start + 2 * MS,
            attributes={
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": endpoint.tool,
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": f"call_{secrets.token_hex(8)}",
            },
        ).end(llm_start - MS)
    llm = tracer.start_span(
        f"{endpoint.operation} {call.model}",
        context,
        kind=SpanKind.CLIENT,
        start_time=llm_start,
        attributes=_llm_attributes(call),
    )
    if call.error:
        llm.set_status(Status(StatusCode.ERROR, "the provider refused the request: too many tokens a minute"))
    llm.end(end_ns)
    for depth, span in enumerate(reversed(outer), start=1):
        if call.error:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_ns + depth * MS)


def _llm_attributes(call: PlannedCall) -> dict[str, AttributeValue]:
    """Current OTel GenAI conventions, content included."""
    endpoint = call.endpoint
    attributes: dict[str, AttributeValue] = {
        "gen_ai.operation.name": endpoint.operation,
        "gen_ai.provider.name": endpoint.provider,
        "gen_ai.request.model": call.model,
        "server.address": f"api.{endpoint.provider}.com",
        "server.port": 443,
    }
    if endpoint.door == "agent":
        attributes["gen_ai.agent.name"] = endpoint.name
    if endpoint.door == "job":
        attributes["lumina.endpoint"] = endpoint.name
    if endpoint.door == "prompt":
        attributes["gen_ai.prompt.name"] = endpoint.name
        attributes["gen_ai.prompt.version"] = "3"
    if endpoint.operation == "chat":
        attributes["gen_ai.system_instructions"] = json.dumps(
            [_text(part) for part in (endpoint.system, call.context) if part]
        )
        attributes["gen_ai.input.messages"] = json.dumps([{"role": "user", "parts": [_text(call.question)]}])
    if call.error:
        attributes["error.type"] = call.error
        return attributes
    attributes["gen_ai.response.model"] = call.model
    attributes["gen_ai.usage.input_tokens"] = call.input_tokens
    if endpoint.operation == "chat":
        attributes["gen_ai.response.id"] = f"chatcmpl-{secrets.token_hex(12)}"
        attributes["gen_ai.usage.output_tokens"] = call.output_tokens
        attributes["gen_ai.response.finish_reasons"] = ["stop"]
        attributes["gen_ai.output.messages"] = json.dumps(
            [{"role": "assistant", "parts": [_text(call.answer)], "finish_reason": "stop"}]
        )
    return attributes


def _text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}
