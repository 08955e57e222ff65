"""The two signals of OTLP that Lumina keeps, and how their requests are built: groups, scopes, items.

`resource_spans.scope_spans.spans` and `resource_logs.scope_logs.log_records` have one form and one set of
field numbers, so everything about requests is written once, for both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True)
class Signal:
    """Traces or logs: the request's message type and the names of its three levels of elements."""

    name: str
    request: Any
    groups: str
    scopes: str
    items: str

    @property
    def descriptor(self) -> Descriptor:
        """Descriptor of the request."""
        descriptor: Descriptor = self.request.DESCRIPTOR
        return descriptor

    def each(self, request: Any) -> Iterator[Any]:
        """All spans or log records of a request, in order."""
        for group in getattr(request, self.groups):
            for scope in getattr(group, self.scopes):
                yield from getattr(scope, self.items)

    def count(self, request: Any) -> int:
        """How many spans or log records a request has."""
        return sum(
            len(getattr(scope, self.items))
            for group in getattr(request, self.groups)
            for scope in getattr(group, self.scopes)
        )


TRACES = Signal("traces", ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans")
LOGS = Signal("logs", ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records")
