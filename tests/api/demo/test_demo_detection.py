"""Lumina's core over the demo's plan: each incident gets its alert and nothing else does.

Spans are made by the real SDK and encoded as its exporter does; no network and no clock take part.
"""

from collections.abc import Sequence
from itertools import takewhile

import msgspec
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from lumina_api.demo.scenario import INCIDENTS, ONCE_S, history, live
from lumina_api.demo.traffic import Applications
from lumina_schemas.alert import Alert
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.series.call import Call, decode_line
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import SeriesState, step
from lumina_streams.core.span.normalise import Landing, normalise

BEGIN_NS = 1_790_000_000 * 1_000_000_000
SECOND_NS = 1_000_000_000


class Encoder(SpanExporter):
    """Keeps what would have been sent."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.requests.append(encode_spans(spans))
        return SpanExportResult.SUCCESS


class Detector:
    """normalise and detect as the stream worker runs them, in this thread."""

    def __init__(self) -> None:
        self._prices = PriceBook()
        self._states: dict[str, SeriesState] = {}
        self._offset = 0

    def take(self, request: ExportTraceServiceRequest) -> list[Alert]:
        self._offset += 1
        landing = Landing(epoch="e", origin="otlp", partition=0, offset=self._offset, project=None)
        alerts: list[Alert] = []
        for span in normalise(request, landing, self._prices).spans:
            call = decode_line(msgspec.json.encode(span))
            assert isinstance(call, Call)
            state = self._states.setdefault(
                call.series_id,
                SeriesState.fresh(call.series_id, call.project, call.service, call.endpoint),
            )
            assert state.positions.advance(call.src)
            alerts += step(state, call, Rules(), "1970-01-01T00:00:00Z")
        return alerts


def answers(seed: int, rate: float) -> list[tuple[float, Alert]]:
    """(seconds in the live plan, alert record) of history and one pass over all incidents."""
    encoder, detector = Encoder(), Detector()
    applications = Applications("", exporter=lambda _: encoder)
    found: list[tuple[float, Alert]] = []

    def send(at_s: float) -> None:
        applications.flush()
        for request in encoder.requests:
            found.extend((at_s, alert) for alert in detector.take(request))
        encoder.requests.clear()

    calls = history(seed)
    for start in range(0, len(calls), 250):
        for call in calls[start : start + 250]:
            applications.emit(call, BEGIN_NS + int(call.at_s * SECOND_NS))
        send(calls[start].at_s)
    for call in takewhile(lambda call: call.at_s < ONCE_S, live(seed, rate)):
        applications.emit(call, BEGIN_NS + int(call.at_s * SECOND_NS))
        send(call.at_s)
    applications.shutdown()
    return found


@pytest.mark.parametrize(("seed", "rate"), [(7, 4.0), (1, 4.0), (2, 8.0)])
def test_each_incident_gets_its_alert_and_nothing_else_does(seed: int, rate: float) -> None:
    found = answers(seed, rate)
    last = {alert.id: alert for _, alert in found}
    assert {(alert.service, alert.endpoint, alert.kind, alert.state) for alert in last.values()} == {
        (incident.endpoint.service, incident.endpoint.name, incident.alerts[0], "resolved")
        for incident in INCIDENTS
    }
    assert len(last) == len(INCIDENTS)
    for incident in INCIDENTS:
        first = next(
            at_s
            for at_s, alert in found
            if alert.endpoint == incident.endpoint.name and alert.kind in incident.alerts
        )
        assert incident.start_s <= first < incident.start_s + 30, incident.kind
    causes = {alert.endpoint: alert.cause for alert in last.values()}
    assert {endpoint: cause.what for endpoint, cause in causes.items() if cause is not None} == {
        "/chat": "request_model",
        "/ask": "request_model",
        "summarise-clause": "input_tokens",
    }
