"""`/metrics`: what the views count and how they stand, as Prometheus reads it."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from lumina_api.views import Views
from lumina_api.views.trouble import Cause

OPENMETRICS = "application/openmetrics-text"


class Metrics:
    """The page of one application: its views, its requests, and what else is told to be on it."""

    def __init__(self, views: Views) -> None:
        self.registry = CollectorRegistry()
        """For metrics of the application itself."""
        self.registry.register(_Standing(views))
        self._sources = [views.measures.registry.collect]
        self.registry.register(_All(self._sources))

    def also(self, registry: CollectorRegistry) -> None:
        """Show another registry's metrics too."""
        self._sources.append(registry.collect)

    def page(self, accept: str) -> tuple[bytes, str]:
        """All of it and its content type: OpenMetrics where the Accept header asks for it."""
        if OPENMETRICS in accept:
            text: bytes = openmetrics.generate_latest(self.registry)  # type: ignore[no-untyped-call]
            return text, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4


class _All(Collector):
    """What several sources have at the moment."""

    def __init__(self, sources: list[Callable[[], Iterable[Metric]]]) -> None:
        self._sources = sources

    def describe(self) -> Iterable[Metric]:
        """Nothing is claimed beforehand."""
        return ()

    def collect(self) -> Iterable[Metric]:
        for source in self._sources:
            yield from source()


class _Standing(Collector):
    """Counts of what was applied, and how far the views are."""

    def __init__(self, views: Views) -> None:
        self._views = views

    def collect(self) -> Iterable[Metric]:
        applied, progress = self._views.applied, self._views.progress
        for name, said, value in (
            ("lines", "Lines of lumina.spans read", applied.lines),
            ("spans", "Spans stored", applied.spans),
            ("duplicates", "Spans seen again", applied.duplicates),
            ("contents", "Contents stored", applied.contents),
            ("alerts", "Alert revisions read", applied.alerts),
            ("scores", "Scores of answers read", applied.scores),
            ("batches", "Transactions", applied.batches),
        ):
            yield CounterMetricFamily(f"lumina_views_{name}", said, value)
        topics = list(progress.topics.values())
        yield _by(
            CounterMetricFamily(
                "lumina_views_skipped", "Lines and records left out, by reason", labels=["reason"]
            ),
            sorted(dict(applied.skipped).items()),
        )
        yield _by(
            GaugeMetricFamily("lumina_views_lag_records", "Records not yet applied", labels=["topic"]),
            [(topic.name, topic.lag) for topic in topics],
        )
        yield _by(
            GaugeMetricFamily(
                "lumina_views_replayed_ratio",
                "Share applied of what lay there at the start, 0 to 1",
                labels=["topic"],
            ),
            [(topic.name, topic.replayed) for topic in topics],
        )
        yield _by(
            GaugeMetricFamily(
                "lumina_views_stopped",
                "1 while the views stand still, by cause; /ready says what to do",
                labels=["cause"],
            ),
            [(str(cause), float(cause is progress.cause)) for cause in Cause],
        )
        yield _by(
            CounterMetricFamily(
                "lumina_views_stops", "How often the views were stopped, by cause", labels=["cause"]
            ),
            [(str(cause), progress.stops[cause]) for cause in Cause],
        )
        yield _by(
            CounterMetricFamily(
                "lumina_views_let_go_rows", "Rows that retention has deleted, by table", labels=["table"]
            ),
            sorted(dict(applied.let_go).items()),
        )
        yield GaugeMetricFamily(
            "lumina_views_let_go_timestamp_seconds",
            "When retention last ended here, Unix time; 0 = not since the start",
            applied.let_go_ns / 1e9,
        )
        building = self._views.building
        yield GaugeMetricFamily(
            "lumina_views_rebuilt_ratio",
            "Share of the file of this release that is built; 1 where it answers",
            1.0 if building is None else building.replayed,
        )
        yield GaugeMetricFamily("lumina_views_ready", "1 when ready", float(self._views.ready))


def _by(
    family: CounterMetricFamily | GaugeMetricFamily, samples: Iterable[tuple[str, float]]
) -> CounterMetricFamily | GaugeMetricFamily:
    for label, value in samples:
        family.add_metric([label], value)
    return family
