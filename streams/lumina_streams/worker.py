"""`lumina-stream`: one worker process of the stream app."""

import asyncio
import gc
import logging
import os
import sys
from pathlib import Path

import mode.loop
import structlog
from aiokafka.errors import KafkaError

from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import describe
from lumina_schemas.topics import DETECT_CHANGELOG, SPANS


class StartError(RuntimeError):
    """Kafka or its topics are not as a worker needs them."""


async def series_partitions(settings: Settings) -> int:
    """How many partitions the log of the series has; its state must have as many.

    Raises StartError, saying what to do.
    """
    names = [settings.topic(SPANS), settings.topic(DETECT_CHANGELOG)]
    try:
        facts = await describe(client_options(settings), names)
    except KafkaSettingsError as error:
        raise StartError(str(error)) from error
    except (KafkaError, OSError) as error:
        raise StartError(f"Kafka cannot be reached ({error!r}). Check KAFKA_BOOTSTRAP_SERVERS.") from error
    if missing := [name for name in names if name not in facts]:
        raise StartError(
            f"Topics are missing: {', '.join(missing)}. Create them with `lumina topics --create`."
        )
    counts = {name: facts[name].partitions for name in names}
    if len(set(counts.values())) > 1:
        raise StartError(
            f"These topics must have equally many partitions: {counts}. A series would be processed where "
            "its state is not. Recreate the wrong one, or use another LUMINA_TOPIC_PREFIX."
        )
    return counts[names[0]]


def main() -> None:
    """Run a worker until SIGTERM; it then finishes its run, commits and leaves."""
    settings = Settings()
    level = settings.log_level.upper()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        partitions = asyncio.run(series_partitions(settings))
    except StartError as error:
        structlog.get_logger().critical("the worker cannot start", reason=str(error))
        sys.exit(1)
    run(settings.model_copy(update={"partitions": partitions}))


def run(settings: Settings) -> None:
    """Build the app and hand this process over to Faust."""
    mode.loop.use("uvloop")  # before anything creates an event loop
    from faust.worker import Worker

    from lumina_streams.agents import detect, normalise
    from lumina_streams.app import stream_app
    from lumina_streams.health import Health
    from lumina_streams.metrics import Metrics
    from lumina_streams.slot import Slot

    metrics = Metrics()
    app = stream_app(settings, Slot(settings.data_dir / "workers"))
    normalise.register(app, settings, metrics)
    detect.register(app, settings, metrics)
    # Faust sets the root logger to DEBUG and filters in its handler: every debug line would be formatted.
    for name in ("aiokafka", "asyncio", "faust", "mode"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # What is loaded now stays; a run makes thousands of objects that die young and hold no cycles.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    health = Health(app, metrics, settings.health_port)
    with Path(os.devnull).open("w") as nowhere:  # for Faust's banner and cursor codes: a log is no terminal
        worker = Worker(app, health, loglevel="WARNING", redirect_stdouts=False, quiet=True, stdout=nowhere)
        worker.execute_from_commandline()


if __name__ == "__main__":
    main()
