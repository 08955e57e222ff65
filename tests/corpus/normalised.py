"""The captures as normalise makes them."""

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from corpus.truth import CORPUS
from lumina_schemas.span import Span
from lumina_streams.core.content.logs import normalise_logs, with_content
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import Landing, normalise

PRICES = PriceBook()
LANDING = Landing("epoch", "otlp", 0, 1)


def normalised(name: str) -> list[Span]:
    """All spans of a capture with the content of its logs."""
    path = CORPUS / f"{name}.otlp.pb"
    body = path.read_bytes() if path.exists() else b""
    result = normalise(ExportTraceServiceRequest.FromString(body), LANDING, PRICES)
    assert not result.rejected
    return with_logs(name, result.spans)


def with_logs(name: str, spans: list[Span]) -> list[Span]:
    """The spans with the content of the capture's logs."""
    logs = CORPUS / f"{name}.logs.pb"
    if not logs.exists():
        return spans
    contents = {
        (content.trace_id, content.span_id): content
        for content in normalise_logs(ExportLogsServiceRequest.FromString(logs.read_bytes()), LANDING)
    }
    return [
        with_content(span, contents[key]) if (key := (span.trace_id, span.span_id)) in contents else span
        for span in spans
    ]
