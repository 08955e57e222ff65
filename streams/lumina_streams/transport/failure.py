"""The end of a process that can no longer keep its promises."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import structlog

log = structlog.get_logger()


def die(what: str, **facts: object) -> NoReturn:
    """Log what happened and end this process at once, without a commit.

    Nothing of a worker's memory is worth saving: its state is in Kafka, and what was not committed is read
    again. Going on after a failed send would leave a gap in the log that nobody could ever see.
    """
    log.critical(what, **facts)
    logging.shutdown()
    os._exit(1)


@contextmanager
def fatal(agent: str) -> Iterator[None]:
    """End the process on any exception inside.

    Prevents: an exception that leaves an agent is logged, the agent restarts, and Faust acknowledges the
    event all the same: at-least-once covers the death of the process, not an exception.
    """
    try:
        yield
    except Exception as error:
        log.exception("an agent failed", agent=agent)
        die(
            "This worker stops before it commits; its successor reads the same input again.",
            error=repr(error),
        )
