"""The views' DuckDB file: opened, locked, and put aside when it cannot be used. The log rebuilds it."""

import contextlib
import errno
import fcntl
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import duckdb
import structlog

from lumina_api.views.trouble import Cause, disk_full, is_full
from lumina_schemas.views import part, version

log = structlog.get_logger(__name__)

# Rows of a row group, the unit in which a checkpoint rewrites. DuckDB's default of 122,880 made each
# checkpoint rewrite up to 300 MB of spans again; this size cut the cost of a row by a third.
ROW_GROUP_ROWS = 16_384

# A checkpoint of 64 MB takes about 0.3 s. 16 MB cost a third more per row, 256 MB stalled for a second.
CHECKPOINT_THRESHOLD = "64MB"

# Bounds what DuckDB holds: caches, sorts and the rows not yet in the file. Larger results spill to disk.
MEMORY_LIMIT = "400MB"

# The same while a file of another release is still read beside the one that replaces it: for either of them.
FORMER_MEMORY = "200MB"

# Threads beside the one that asks: none. Each reader and the writer work in threads of their own; a second
# one for the writer cost a fifth more CPU per row.
THREADS = 1

# Only the newest file put aside is kept: two broken ones tell no more than one.
_SIDE = (".wal",)


class Unusable(RuntimeError):
    """The file cannot be opened now, and it is not the file's fault: locked, no rights, disk full."""

    def __init__(self, text: str, cause: Cause = Cause.FILE) -> None:
        super().__init__(text)
        self.cause = cause


@dataclass(frozen=True)
class ViewsFile:
    """An open DuckDB file and the lock that keeps other processes out of it."""

    path: Path
    connection: duckdb.DuckDBPyConnection
    lock: IO[str]

    def close(self) -> None:
        """Close the file; what its write-ahead log holds is written into it."""
        try:
            self.connection.close()
        finally:
            self.lock.close()


def open_file(path: Path) -> ViewsFile:
    """Open the views' file, making it where there is none, or where it is corrupt or of another schema.

    A corrupt one is put aside, one of another schema becomes the former file (`former_of`). Raises Unusable,
    saying what to do, where opening it again later may go better.
    """
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = locked(path)
    except OSError as error:
        if is_full(error):
            raise Unusable(disk_full(path), Cause.DISK_FULL) from error
        raise Unusable(
            f"The views' file {path} cannot be used: {error}. Check its folder and your rights there, "
            "or name another file with LUMINA_VIEWS_PATH."
        ) from error
    try:
        return ViewsFile(path, _open(path), lock)
    except BaseException:
        lock.close()
        raise


def former_of(path: Path) -> Path:
    """Where the file of another release lies until the one at `path` has been built: if it is there, that one
    is not complete.
    """
    return path.absolute().with_name(f"{path.name}.former")


def _make_former(path: Path, found: str) -> None:
    """Move a file of another schema out of the way. It was closed, so that its log is in it."""
    log.warning(
        "views file is of another release: a new one is built beside it",
        path=str(path),
        former=str(former_of(path)),
        schema=found,
        wanted=version(),
    )
    if former_of(path).is_file():  # this one was not complete, and of a release in between
        for suffix in ("", *_SIDE):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return
    former = former_of(path)
    for suffix in _SIDE:
        former.with_name(former.name + suffix).unlink(missing_ok=True)
        if path.with_name(path.name + suffix).is_file():
            os.replace(path.with_name(path.name + suffix), former.with_name(former.name + suffix))
    os.replace(path, former)


