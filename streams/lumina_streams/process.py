"""What every worker process begins and ends with: settings, logs, Kafka, page, watchdog."""

import asyncio
import gc
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import mode.loop
import structlog
from aiokafka.errors import KafkaError

from lumina_schemas.generation import logs_of_others, obstacle
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import TopicFacts, describe
from lumina_schemas.topics import Topic
from lumina_streams.metrics import Metrics
from lumina_streams.page import Page

if TYPE_CHECKING:
    from lumina_streams.app import WorkerApp

log = structlog.get_logger()

MISSING_S = 30.0
"""A topic that has no leader for so long is taken for missing: after a broker's restart each lacks one."""

RETRY_S = 0.5
ANSWER_S = 10.0

Check = Callable[[Settings], None]
"""Raises StartError where a worker could not work with these settings."""

Register = Callable[["WorkerApp", Settings, Metrics], None]


class StartError(RuntimeError):
    """Kafka or its topics are not as a worker needs them."""


class Start:
    """The way to Kafka. `why` says what is being waited for."""

    def __init__(self, settings: Settings, topics: Sequence[Topic]) -> None:
        self.settings = settings
        topics = [topic for topic in topics if settings.uses(topic)]
        self.names = [settings.topic(topic) for topic in topics]
        self.by_series = [settings.topic(topic) for topic in topics if topic.partitioned_by == "series"]
        self.by_project = [settings.topic(topic) for topic in topics if topic.partitioned_by == "project"]
        self.why = "starting"

    async def partitions(self) -> int:
        """Wait for Kafka as long as it takes, then for the topics; returns how many partitions a series' log
        has.

        Raises StartError, saying what to do.
        """
        missing_since: float | None = None
        while True:
            missing = self.names
            try:
                facts = await asyncio.wait_for(self._look(), ANSWER_S)
                missing = [name for name in self.names if name not in facts]
            except KafkaSettingsError as error:
                raise StartError(str(error)) from error
            except (KafkaError, OSError, TimeoutError) as error:
                missing_since = None
                self._wait_for(f"Kafka cannot be reached ({error!r}). Check KAFKA_BOOTSTRAP_SERVERS.")
                await asyncio.sleep(RETRY_S)
                continue
            if not missing:
                return self._agreed(facts)
            now = time.monotonic()
            missing_since = missing_since or now
            if now - missing_since > MISSING_S:
                raise StartError(
                    f"Topics are missing: {', '.join(missing)}. Create them with `lumina topics --create`."
                )
            self._wait_for(f"topics without a leader: {', '.join(missing)}")
            await asyncio.sleep(RETRY_S)

    async def _look(self) -> dict[str, TopicFacts]:
        """The topics as they are. Raises StartError where their generation is not to be used."""
        names = [*self.names, *logs_of_others(self.settings)]
        facts = await describe(client_options(self.settings), names)
        if why := await obstacle(self.settings, facts):
            raise StartError(why)
        return facts

    def _wait_for(self, why: str) -> None:
        if why != self.why:
            log.warning("the worker waits", reason=why)
        self.why = why

    def _agreed(self, facts: dict[str, TopicFacts]) -> int:
        for what, names in (("project", self.by_project), ("series", self.by_series)):
            counts = {name: facts[name].partitions for name in names}
            if len(set(counts.values())) > 1:
                raise StartError(
                    f"These topics must have equally many partitions: {counts}. A {what} would be processed "
                    "where its state is not. Recreate the wrong one, or use another LUMINA_TOPIC_PREFIX."
                )
        return next(iter(counts.values()))


def run_worker(name: str, topics: Sequence[Topic], register: Register, check: Check = lambda _: None) -> None:
    """Run a worker until SIGTERM; it then finishes its run, commits and leaves.

    `topics` must exist before it starts; `register` adds the agents; `check` looks at the settings before
    anything is waited for. Exit status 1 where it cannot work.
    """
    settings = Settings()
    level = settings.log_level.upper()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        # Where `rich` is installed structlog's own renderer shows the variables of each frame: prompts.
        processors=[
            *structlog.get_config()["processors"][:-1],
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
    )
    # aiokafka repeats every failed attempt as an error; whatever ends a worker says once what it means.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    start = Start(settings, topics)
    metrics = Metrics(name)
    reasons: list[Callable[[], list[str]]] = [lambda: [start.why]]
    try:
        check(settings)
        page = Page(settings.health_port, lambda: reasons[-1](), metrics.text)
        page.start()
        partitions = asyncio.run(start.partitions())
    except (StartError, OSError) as error:
        log.critical("the worker cannot start", reason=str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(0)
    settings = settings.model_copy(update={"partitions": partitions})

    mode.loop.use("uvloop")  # before anything creates an event loop
    from faust.worker import Worker

    from lumina_streams.app import worker_app
    from lumina_streams.standing import Standing
    from lumina_streams.transport.slot import Slot
    from lumina_streams.transport.watchdog import Watchdog

    app = worker_app(name, settings, Slot(settings.data_dir / "workers" / name))
    register(app, settings, metrics)
    # Faust sets the root logger to DEBUG and filters in its handler: every debug line would be formatted.
    for library in ("asyncio", "faust", "mode"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # What is loaded now stays; a run makes thousands of objects that die young and hold no cycles.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    standing = Standing(app)
    standing.publish(metrics)
    with Path(os.devnull).open("w") as nowhere:  # for Faust's banner and cursor codes: a log is no terminal
        worker = Worker(app, loglevel="WARNING", redirect_stdouts=False, quiet=True, stdout=nowhere)
        reasons.append(standing.reasons)
        watchdog = Watchdog(
            standing.busy, standing.trace, lambda: worker.should_stop, settings.stall_timeout_s
        )
        watchdog.start()
        worker.execute_from_commandline()
