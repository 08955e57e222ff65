"""What this worker has done and how it stands, for its /metrics page."""

from collections import Counter
from collections.abc import Callable


class Metrics:
    """Counters and gauges of one process, in Prometheus' text form, under `lumina_<process>_`."""

    def __init__(self, process: str = "stream") -> None:
        self._prefix = f"lumina_{process}_"
        self._counts: Counter[str] = Counter()
        self._gauges: dict[str, Callable[[], float]] = {}

    def add(self, name: str, amount: float = 1) -> None:
        """Count up `<name>_total`."""
        self._counts[name] += amount  # type: ignore[assignment]

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Add a gauge, read when it is asked for."""
        self._gauges[name] = read

    def __getitem__(self, name: str) -> float:
        return self._counts[name]

    def text(self) -> str:
        """All of them, one a line."""
        lines = [
            f"# TYPE {self._prefix}{name}_total counter\n{self._prefix}{name}_total {value:g}\n"
            for name, value in sorted(self._counts.copy().items())
        ]
        lines += [
            f"# TYPE {self._prefix}{name} gauge\n{self._prefix}{name} {read():g}\n"
            for name, read in sorted(self._gauges.items())
        ]
        return "".join(lines)