def put_aside(path: Path, why: str) -> None:
    """Rename a file that cannot be used; the views are then built from the log, as far back as it goes."""
    aside = path.with_name(f"{path.name}.aside")
    for suffix in ("", *_SIDE):
        source = path.with_name(path.name + suffix)
        target = aside.with_name(aside.name + suffix)
        if source.is_file():
            os.replace(source, target)
        elif target.is_file():
            target.unlink()
    log.warning(
        "views file put aside, rebuilding from the log",
        path=str(path),
        aside=str(aside),
        why=why,
        at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def is_corruption(error: duckdb.Error) -> bool:
    """Whether DuckDB says that the file itself is damaged, not the statement."""
    text = str(error).lower()
    return isinstance(error, duckdb.SerializationException) or any(
        sign in text
        for sign in ("corrupt", "checksum", "not a valid duckdb database", "read enough bytes", "deserialize")
    )


def locked(path: Path) -> IO[str]:
    """The lock of a file, as long as it is open. Raises Unusable where another process has it."""
    # DuckDB's own lock does not keep a second instance of the same process out.
    lock = open(path.with_name(path.name + ".lock"), "a+", encoding="utf-8")  # noqa: SIM115
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise Unusable(_in_use(path, f" (pid {holder})"), Cause.FILE_IN_USE) from None
    except OSError:
        lock.close()
        raise
    lock.truncate(0)
    with contextlib.suppress(OSError):  # a full disk has no room for it: whoever is locked out reads less
        os.write(lock.fileno(), str(os.getpid()).encode())
    return lock


def _in_use(path: Path, who: str = "") -> str:
    return (
        f"The views' file {path} is in use by another process{who}. Stop that process, or give this one "
        "its own file with LUMINA_VIEWS_PATH; the views go on by themselves once the file is free."
    )


def _open(path: Path) -> duckdb.DuckDBPyConnection:
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        raise Unusable(f"The views' file {path} may not be read and written by this user. Change its rights.")
    if path.exists() and not path.is_file():
        raise Unusable(f"{path} is no file. Move it away, or name another file with LUMINA_VIEWS_PATH.")
    fresh = not path.exists()
    for attempt in (1, 2):
        try:
            connection = attach(path)
        except duckdb.Error as error:
            if passing := _passing(path, error):
                if fresh:
                    path.unlink(missing_ok=True)  # what was begun of it would look like a damaged file
                raise passing from error
            if attempt == 2:
                raise
            put_aside(path, f"cannot be opened: {error}")
            continue
        try:
            found = _version(connection)
            if found is None:
                _create(connection)
        except BaseException as error:
            connection.close()  # or its instance keeps the file from the next attempt
            if isinstance(error, duckdb.Error) and (passing := _passing(path, error)):
                raise passing from error
            raise
        if found in (version(), None):
            return connection
        connection.close()
        _make_former(path, found)
    raise AssertionError("a new file has a new schema")


def attach(path: Path, memory_limit: str = MEMORY_LIMIT) -> duckdb.DuckDBPyConnection:
    """A DuckDB instance that uses the file as `views`. Raises duckdb.Error."""
    connection = duckdb.connect(
        config={
            "threads": THREADS,
            "memory_limit": memory_limit,
            "checkpoint_threshold": CHECKPOINT_THRESHOLD,
            "preserve_insertion_order": False,
            "temp_directory": f"{path}.tmp",
            # Nothing that the views need: statements come from views.sql, but values are anybody's.
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # A page of a list has up to 1,000 rows: only theirs are read in full.
            "late_materialization_max_rows": 1001,
        }
    )
    try:
        quoted = str(path).replace("'", "''")
        connection.execute(
            f"ATTACH '{quoted}' AS views (ROW_GROUP_SIZE {ROW_GROUP_ROWS}, STORAGE_VERSION 'latest')"
        )
        connection.execute("USE views")
        connection.execute(
            "SET enable_progress_bar = false"
        )  # of the connection: DuckDB has no such global one
        connection.execute("SET enable_external_access = false")
        _version(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _version(connection: duckdb.DuckDBPyConnection) -> str | None:
    """Version of the file's schema; None where the file is new."""
    try:
        found = connection.execute(part("meta")).fetchone()
    except duckdb.CatalogException:
        return None
    return found[0] if found else "none"


def _create(connection: duckdb.DuckDBPyConnection) -> None:
    connection.begin()
    connection.execute(part("schema"))
    connection.execute(part("set_meta"), {"version": version()})
    connection.commit()


# What the system says where neither the file nor Lumina is to blame: to put the file aside would not help.
_SYSTEM = tuple(
    os.strerror(number).lower()
    for number in (
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO),
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE),
    )
)


def _passing(path: Path, error: duckdb.Error) -> Unusable | None:
    """What to raise where opening the file failed for something that passes or that somebody can mend."""
    text = str(error).lower()
    if is_full(error):
        return Unusable(disk_full(path), Cause.DISK_FULL)
    if "could not set lock" in text:
        return Unusable(f"{_in_use(path)} DuckDB says: {error}", Cause.FILE_IN_USE)
    if isinstance(error, duckdb.OutOfMemoryException) or any(said in text for said in _SYSTEM):
        return Unusable(f"The views' file {path} cannot be opened: {error}. Trying again.")
    return None
