"""Where an alert's calls are found: paths below the address of Lumina's API."""

from collections.abc import Iterable

from lumina_schemas.alert import TopSpan
from lumina_streams.core.baseline.moment import rfc3339

ALERTS = "/api/v1/alerts"
CALLS = "/api/v1/calls"
TRACES = "/api/v1/traces"

NAME_CHARS = 1000  # the API takes no longer names
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def links_of(
    alert_id: str, project: str, service: str, endpoint: str, from_ms: int, top_spans: Iterable[TopSpan]
) -> dict[str, str]:
    """Name -> path: the alert itself, the series' calls from `from_ms` on, the traces of the top spans."""
    links = {"self": f"{ALERTS}/{_escaped(alert_id)}"}
    place = {"project": project, "service": service, "endpoint": endpoint}
    if all(0 < len(name) <= NAME_CHARS for name in place.values()):
        asked = {**place, "since": rfc3339(from_ms)}
        links["calls"] = f"{CALLS}?{_query(asked)}"
    traces = dict.fromkeys(span.trace_id for span in top_spans if span.trace_id)
    for number, trace_id in enumerate(traces, 1):
        path = f"{TRACES}/{_escaped(trace_id)}"
        if 0 < len(project) <= NAME_CHARS:
            path += f"?{_query({'project': project})}"
        links[f"trace_{number}"] = path
    return links


def place_links(alert_id: str, project: str, service: str, from_ms: int) -> dict[str, str]:
    """Name -> path, for an alert of a project or of a service: the alert itself, its calls since then."""
    links = {"self": f"{ALERTS}/{_escaped(alert_id)}"}
    place = {name: text for name, text in (("project", project), ("service", service)) if text}
    if place and all(len(text) <= NAME_CHARS for text in place.values()):
        links["calls"] = f"{CALLS}?{_query({**place, 'since': rfc3339(from_ms)})}"
    return links


def _query(asked: dict[str, str]) -> str:
    return "&".join(f"{name}={_escaped(value)}" for name, value in asked.items())


def _escaped(text: str) -> str:
    return "".join(
        chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode("utf-8", "replace")
    )
