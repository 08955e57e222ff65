"""OTLP requests of LLM calls for the end-to-end tests: seeded, with known truth."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx
import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

QUESTION = "What is the refund policy for order {}?"
ANSWER = (
    "You can return the order within 30 days of delivery. Refunds are issued to the original payment method "
    "within 5 business days after the parcel has arrived at our warehouse."
)
REFUSAL = "I'm sorry, but I can't help with that request."
SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Call:
    """One LLM call as an application would report it."""

    service: str = "shop"
    endpoint: str = "answer"
    project: str = "e2e"
    model: str = "gpt-4o-mini"
    input_tokens: int = 900
    output_tokens: int = 120
    question: str = QUESTION.format(1)
    answer: str = ANSWER
    prompt_version: str = ""
    finish: str = ""
    latency_ms: float = 800
    end_ns: int = 0
    trace_id: bytes = b""
    span_id: bytes = b""


def normal_calls(
    rng: random.Random, count: int, end_ns: int, every_ns: int = SECOND_NS, **fields: Any
) -> list[Call]:
    """`count` calls that end `every_ns` apart, the last at `end_ns`, with a believable spread of tokens."""
    return [
        Call(
            input_tokens=int(900 * rng.lognormvariate(0, 0.2)),
            output_tokens=int(120 * rng.lognormvariate(0, 0.25)),
            question=QUESTION.format(rng.randrange(10_000)),
            end_ns=end_ns - (count - 1 - index) * every_ns,
            trace_id=rng.randbytes(16),
            span_id=rng.randbytes(8),
            **fields,
        )
        for index in range(count)
    ]


def dear(call: Call) -> Call:
    """The same call after a switch to a model that costs about sixteen times as much."""
    return replace(call, model="gpt-4o")


def refused(call: Call) -> Call:
    """The same call, answered with a refusal."""
    return replace(call, answer=REFUSAL, output_tokens=14)


def request(calls: Sequence[Call]) -> ExportTraceServiceRequest:
    """One ExportTraceServiceRequest of these calls, current OTel GenAI conventions."""
    body = ExportTraceServiceRequest()
    for call in calls:
        group = body.resource_spans.add()
        group.resource.attributes.extend(
            [_value("service.name", call.service), _value("lumina.project", call.project)]
        )
        scope = group.scope_spans.add()
        scope.scope.name = "opentelemetry.util.genai.handler"
        span = scope.spans.add()
        span.trace_id, span.span_id = call.trace_id, call.span_id
        span.name = f"chat {call.model}"
        span.kind = Span.SPAN_KIND_CLIENT
        span.start_time_unix_nano = call.end_ns - int(call.latency_ms * 1_000_000)
        span.end_time_unix_nano = call.end_ns
        attributes: dict[str, str | int] = {
            "lumina.endpoint": call.endpoint,
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": call.model,
            "gen_ai.response.model": call.model,
            "gen_ai.response.id": f"chatcmpl-{call.span_id.hex()}",
            "gen_ai.usage.input_tokens": call.input_tokens,
            "gen_ai.usage.output_tokens": call.output_tokens,
            "gen_ai.input.messages": _messages("user", call.question),
            "gen_ai.output.messages": _messages("assistant", call.answer),
        }
        if call.prompt_version:
            attributes["gen_ai.prompt.version"] = call.prompt_version
        span.attributes.extend(_value(key, value) for key, value in attributes.items())
        if call.finish:
            reasons = ArrayValue(values=[AnyValue(string_value=call.finish)])
            span.attributes.append(
                KeyValue(key="gen_ai.response.finish_reasons", value=AnyValue(array_value=reasons))
            )
    return body


async def post(otlp: str, calls: Sequence[Call]) -> None:
    """Send calls in one request to the OTLP/HTTP address `otlp`, and have them accepted."""
    async with httpx.AsyncClient() as client:
        await post_by(client, otlp, calls)


async def post_by(client: httpx.AsyncClient, otlp: str, calls: Sequence[Call]) -> None:
    """The same by a client that is kept: making one takes longer than a request."""
    response = await client.post(
        f"{otlp}/v1/traces",
        content=request(calls).SerializeToString(),
        headers={"content-type": "application/x-protobuf"},
    )
    assert response.status_code == 200, response.text


def _messages(role: str, text: str) -> str:
    return msgspec.json.encode([{"role": role, "parts": [{"type": "text", "content": text}]}]).decode()


def _value(key: str, value: str | int) -> KeyValue:
    return KeyValue(
        key=key,
        value=AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value),
    )
