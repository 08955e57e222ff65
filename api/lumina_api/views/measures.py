"""How fast the views are: from the end of a call until it is shown, batch by batch. One registry each."""

from collections.abc import Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics

from lumina_api.views.batch import Batch, nanoseconds

disable_created_metrics()  # type: ignore[no-untyped-call]  # each series would have a second one, for when it began

NS = 1_000_000_000

RECENT_NS = 3600 * NS
"""What is older when it comes tells of a replay or an outage, not of how fast the way is."""

SHOWN_S = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
BATCH_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BATCH_RECORDS = (1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500)


class Measures:
    """Histograms of one process's views; `registry` has them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._shown = Histogram(
            "lumina_views_end_to_end_seconds",
            "From the end of a span to the commit that shows it; spans that ended within the last hour",
            buckets=SHOWN_S,
            registry=self.registry,
        )
        self._detected = Histogram(
            "lumina_detect_latency_seconds",
            "From the call that opened an alert to its detection, by the detecting process's clock",
            buckets=SHOWN_S,
            registry=self.registry,
        )
        self._batch = Histogram(
            "lumina_views_batch_seconds",
            "One transaction, from records to commit",
            buckets=BATCH_S,
            registry=self.registry,
        )
        self._records = Histogram(
            "lumina_views_batch_records",
            "Records of one transaction",
            buckets=BATCH_RECORDS,
            registry=self.registry,
        )

    def committed(self, batch: Batch, records: int, seconds: float, now_ns: int) -> None:
        """Note a batch that was committed at `now_ns` (Unix) and took so many seconds."""
        self._batch.observe(seconds)
        self._records.observe(records)
        for age_s in _ages(batch.spans.values(), now_ns):
            self._shown.observe(age_s)
        for alert in batch.opened:
            detected_ns = _detected_ns(alert.row.detected_at)
            if detected_ns is not None and 0 <= now_ns - detected_ns < RECENT_NS:
                latency_ns = detected_ns - alert.updated_ns
                if latency_ns > 0:  # else the sender's clock is ahead
                    self._detected.observe(latency_ns / NS)


def _ages(spans: Iterable[Any], now_ns: int) -> Iterable[float]:
    """Seconds since each span's end, without those of replays and of clocks that are ahead."""
    for span in spans:
        age_ns = now_ns - span.start_ns - int(span.duration_ms * 1e6)
        if 0 <= age_ns < RECENT_NS:
            yield age_ns / NS


def _detected_ns(text: str) -> int | None:
    try:
        return nanoseconds(text)
    except (ValueError, OverflowError):
        return None
