"""The views as one running thing: the file, the reader that follows the log into it, and its cursors."""

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import duckdb
import structlog
from aiokafka.errors import KafkaError

from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.file import Unusable, is_corruption, put_aside
from lumina_api.views.progress import Progress
from lumina_api.views.reader import LogChanged, Reader, away
from lumina_api.views.store import Applied, Store
from lumina_api.views.trouble import Cause, disk_full, is_full
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings

log = structlog.get_logger(__name__)

RETRY_S = 2.0
FIRST_RETRY_S = 0.2

# The same trouble is told again after this time: a log that tells of a full disk must not fill it.
TELL_AGAIN_S = 60.0

# DuckDB's inner errors do not always say that the file is damaged; so many in a row are taken to mean it.
INNER_ERRORS = 3

T = TypeVar("T")


class ViewsAway(RuntimeError):
    """There is no open file to read from; the message says why and what happens next."""


class Views:
    """Follows the log into the views' file, and opens it anew whenever that fails."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.path: Path = settings.views_path or settings.data_dir / "views.duckdb"
        self.progress = Progress()
        self._store: Store | None = None
        self._damage: str | None = None
        self._inner_errors = 0
        self._wait_s = FIRST_RETRY_S
        self._told: tuple[str, float] | None = None
        self.applied = Applied()
        self._epochs: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        # One thread: DuckDB writes beside the readers, and never beside another write.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="views-writer")

    async def start(self) -> None:
        """Begin to follow the log; returns at once. `progress` tells how far it is."""
        self._task = asyncio.create_task(self._run(), name="views")

    async def stop(self) -> None:
        """Finish the batch that is being written, and close the file."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write(self._close)
        self._writer.shutdown()

    @property
    def ready(self) -> bool:
        """Whether the views show all that lay in the log when this process attached to it."""
        return not self.progress.reasons

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one reader. Raises ViewsAway where the file is not open, or turns out damaged."""
        store = self._store
        if store is None:
            raise ViewsAway(self.progress.trouble or "The views are being opened.")
        try:
            with store.cursor() as cursor:
                yield cursor
        except duckdb.ConnectionException as error:
            raise ViewsAway("The views are being opened anew.") from error
        except duckdb.Error as error:
            if is_corruption(error):
                self._damage = str(error)
                raise ViewsAway("The views' file is damaged; it is being rebuilt from the log.") from error
            if is_full(error):
                raise ViewsAway(disk_full(self.path)) from error
            if "invalidated" in str(error):  # DuckDB takes nothing more until the file is opened anew
                raise ViewsAway("The views are being opened anew.") from error
            raise

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except Unusable as error:
                self._stop(error.cause, str(error), error)
            except LogChanged as error:
                self._stop(Cause.LOG, str(error), error)
            except (KafkaError, TimeoutError) as error:
                self._stop(Cause.KAFKA, away(client_options(self._settings), error), error)
            except duckdb.Error as error:
                self._stop(*self._judged(error), error)
            except OSError as error:
                if is_full(error):
                    self._stop(Cause.DISK_FULL, disk_full(self.path), error)
                else:
                    self._stop(Cause.KAFKA, away(client_options(self._settings), error), error)
            except Exception as error:
                log.exception("the views' reader failed")
                trouble = f"The views' reader failed ({error!r}) and starts anew; its log says more."
                self._stop(Cause.READER, trouble, error)
            await asyncio.sleep(self._wait_s)
            self._wait_s = min(self._wait_s * 2, RETRY_S)

    def _stop(self, cause: Cause, trouble: str, error: Exception) -> None:
        """Say what keeps the views: in /ready, in the metrics, and once in the log."""
        if self._told is None or self._told[0] != trouble or time.monotonic() - self._told[1] > TELL_AGAIN_S:
            self._told = trouble, time.monotonic()
            of_file = cause in (Cause.DISK_FULL, Cause.FILE, Cause.FILE_IN_USE)
            tell = log.error if of_file else log.warning
            tell("the views stand still", why=trouble, **({"error": str(error)} if of_file else {}))
        self.progress.stopped(cause, trouble)

    def _judged(self, error: duckdb.Error) -> tuple[Cause, str]:
        """Whether an error of DuckDB is the machine's, or means that the file is damaged."""
        if is_full(error):
            return Cause.DISK_FULL, disk_full(self.path)
        inner = isinstance(error, duckdb.FatalException | duckdb.InternalException)
        self._inner_errors = self._inner_errors + 1 if inner else 0
        if is_corruption(error) or self._inner_errors >= INNER_ERRORS:
            self._damage = str(error)
            self._inner_errors = 0
        return Cause.FILE, (
            f"The views' file {self.path} could not be written: {error}. Nothing is lost while the log on "
            "Kafka keeps it. Trying again."
        )

    async def _follow(self) -> None:
        store = await self._write(self._open)
        positions = await self._write(store.positions)
        reader = Reader(self._settings, self.progress)
        await reader.follow(positions, self._attached, self._apply)

    def _attached(self, epochs: dict[str, str]) -> None:
        self._epochs = epochs
        if self.progress.cause is None or not self.progress.cause.outlasts_attaching:
            self._wait_s = FIRST_RETRY_S

    async def _apply(self, records: list[LogRecord]) -> dict[tuple[str, int], int]:
        positions = await self._write(lambda: self._apply_now(records))
        self._wait_s = FIRST_RETRY_S
        if self._told is not None and not self.progress.trouble:
            self._told = None
            log.info("the views go on")
        return positions

    def _apply_now(self, records: list[LogRecord]) -> dict[tuple[str, int], int]:
        if self._store is None or self._damage is not None:
            raise Unusable(f"The views' file is damaged and is being rebuilt from the log: {self._damage}")
        batch = batch_of(records)
        self._store.apply(batch, self._epochs)
        self._inner_errors = 0
        return batch.positions

    def _open(self) -> Store:
        """The open store; a damaged file is put aside first."""
        if self._damage is not None:
            self._close()
            put_aside(self.path, self._damage)
            self._damage = None
        if self._store is not None and not self._store.usable:
            self._close()
        if self._store is None:
            self._store = Store.open(self.path, self.applied)
        return self._store

    def _close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            try:
                store.close()
            except duckdb.Error as error:
                log.warning("the views' file could not be closed cleanly", error=str(error))

    async def _write(self, work: Callable[[], T]) -> T:
        """Run in the writer's thread, to its end even when the caller is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)
