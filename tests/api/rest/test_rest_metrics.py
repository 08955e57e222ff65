"""`/metrics`: both formats, read by Prometheus' own parsers, and what the histograms count."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from api.rest.conftest import Rest
from api.views.span_lines import EPOCHS, alert, span
from lumina_api.views.batch import LogRecord, batch_of

S = 1_000_000_000


class Page:
    """The samples of a page, by name and labels."""

    def __init__(self, families: Iterable[Any]) -> None:
        self.kinds = {}
        self.samples = {}
        for family in families:
            self.kinds[family.name] = family.type
            for sample in family.samples:
                self.samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def get(self, name: str, **labels: str) -> float:
        return float(self.samples[name, frozenset(labels.items())])


def page(rest: Rest) -> Page:
    return Page(plain(rest.client.get("/metrics").text))


def committed(rest: Rest, *records: LogRecord) -> None:
    """What the service does with a batch."""
    batch = batch_of(records)
    rest.store.apply(batch, EPOCHS)
    rest.views.measures.committed(batch, len(records), 0.004, time.time_ns())


def test_the_format_is_what_was_asked_for(rest: Rest) -> None:
    rest.get("/api/v1/calls")
    usual = rest.client.get("/metrics")
    assert usual.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# EOF" not in usual.text
    # What Prometheus 3 sends.
    accept = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75"
    asked = rest.client.get("/metrics", headers={"accept": accept + ",text/plain;version=0.0.4;q=0.5,*/*"})
    assert asked.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert asked.text.endswith("# EOF\n")
    strict = Page(openmetrics(asked.text))  # type: ignore[no-untyped-call]  # raises where it is none
    assert strict.kinds["lumina_views_spans"] == "counter"
    assert strict.kinds["lumina_api_request_seconds"] == "histogram"
    assert strict.kinds == {**Page(plain(usual.text)).kinds, **strict.kinds}


def test_a_span_counts_from_its_end_to_the_commit(rest: Rest) -> None:
    now = time.time_ns()
    committed(
        rest,
        rest.log.spans(
            [
                span(1, start_ns=now - 3 * S, duration_ms=1000.0),  # ended 2 s ago
                span(2, start_ns=now - 2 * 3600 * S, duration_ms=1000.0),  # a replay
                span(3, start_ns=now + 60 * S, duration_ms=1000.0),  # a clock that is ahead
                span(4, start_ns=now - 2 * 3600 * S, duration_ms=7_100_000.0),  # long, and just over
            ]
        ),
    )
    found = page(rest)
    name = "lumina_views_end_to_end_seconds"
    assert found.get(f"{name}_count") == 2
    assert 101.9 < found.get(f"{name}_sum") < 112
    assert found.get(f"{name}_bucket", le="1.5") == 0
    assert found.get(f"{name}_bucket", le="3.0") == 1
    assert found.get("lumina_views_batch_seconds_bucket", le="0.005") == 1
    assert found.get("lumina_views_batch_records_bucket", le="1.0") == 1


def test_an_alert_counts_once_from_its_call_to_its_detection(rest: Rest) -> None:
    now = datetime.now(UTC)

    def told(number: int, seconds: float, rev: int = 1, ago: float = 1) -> LogRecord:
        detected = now - timedelta(seconds=ago)
        return rest.log.alert(
            alert(
                number,
                rev=rev,
                detected_at=detected.isoformat(),
                updated_at=(detected - timedelta(seconds=seconds)).isoformat(),
            )
        )

    committed(
        rest,
        told(1, 2.5),
        told(1, 40, rev=2),  # later revisions say nothing of the first
        told(2, 400, rev=3),
        told(3, -5),  # the sender's clock is ahead
        told(4, 2.5, ago=7200),  # a replay
        rest.log.alert(alert(5, detected_at="soon")),  # anybody may write to the topic
    )
    found = page(rest)
    assert found.get("lumina_detect_latency_seconds_count") == 1
    assert found.get("lumina_detect_latency_seconds_sum") == pytest.approx(2.5)


def test_requests_count_by_the_route_not_by_what_was_asked(rest: Rest) -> None:
    for trace in "a" * 32, "b" * 32:
        rest.get(f"/api/v1/traces/{trace}", expect=404)
    rest.get("/api/v1/calls")
    rest.get("/api/v1/calls", expect=422, nonsense="1")
    rest.get("/nowhere", expect=404)
    assert rest.client.request("BREW", "/api/v1/calls").status_code == 405
    found = page(rest)
    name = "lumina_api_request_seconds_count"
    assert found.get(name, route="/api/v1/traces/{trace_id}", method="GET", status="4xx") == 2
    assert found.get(name, route="/api/v1/calls", method="GET", status="2xx") == 1
    assert found.get(name, route="/api/v1/calls", method="GET", status="4xx") == 1
    assert found.get(name, route="none", method="GET", status="4xx") == 1
    assert [labels for counted, labels in found.samples if counted == name and "BREW" in str(labels)] == []


def test_another_page_is_shown_too(rest: Rest) -> None:
    registry = CollectorRegistry()
    Counter("further", "Of something else.", ("signal",), registry=registry).labels("traces").inc(3)
    rest.client.app.state.metrics.also(registry)  # type: ignore[attr-defined]
    assert page(rest).get("further_total", signal="traces") == 3
    asked = rest.client.get("/metrics", headers={"accept": "application/openmetrics-text"})
    further = Page(openmetrics(asked.text))  # type: ignore[no-untyped-call]
    assert further.get("further_total", signal="traces") == 3
