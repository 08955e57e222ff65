"""The gateway's metrics, as OpenMetrics or in the older text format of Prometheus."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from lumina_api.usage.report import ProjectUsage

disable_created_metrics()  # type: ignore[no-untyped-call]  # each would double the series, to say when this process began

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

MOST_PROJECTS = 100
"""Projects that have figures of their own, those with the most traces: each is a series in Prometheus."""

INVALID_IDS, TRACE_LIMIT = "invalid_ids", "trace_limit"
"""Why single spans are rejected."""


class Measures:
    """Counts of requests, items and bytes, and gauges that are asked when they are read."""

    def __init__(self, usages: Callable[[], Iterable[ProjectUsage]]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Usage(usages))
        name, registry = "lumina_gateway_", self.registry
        self._requests = Counter(
            name + "requests", "OTLP requests by answer.", ("signal", "encoding", "status"), registry=registry
        )
        self._items = Counter(
            name + "items", "Spans and log records that are on Kafka.", ("signal",), registry=registry
        )
        self._rejected = Counter(
            name + "rejected",
            "Spans that were not taken (trace_limit), or put aside in the dlq (invalid_ids).",
            ("signal", "reason"),
            registry=registry,
        )
        self._bytes = Counter(
            name + "bytes", "Bytes of Kafka messages produced.", ("signal",), registry=registry
        )
        self._seconds = Histogram(
            name + "request_seconds",
            "From the first byte of a request to its answer, Kafka's acknowledgement included.",
            ("signal",),
            buckets=LATENCY_S,
            registry=registry,
        )

    def answered(self, signal: str, encoding: str, status: str, seconds: float) -> None:
        """Count one answer, and how long it took."""
        self._requests.labels(signal, encoding, status).inc()
        self._seconds.labels(signal).observe(seconds)

    def kept(self, signal: str, items: int, size: int) -> None:
        """Count what a request put on Kafka."""
        self._items.labels(signal).inc(items)
        self._bytes.labels(signal).inc(size)

    def rejected(self, signal: str, reason: str, items: int) -> None:
        """Count spans that were not taken as others are."""
        if items:
            self._rejected.labels(signal, reason).inc(items)

    def gauge(self, name: str, said: str, read: Callable[[], float]) -> None:
        """Add a gauge."""
        Gauge(name, said, registry=self.registry).set_function(read)

    def page(self, accept: str) -> tuple[bytes, str]:
        """All of them and their content type: OpenMetrics where the Accept header asks for it."""
        if "application/openmetrics-text" in accept:
            page: bytes = openmetrics.generate_latest(self.registry)  # type: ignore[no-untyped-call]
            return page, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4


class _Usage(Collector):
    """Traces of the day by project."""

    def __init__(self, usages: Callable[[], Iterable[ProjectUsage]]) -> None:
        self._usages = usages

    def collect(self) -> Iterable[Metric]:
        traces = GaugeMetricFamily(
            "lumina_gateway_traces_today",
            "Distinct traces taken today (UTC), all gateways.",
            labels=["project"],
        )
        limit = GaugeMetricFamily(
            "lumina_gateway_trace_limit", "Distinct traces of a day; 0 = no limit.", labels=["project"]
        )
        refused = GaugeMetricFamily(
            "lumina_gateway_refused_spans_today",
            "Spans refused today (UTC) over the limit, all gateways.",
            labels=["project"],
        )
        largest = sorted(self._usages(), key=lambda usage: (-usage.traces, usage.project))
        for usage in largest[:MOST_PROJECTS]:
            labels = [usage.project]
            traces.add_metric(labels, usage.traces)
            limit.add_metric(labels, usage.limit)
            refused.add_metric(labels, usage.refused_spans)
        return traces, limit, refused
