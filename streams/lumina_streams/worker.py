"""`lumina-stream`: one worker process of the stream app, normalise and detect. No I/O but Kafka's."""

from typing import TYPE_CHECKING

from lumina_schemas import price_file
from lumina_schemas.settings import Settings
from lumina_schemas.topics import (
    ALERTS,
    CALLS,
    DETECT_CHANGELOG,
    DLQ,
    OTLP,
    OTLP_LOGS,
    SCORES,
    SERIES,
    SETTINGS,
    SPANS,
)
from lumina_streams.metrics import Metrics
from lumina_streams.process import StartError, run_worker

if TYPE_CHECKING:
    from lumina_streams.app import WorkerApp

TOPICS = (OTLP, OTLP_LOGS, SPANS, CALLS, DETECT_CHANGELOG, ALERTS, SCORES, DLQ, SETTINGS, SERIES)


def register(app: "WorkerApp", settings: Settings, metrics: Metrics) -> None:
    """Add the agents."""
    from lumina_streams.agents import detect, normalise, ticks

    normaliser = normalise.register(app, settings, metrics)
    detect.register(app, settings, metrics)
    ticks.register(app, settings, normaliser)


def check(settings: Settings) -> None:
    """Raise StartError where the price file cannot be used."""
    try:
        price_file.read(settings.prices_file)
    except price_file.PriceFileError as error:
        raise StartError(str(error)) from error


def main() -> None:
    """Run a worker until SIGTERM."""
    run_worker("stream", TOPICS, register, check)


if __name__ == "__main__":
    main()
