"""A capture cut into messages of one span or log record each, as simple processors send them."""

from lumina_streams.core.otlp import LOGS, TRACES, Signal


def one_span_each(body: bytes, project: str = "") -> list[bytes]:
    """Encoded requests of one span, in order, each with its resource and scope; in `project` if given."""
    return _one_each(TRACES, body, project)


def one_record_each(body: bytes, project: str = "") -> list[bytes]:
    """The same of log records."""
    return _one_each(LOGS, body, project)


def _one_each(signal: Signal, body: bytes, project: str) -> list[bytes]:
    bodies: list[bytes] = []
    for group in getattr(signal.request.FromString(body), signal.groups):
        for scope in getattr(group, signal.scopes):
            for item in getattr(scope, signal.items):
                request = signal.request()
                own_group = getattr(request, signal.groups).add()
                own_group.resource.CopyFrom(group.resource)
                if project:
                    own_group.resource.attributes.add(key="lumina.project").value.string_value = project
                own_scope = getattr(own_group, signal.scopes).add()
                own_scope.scope.CopyFrom(scope.scope)
                getattr(own_scope, signal.items).add().CopyFrom(item)
                bodies.append(request.SerializeToString())
    return bodies
