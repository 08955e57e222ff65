"""What every server process of the api package begins with: settings, logs, and a last word when it fails."""

import logging
import sys
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
import uvloop

from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings


def run(name: str, serve: Callable[[Settings], Coroutine[Any, Any, None]]) -> None:
    """Run a server until it is told to stop; exit status 1 where it cannot do its work here."""
    settings = Settings()
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # aiokafka repeats every failed attempt as an error; sink and views say once what it means.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    try:
        client_options(settings)  # what is wrong there does not get right by trying again
        uvloop.run(serve(settings))
    except (KafkaSettingsError, OSError) as error:
        sys.exit(f"{name}: {error}")
