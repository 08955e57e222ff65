"""What every server process of the api package begins and ends with: settings, logs, signals, a last word."""

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any

import structlog
import uvicorn
import uvloop

from lumina_api.access.binding import check_access
from lumina_api.access.refused import AccessSettingsError
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings

GRACE_S = 5
"""How long requests under way may take when the process is told to stop."""


class Server(uvicorn.Server):
    """Uvicorn raises the signal again once it has stopped, before anything else could be closed."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, and only that."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop, and let others stop at the same time: each has the whole grace, not one after the other."""
        super().handle_exit(sig, frame)
        self.stopping.set()


def renderer() -> structlog.dev.ConsoleRenderer:
    """What writes log lines. Where `rich` is installed structlog's own would show the variables of each frame
    of a traceback: prompts, what was searched for, keys.
    """
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def run(name: str, serve: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Run a server until it is told to stop; exit status 1 where it cannot do its work here."""
    settings = Settings()
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        processors=[*structlog.get_config()["processors"][:-1], renderer()],
    )
    # aiokafka repeats every failed attempt as an error; sink and views say once what it means.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        client_options(settings)  # what is wrong there does not get right by trying again
        check_access(settings)
        uvloop.run(serve(settings))
    except (AccessSettingsError, KafkaSettingsError, OSError) as error:
        sys.exit(f"{name}: {error}")
