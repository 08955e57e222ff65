"""`lumina-stream`: one worker process of the stream app, normalise and detect. No I/O but Kafka's."""

from typing import TYPE_CHECKING

from lumina_schemas.settings import Settings
from lumina_schemas.topics import ALERTS, DETECT_CHANGELOG, DLQ, OTLP, OTLP_LOGS, SPANS
from lumina_streams.metrics import Metrics
from lumina_streams.process import run_worker

if TYPE_CHECKING:
    from lumina_streams.app import WorkerApp

TOPICS = (OTLP, OTLP_LOGS, SPANS, DETECT_CHANGELOG, ALERTS, DLQ)


def register(app: "WorkerApp", settings: Settings, metrics: Metrics) -> None:
    """Add the agents."""
    from lumina_streams.agents import detect, normalise, ticks

    normaliser = normalise.register(app, settings, metrics)
    detect.register(app, settings, metrics)
    ticks.register(app, settings, normaliser)


def main() -> None:
    """Run a worker until SIGTERM."""
    run_worker("stream", TOPICS, register)


if __name__ == "__main__":
    main()
