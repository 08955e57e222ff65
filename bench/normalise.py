"""Decode, normalise and price: µs a span on one core, beside a bare protobuf parse of the same bytes.

Spans of 2.4 kB in messages of 200: OTel GenAI as bench/traffic.py makes them, and captures of other
instrumentations, padded to the same size. CPU time, the best of several turns.
"""

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.span import Span
from lumina_streams.core.otlp import decode_traces
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.lines import encode_line
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.core.span.registry import SeriesRegistry
from machine import facts
from traffic import Batch, Call

SPANS = 200
SPAN_BYTES = 2_400
TURNS = 30
CORPUS = Path(__file__).parents[1] / "tests" / "corpus"
CAPTURES = (
    "openinference_openai-chat_cached",
    "openinference_openai-chat",
    "traceloop_openai-chat",
    "traceloop_openai_old-chat",
    "vercel_ai_v6-tools_steps",
    "logfire_openai-chat_cached",
    "openlit_openai-chat",
    "pydantic_ai-agent_openai",
)


def main() -> None:
    """Measure and print one JSON line."""
    prices = PriceBook()
    now_ms = 1_764_000_000_000
    landing = Landing("bench", "otlp", 0, 1, appended_ms=now_ms)
    registry = SeriesRegistry(10_000)
    registry.begin(now_ms)
    bodies = {
        "otel_genai": Batch([Call("shop", f"endpoint-{n % 5}") for n in range(SPANS)], 1, "bench").stamped()
    }
    for name in CAPTURES:
        path = CORPUS / f"{name}.otlp.pb"
        if path.exists():
            bodies[name] = copies(path.read_bytes())
        else:
            print(f"{name}: not captured here, left out", file=sys.stderr)
    figures = {}
    for name, body in bodies.items():
        spans = normalise(decode_traces(body), landing, prices).spans
        count = len(spans)
        parse = microseconds(partial(ExportTraceServiceRequest.FromString, body), count)
        whole = microseconds(partial(made, body, landing, prices, registry), count)
        encode = microseconds(partial(encoded, spans), count)
        figures[name] = {
            "span_bytes": len(body) // count,
            "parse_us": parse,
            "normalise_us": whole,
            "ratio": round(whole / parse, 1),
            "encode_us": encode,
        }
    print(json.dumps({"bench": "normalise", "target_us": 25, "spans": figures, "machine": facts()}))


def made(body: bytes, landing: Landing, prices: PriceBook, registry: SeriesRegistry) -> list[Span]:
    """What is measured."""
    return normalise(decode_traces(body), landing, prices, registry=registry).spans


def encoded(spans: list[Span]) -> list[bytes]:
    """The lines of the log."""
    return [encode_line(span, 1_000_000) for span in spans]


def copies(body: bytes) -> bytes:
    """A capture's spans again and again in one message, each trace under ids of its own, padded."""
    source = ExportTraceServiceRequest.FromString(body)
    made = ExportTraceServiceRequest()
    spans = turn = 0
    while spans < SPANS:
        turn += 1
        for group in source.resource_spans:
            copy = made.resource_spans.add()
            copy.CopyFrom(group)
            for scope in copy.scope_spans:
                for span in scope.spans:
                    span.trace_id = turn.to_bytes(8, "big") + span.trace_id[8:]
                    for pair in span.attributes:
                        text = pair.value.string_value
                        if "fake0" in text:  # the responses' ids, wherever they stand
                            pair.value.string_value = text.replace("fake0", f"fake{turn}-")
                    missing = SPAN_BYTES - span.ByteSize() - 30
                    if missing > 0:
                        span.attributes.add(key="app.request.context").value.string_value = "x" * missing
                    spans += 1
    return made.SerializeToString()


def microseconds(work: Callable[[], object], spans: int) -> float:
    """CPU time of one span, in µs."""
    best = float("inf")
    for _ in range(TURNS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return round(best / spans * 1e6, 2)


if __name__ == "__main__":
    main()
