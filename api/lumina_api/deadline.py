"""When the time of a request is over, what it reads with is interrupted, so that the work really ends.

Handlers run in threads that nobody can stop from outside; DuckDB's queries can be.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

import duckdb


class TookTooLong(RuntimeError):
    """The time of a request was over before its answer was there."""


class Deadline:
    """The end of one request's time."""

    def __init__(self) -> None:
        self.over = False
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._lock = Lock()

    @property
    def reads(self) -> bool:
        """Whether a cursor of the request is open."""
        return bool(self._cursors)

    @contextmanager
    def interrupts(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Have a cursor interrupted when the time is over. Raises TookTooLong where it is."""
        with self._lock:
            if self.over:
                raise TookTooLong
            self._cursors.add(cursor)
        try:
            yield
        finally:
            with self._lock:  # never interrupted while it is closed
                self._cursors.discard(cursor)

    def strike(self) -> None:
        """The time is over. To be called again until the request has ended: a query may begin in between."""
        with self._lock:
            self.over = True
            for cursor in self._cursors:
                cursor.interrupt()


DEADLINE: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
"""That of the request under way; threads that work for it see it too."""


@contextmanager
def within_time(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Read with a cursor until the time of the request is over. Raises TookTooLong then."""
    deadline = DEADLINE.get()
    if deadline is None:
        yield
        return
    with deadline.interrupts(cursor):
        try:
            yield
        except duckdb.InterruptException as error:
            if deadline.over:
                raise TookTooLong from error
            raise
