"""OTLP requests of LLM calls, made once and stamped anew for each sending."""

import random
import secrets
import time
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TEXT = """
order invoice customer refund parcel delivery address policy contract payment status account answer
question product warranty return label carrier tracking number email support agent ticket summary
section clause renewal premium discount balance credit charge receipt billing period notice update
schedule meeting report document signature approval request details reference please contact within
"""
WORDS = TEXT.split()

TRACE_MARK, SPAN_MARK = b"T" * 16, b"S" * 8
START_MARK, END_MARK = 0x5354415254535453, 0x454E44454E44454E
"""Placeholders of fixed width (ids and fixed64 times) that a sending overwrites in place."""


@dataclass(frozen=True)
class Call:
    """One LLM call to send."""

    service: str
    endpoint: str
    input_tokens: int = 800
    output_tokens: int = 200
    model: str = "gpt-4o-mini"


class Batch:
    """A serialised ExportTraceServiceRequest whose ids and times can be overwritten in place."""

    def __init__(self, calls: list[Call], seed: int, project: str, span_bytes: int = 2400) -> None:
        rng = random.Random(seed)
        request = ExportTraceServiceRequest()
        by_service: dict[str, list[Call]] = {}
        for call in calls:
            by_service.setdefault(call.service, []).append(call)
        for service, of_service in by_service.items():
            group = request.resource_spans.add()
            group.resource.attributes.extend(
                [_string("service.name", service), _string("lumina.project", project)]
            )
            scope = group.scope_spans.add()
            scope.scope.name = "opentelemetry.util.genai.handler"
            scope.spans.extend(_span(call, rng, span_bytes) for call in of_service)
        self._body = bytearray(request.SerializeToString())
        self.size = len(calls)
        self._traces = _offsets(self._body, TRACE_MARK)
        self._spans = _offsets(self._body, SPAN_MARK)
        self._starts = _offsets(self._body, START_MARK.to_bytes(8, "little"))
        self._ends = _offsets(self._body, END_MARK.to_bytes(8, "little"))
        if not len(self._traces) == len(self._spans) == len(self._starts) == len(self._ends) == self.size:
            raise RuntimeError("A placeholder occurs in the payload: choose another.")

    def stamped(self, at_ns: int | None = None) -> bytes:
        """The body with fresh ids, all calls ending now (or at the given time)."""
        end = time.time_ns() if at_ns is None else at_ns
        body, ids = self._body, secrets.token_bytes(24 * self.size)
        for index in range(self.size):
            trace, span = self._traces[index], self._spans[index]
            body[trace : trace + 16] = ids[24 * index : 24 * index + 16]
            body[span : span + 8] = ids[24 * index + 16 : 24 * index + 24]
            start_at, end_at = self._starts[index], self._ends[index]
            body[start_at : start_at + 8] = (end - 900_000_000 + index).to_bytes(8, "little")
            body[end_at : end_at + 8] = (end + index).to_bytes(8, "little")
        return bytes(body)


def _span(call: Call, rng: random.Random, span_bytes: int) -> Span:
    question = " ".join(rng.choices(WORDS, k=60))
    # The same endpoint answers alike: a stable text with a few words changed.
    stable = random.Random(call.endpoint)
    words = stable.choices(WORDS, k=140)
    for _ in range(12):
        words[rng.randrange(len(words))] = rng.choice(WORDS)
    answer = " ".join(words)[:1000]
    span = Span(
        trace_id=TRACE_MARK,
        span_id=SPAN_MARK,
        name=f"chat {call.model}",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=START_MARK,
        end_time_unix_nano=END_MARK,
    )
    span.attributes.extend(
        [
            _string("lumina.endpoint", call.endpoint),
            _string("gen_ai.operation.name", "chat"),
            _string("gen_ai.provider.name", "openai"),
            _string("gen_ai.request.model", call.model),
            _string("gen_ai.response.model", call.model),
            _string("gen_ai.response.id", f"chatcmpl-{rng.getrandbits(64):016x}"),
            _int("gen_ai.usage.input_tokens", call.input_tokens),
            _int("gen_ai.usage.output_tokens", call.output_tokens),
            _string(
                "gen_ai.input.messages",
                '[{"role":"user","parts":[{"type":"text","content":"Where is my order? ' + question + '"}]}]',
            ),
            _string(
                "gen_ai.output.messages",
                '[{"role":"assistant","parts":[{"type":"text","content":"'
                + answer
                + '"}],"finish_reason":"stop"}]',
            ),
            _string("server.address", "api.openai.com"),
            _int("server.port", 443),
        ]
    )
    missing = span_bytes - span.ByteSize() - 30
    if missing > 0:
        span.attributes.append(_string("app.request.context", ("ctx " * missing)[:missing]))
    return span


def _string(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _int(key: str, value: int) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(int_value=value))


def _offsets(body: bytearray, mark: bytes) -> list[int]:
    offsets, start = [], 0
    while (found := body.find(mark, start)) >= 0:
        offsets.append(found)
        start = found + len(mark)
    return offsets
