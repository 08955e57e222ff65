"""The gateway's counters, in the text format that Prometheus reads."""

from collections import Counter
from collections.abc import Callable

Labels = tuple[tuple[str, str], ...]


class Measures:
    """Counts of requests, items and bytes, and gauges that are asked when they are read."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[Labels]] = {}
        self._gauges: dict[str, Callable[[], float]] = {}
        self._help = {
            "lumina_gateway_requests_total": "OTLP requests by answer.",
            "lumina_gateway_items_total": "Spans and log records that are on Kafka.",
            "lumina_gateway_rejected_total": "Spans with invalid ids.",
            "lumina_gateway_bytes_total": "Bytes of Kafka messages produced.",
            "lumina_gateway_in_flight_bytes": "Bytes of requests that Kafka has not acknowledged.",
            "lumina_gateway_ready": "1 where Kafka can be written to.",
        }

    def answered(self, signal: str, encoding: str, status: str) -> None:
        """Count one answer."""
        self._add("lumina_gateway_requests_total", 1, signal=signal, encoding=encoding, status=status)

    def kept(self, signal: str, items: int, rejected: int, size: int) -> None:
        """Count what a request put on Kafka."""
        self._add("lumina_gateway_items_total", items, signal=signal)
        self._add("lumina_gateway_bytes_total", size, signal=signal)
        if rejected:
            self._add("lumina_gateway_rejected_total", rejected, signal=signal)

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Add a gauge."""
        self._gauges[name] = read

    def text(self) -> str:
        """All of them, in Prometheus' text format 0.0.4."""
        lines: list[str] = []
        for name, counts in self._counts.items():
            lines += (f"# HELP {name} {self._help[name]}", f"# TYPE {name} counter")
            for labels, value in sorted(counts.items()):
                written = ",".join(f'{label}="{text}"' for label, text in labels)
                lines.append(f"{name}{{{written}}} {value}")
        for name, read in self._gauges.items():
            lines += (f"# HELP {name} {self._help[name]}", f"# TYPE {name} gauge", f"{name} {read():g}")
        return "\n".join(lines) + "\n"

    def _add(self, name: str, value: int, **labels: str) -> None:
        self._counts.setdefault(name, Counter())[tuple(labels.items())] += value
