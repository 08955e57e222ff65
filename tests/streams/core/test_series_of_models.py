"""The same application stays in its series when it changes its model: every capture, by another model."""

import re
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from corpus.single import one_span_each
from corpus.truth import CORPUS, names, truth_of
from lumina_schemas.span import Span
from lumina_streams.core.content.logs import LogContent, normalise_logs
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import Landing, normalise

PRICES = PriceBook()
LANDING = Landing("epoch", "otlp", 0, 1)

OTHER_MODELS = {
    "gpt-4o-mini-2024-07-18": "gpt-5-mini-2025-08-07",
    "gpt-4o-2024-08-06": "gpt-4.1-2025-04-14",
    "gpt-5-mini-2025-08-07": "gpt-5-nano-2025-08-07",
    "o3-mini-2025-01-31": "o4-mini-2025-04-16",
    "gpt-4o-mini": "gpt-5-mini",
    "gpt-4o": "gpt-4.1",
    "gpt-5-mini": "gpt-5-nano",
    "o3-mini": "o4-mini",
    "text-embedding-3-small": "text-embedding-3-large",
    "acme/house-model-7b": "acme/house-model-70b",
    "house-model-7b": "house-model-70b",
    "claude-sonnet-4-5-20250929": "claude-opus-4-1-20250805",
    "claude-sonnet-4-5": "claude-opus-4-1",
    "gemini-2.5-flash-001": "gemini-2.5-pro-001",
    "gemini-2.5-flash": "gemini-2.5-pro",
    "rerank-v3.5": "rerank-v4.0",
    "nova-pro": "nova-lite",
    "titan-embed-text-v2": "titan-embed-text-v3",
}


def renamed(text: str) -> str:
    names = sorted(OTHER_MODELS, key=len, reverse=True)  # the dated ones first
    return re.sub("|".join(map(re.escape, names)), lambda found: OTHER_MODELS[found[0]], text)


def switch(message: Message) -> None:
    """Put the other model into every text of a message, names of spans and values of attributes alike.

    Keys and what stands for the application (its resource, its scopes) stay.
    """
    for field, value in message.ListFields():
        if field.name in ("resource", "scope", "key"):
            continue
        if field.type == field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                switch(inner)
        elif field.type == field.TYPE_STRING and not field.is_repeated:
            setattr(message, field.name, renamed(value))


def spans_of(request: ExportTraceServiceRequest) -> dict[tuple[str, str], Span]:
    """Spans of one message and of the same spans by themselves, which have no neighbours to learn from."""
    result = normalise(request, LANDING, PRICES)
    assert not result.rejected
    found = {("together", span.trace_id + span.span_id): span for span in result.spans}
    for body in one_span_each(request.SerializeToString()):
        (span,) = normalise(ExportTraceServiceRequest.FromString(body), LANDING, PRICES).spans
        found["alone", span.trace_id + span.span_id] = span
    return found


@pytest.mark.parametrize("name", [name for name in names() if (CORPUS / f"{name}.otlp.pb").exists()])
def test_another_model_is_the_same_series(name: str) -> None:
    for call in truth_of(name)["calls"]:
        for model in (call["request_model"], call.get("response_model")):
            if model and model not in OTHER_MODELS:
                OTHER_MODELS[model] = renamed(model) if renamed(model) != model else f"{model}-next"
    before = ExportTraceServiceRequest.FromString((CORPUS / f"{name}.otlp.pb").read_bytes())
    after = ExportTraceServiceRequest()
    after.CopyFrom(before)
    switch(after)
    one, other = spans_of(before), spans_of(after)
    assert one.keys() == other.keys()
    for key, span in one.items():
        assert (other[key].series_id, other[key].endpoint) == (span.series_id, span.endpoint), key[0]
        assert (other[key].kind, other[key].priced) == (span.kind, span.priced), key[0]
        assert other[key].request_model == renamed(span.request_model)
    asked = {call["request_model"] for call in truth_of(name)["calls"]}
    if any(span.request_model for span in one.values()):
        assert asked <= OTHER_MODELS.keys(), "name another model for it"
        assert any(other[key].request_model != span.request_model for key, span in one.items())


@pytest.mark.parametrize("name", [name for name in names() if (CORPUS / f"{name}.logs.pb").exists()])
def test_another_model_finds_its_logs(name: str) -> None:
    """Content in logs stays that of the same spans."""
    before = ExportLogsServiceRequest.FromString((CORPUS / f"{name}.logs.pb").read_bytes())
    after = ExportLogsServiceRequest()
    after.CopyFrom(before)
    switch(after)

    def places(request: Any) -> list[tuple[Any, ...]]:
        found: list[LogContent] = normalise_logs(request, LANDING)
        return [(content.project, content.trace_id, content.span_id, content.src) for content in found]

    assert places(after) == places(before)
