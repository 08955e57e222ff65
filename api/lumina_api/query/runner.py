"""Runs one statement from outside at a time, in a thread of low priority, within time, memory, rows and
bytes.

DuckDB's memory limit is one for the whole instance, and the writer's transaction takes from the same. So a
second
thread looks at the statement every few milliseconds, and interrupts it long before the limit is reached.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from datetime import time as time_of_day
from decimal import Decimal

import duckdb
import msgspec
from msgspec import Raw

from lumina_api.query.statement import Refused, check
from lumina_api.views import Views
from lumina_schemas.views import part

MOST_S = 10.0
MOST_ROWS = 10_000
MOST_BYTES = 10_000_000

# Of the 160 MB that DuckDB has in all: what joins, groups and sorts may hold before the statement is ended.
# What
# a join or sort holds beyond a share of it goes to disk.
HELD_BYTES = 90_000_000
OPERATOR_LIMIT = "40MB"

# What the process may grow by meanwhile: results of expressions, which DuckDB does not count.
GROWTH_BYTES = 250_000_000

LOOK_S = 0.01
NICE = 10
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
FETCHED_ROWS = 32


_encode = msgspec.json.Encoder().encode


class Busy(RuntimeError):
    """Another statement is running."""


class TookTooLong(RuntimeError):
    """The statement was ended: its time is over."""


class TookTooMuch(RuntimeError):
    """The statement was ended: it takes too much memory."""


@dataclass
class Result:
    """What a statement has found. `rows` are arrays of JSON."""

    columns: list[tuple[str, str]]
    rows: list[Raw] = field(default_factory=list)
    truncated: bool = False
    elapsed_ms: float = 0.0


class Runner:
    """The one place where such statements run."""

    def __init__(self, most_s: float = MOST_S) -> None:
        self._most_s = most_s
        self._turn = threading.Lock()
        self.thread = ThreadPoolExecutor(2, "query", initializer=_be_nice)

    def run(self, views: Views, sql: str, limit: int = MOST_ROWS) -> Result:
        """Check and run a statement.

        Raises Refused, Busy, TookTooLong, TookTooMuch; ViewsAway where there is no file.
        """
        if not self._turn.acquire(blocking=False):
            raise Busy
        try:
            with views.cursor() as cursor:
                return self._run(views, cursor, sql, limit)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Let no further statement begin."""
        self.thread.shutdown(wait=False, cancel_futures=True)

    def _run(self, views: Views, cursor: duckdb.DuckDBPyConnection, sql: str, limit: int) -> Result:
        started = time.monotonic()
        check(cursor, sql)
        with _watched(views, cursor, self._most_s) as watch:
            try:
                cursor.execute(part("query.bounds").format(operator_limit=OPERATOR_LIMIT))
                cursor.execute(sql)
                result = Result([(str(name), str(kind)) for name, kind, *_ in cursor.description or ()])
                _fetch(cursor, result, limit)
            except duckdb.InterruptException as error:
                raise watch.why or TookTooLong() from error
            except (duckdb.OutOfMemoryException, MemoryError) as error:
                raise TookTooMuch from error
            except duckdb.Error as error:
                if watch.why is not None:
                    raise watch.why from error
                raise Refused(_told(error, str(views.path))) from error
        result.elapsed_ms = round((time.monotonic() - started) * 1000, 1)
        return result


def _fetch(cursor: duckdb.DuckDBPyConnection, result: Result, limit: int) -> None:
    size = 0
    while rows := cursor.fetchmany(min(FETCHED_ROWS, limit + 1 - len(result.rows))):
        for row in rows:
            shown = _encode([_plain(value) for value in row])
            size += len(shown)
            if len(result.rows) == limit or size > MOST_BYTES:
                result.truncated = True
                return
            result.rows.append(Raw(shown))


class _Watch:
    why: Exception | None = None


@contextlib.contextmanager
def _watched(views: Views, cursor: duckdb.DuckDBPyConnection, most_s: float) -> Iterator[_Watch]:
    """End the statement on the cursor when it takes too long or too much."""
    watch, over = _Watch(), threading.Event()
    until, resident = time.monotonic() + most_s, _resident()

    def look() -> None:
        with views.cursor() as other:
            while not over.wait(LOOK_S):
                if time.monotonic() > until:
                    watch.why = watch.why or TookTooLong()
                elif _resident() - resident > GROWTH_BYTES or _held(other) > HELD_BYTES:
                    watch.why = watch.why or TookTooMuch()
                if watch.why is not None:
                    cursor.interrupt()

    def quietly() -> None:
        try:
            look()
        except Exception:  # no watch, no statement: the file is being closed
            cursor.interrupt()

    thread = threading.Thread(target=quietly, name="query-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()


def _held(cursor: duckdb.DuckDBPyConnection) -> int:
    """Bytes that DuckDB holds and cannot drop: all but its cache of the file."""
    try:
        row = cursor.execute(part("query.held")).fetchone()
    except duckdb.OutOfMemoryException:
        return HELD_BYTES + 1
    return int(row[0]) if row else 0


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * PAGE_BYTES


def _be_nice() -> None:
    # Linux keeps a nice value for each thread: the event loop and the writer come first.
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def _plain(value: object) -> object:
    """A value as JSON can hold it. Whole numbers beyond 64 bits become text."""
    if isinstance(value, bool | str | float | None):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, date | time_of_day):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    return str(value)


def _told(error: BaseException, path: str) -> str:
    """DuckDB's words, without where the file lies."""
    return str(error).strip().split("\n\nPossible")[0].replace(path, "the views' file")[:2000]
