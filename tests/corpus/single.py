"""A capture cut into messages of one span each, as a SimpleSpanProcessor sends them."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def one_span_each(body: bytes, project: str = "") -> list[bytes]:
    """Encoded requests of one span, in order, each with its resource and scope; in `project` if given."""
    bodies: list[bytes] = []
    for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                request = ExportTraceServiceRequest()
                group = request.resource_spans.add()
                group.resource.CopyFrom(resource_spans.resource)
                if project:
                    group.resource.attributes.add(key="lumina.project").value.string_value = project
                scope = group.scope_spans.add()
                scope.scope.CopyFrom(scope_spans.scope)
                scope.spans.add().CopyFrom(span)
                bodies.append(request.SerializeToString())
    return bodies
