"""What this worker has done, for its /metrics page."""

from collections import Counter


class Metrics:
    """Counters of one process, in OpenMetrics' text form."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def add(self, name: str, amount: float = 1) -> None:
        """Count up `lumina_stream_<name>_total`."""
        self._counts[name] += amount  # type: ignore[assignment]

    def __getitem__(self, name: str) -> float:
        return self._counts[name]

    def text(self) -> str:
        """All counters, one a line."""
        return "".join(
            f"# TYPE lumina_stream_{name} counter\nlumina_stream_{name}_total {value:g}\n"
            for name, value in sorted(self._counts.items())
        )
