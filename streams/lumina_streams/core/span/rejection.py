"""What becomes of spans that cannot be kept: by reason, together, as requests of their own.

A request may hold very many such spans. One request each would copy the resource as often, and make a flood
of dead letters out of one message.
"""

from typing import Any

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_streams.core.otlp import TRACES, split

LIMIT_BYTES = 4_000_000

_FRAME = 6  # tag and length of an element
_CONTEXT_FRAMES = 6 * _FRAME  # group, resource, scope element, scope, two schema URLs


class Rejected(Struct, frozen=True):
    """Spans that cannot be kept: why, the spans as an encoded `ExportTraceServiceRequest`, how many."""

    reason: str
    body: bytes
    spans: int


class Rejections:
    """Rejected spans of one message, in requests of at most `limit` bytes (4,000 or more) for each reason.

    Resource and scope stay with their spans. A span that is larger than `limit` by itself is shortened.
    """

    def __init__(self, limit: int = LIMIT_BYTES) -> None:
        self._limit = limit
        self._open: dict[str, _Letter] = {}
        self._closed: list[Rejected] = []

    def add(self, reason: str, resource_spans: Any, scope_spans: Any, span: Any) -> None:
        """Add a span of `scope_spans` of `resource_spans`; the spans of a message come in its order."""
        letter = self._open.get(reason)
        if letter is None:
            letter = self._open[reason] = _Letter()
        elif letter.size + letter.growth(resource_spans, scope_spans, span) > self._limit:
            self._close(reason, letter)
            letter = self._open[reason] = _Letter()
        letter.add(resource_spans, scope_spans, span)

    def all(self) -> list[Rejected]:
        """Everything added so far."""
        for reason, letter in self._open.items():
            self._close(reason, letter)
        self._open.clear()
        return self._closed

    def _close(self, reason: str, letter: "_Letter") -> None:
        body = letter.request.SerializeToString()
        if len(body) > self._limit:  # a span by itself: what is added to others fits
            body = split(TRACES, body, self._limit)[0]
        self._closed.append(Rejected(reason, body, letter.spans))


class _Letter:
    """One request under way."""

    def __init__(self) -> None:
        self.request = ExportTraceServiceRequest()
        self.size = 0  # bytes when encoded, at most
        self.spans = 0
        self._resource_spans: Any = None  # where the last span came from ...
        self._scope_spans: Any = None
        self._group: Any = None  # ... and where it went
        self._scope: Any = None

    def growth(self, resource_spans: Any, scope_spans: Any, span: Any) -> int:
        """Bytes by which a span makes the request larger, at most."""
        size: int = span.ByteSize() + _FRAME
        if scope_spans is not self._scope_spans:
            size += scope_spans.scope.ByteSize() + len(scope_spans.schema_url.encode()) + _CONTEXT_FRAMES
        if resource_spans is not self._resource_spans:
            size += resource_spans.resource.ByteSize() + len(resource_spans.schema_url.encode())
        return size

    def add(self, resource_spans: Any, scope_spans: Any, span: Any) -> None:
        """Copy a span, with its resource and scope where they are not the last one's."""
        self.size += self.growth(resource_spans, scope_spans, span)
        self.spans += 1
        if resource_spans is not self._resource_spans:
            self._resource_spans = resource_spans
            self._group = self.request.resource_spans.add(schema_url=resource_spans.schema_url)
            if resource_spans.HasField("resource"):
                self._group.resource.CopyFrom(resource_spans.resource)
        if scope_spans is not self._scope_spans:
            self._scope_spans = scope_spans
            self._scope = self._group.scope_spans.add(schema_url=scope_spans.schema_url)
            if scope_spans.HasField("scope"):
                self._scope.scope.CopyFrom(scope_spans.scope)
        self._scope.spans.add().CopyFrom(span)
