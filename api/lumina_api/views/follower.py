"""One file that follows the log: opened, written by batches, and opened anew whenever that fails."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import duckdb
import structlog
from aiokafka.errors import KafkaError

from lumina_api.views.batch import LogRecord, batch_of
from lumina_api.views.file import Unusable, is_corruption, put_aside
from lumina_api.views.former import Unfit
from lumina_api.views.measures import Measures
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

# Rolling up takes the writer some 20 ms a bucket: so long at once, and then batches have their turn.
ROLL_UP_S = 0.1
UPKEEP_PAUSE_S = 0.2

# Retention has so much of the writer's time: batches and readers come first.
LET_GO_SHARE = 0.2

T = TypeVar("T")

Moved = Callable[["Follower", list[LogRecord], dict[tuple[str, int], int]], None]
"""Takes the records of a batch whose rows can be read, and the next offset of each (topic, partition)."""


class Follower:
    """Follows the log into one file. `former`: one of another release, which is to be replaced."""

    def __init__(
        self,
        settings: Settings,
        path: Path,
        open_store: Callable[[Applied], Store],
        moved: Moved,
        measures: Measures,
        former: bool = False,
    ) -> None:
        self.path = path
        self.progress = Progress()
        self.applied = Applied()
        self.store: Store | None = None
        """The open file; None while there is none."""
        self.epochs: dict[str, str] = {}
        self.damage: str | None = None
        """What is wrong with the file: it is put aside the next time that it is opened."""
        self.unfit = ""
        """Why a former file cannot be followed any more, or not be used at all."""
        self.task: asyncio.Task[None] | None = None
        self._former = former
        self._settings = settings
        self._open_store = open_store
        self._moved = moved
        self._measures = measures
        self._inner_errors = 0
        self._wait_s = FIRST_RETRY_S
        self._told: tuple[str, float] | None = None
        self._upkeep: asyncio.Task[None] | None = None
        # One thread: DuckDB writes beside the readers, and never beside another write.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="views-writer")

    def start(self) -> None:
        """Begin to follow the log; returns at once. `progress` tells how far it is."""
        self.task = asyncio.create_task(self._run(), name="views")
        if not self._former:
            self._upkeep = asyncio.create_task(self._keep_up(), name="views-upkeep")

    async def pause(self) -> None:
        """Finish the batch that is being written and follow no more; the file still answers."""
        tasks = [task for task in (self._upkeep, self.task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.write(lambda: None)  # behind what is being written

    async def stop(self, drain_s: float = 0.0) -> None:
        """Follow no more, and close the file once its readers are through, or `drain_s` over."""
        await self.pause()
        if drain_s and self.store is not None:
            await asyncio.to_thread(self.store.drain, drain_s)
        await self.write(self._close)
        self._writer.shutdown()

    async def write(self, work: Callable[[], T]) -> T:
        """Run in the writer's thread, to its end even when the caller is cancelled."""
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except Unusable as error:
                self._stop(error.cause, str(error), error)
            except Unfit as error:
                self.unfit = str(error)
                self._stop(Cause.FILE, self.unfit, error)
                return
            except LogChanged as error:
                self._stop(Cause.LOG, str(error), error)
            except (KafkaError, TimeoutError) as error:
                self._stop(Cause.KAFKA, away(client_options(self._settings), error), error)
            except duckdb.Error as error:
                cause, trouble = self._judged(error)
                if self._former and cause is Cause.FILE and self.damage is None:
                    self.unfit = f"The file of another release cannot be followed any more: {error}"
                    log.warning("the former views file stands still", why=self.unfit)
                    return
                self._stop(cause, trouble, error)
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
            self.damage = str(error)
            self._inner_errors = 0
        return Cause.FILE, (
            f"The views' file {self.path} could not be written: {error}. Nothing is lost while the log on "
            "Kafka keeps it. Trying again."
        )

    async def _follow(self) -> None:
        store = await self.write(self._open)
        store.reached = positions = await self.write(store.positions)
        reader = Reader(self._settings, self.progress)
        await reader.follow(positions, self._attached, self._apply)

    def _attached(self, epochs: dict[str, str]) -> None:
        self.epochs = epochs
        if self.progress.cause is None or not self.progress.cause.outlasts_attaching:
            self._wait_s = FIRST_RETRY_S

    async def _keep_up(self) -> None:
        """Roll up what is quiet and let go of what is old, once the log has been read."""
        while True:
            await asyncio.sleep(UPKEEP_PAUSE_S)
            if self.progress.caught_up:
                try:
                    await self.write(self._roll_up_now)
                    await self._let_go()
                except duckdb.Error as error:
                    self._judged(error)  # the next batch meets it too, and says so
                    log.warning("the views could not be kept up", error=str(error))
                    await asyncio.sleep(RETRY_S)

    async def _let_go(self) -> None:
        """Delete what retention lets go of, a little at a time, until nothing is left of it."""
        more = True
        while more:
            started = time.monotonic()
            more = await self.write(self._let_go_now)
            if more:
                await asyncio.sleep((time.monotonic() - started) * (1 / LET_GO_SHARE - 1))

    def _let_go_now(self) -> bool:
        return self.store is not None and self.damage is None and self.store.let_go()

    def _roll_up_now(self) -> None:
        until = time.monotonic() + ROLL_UP_S
        while self.store is not None and self.damage is None and time.monotonic() < until:
            if not self.store.roll_up():
                break

    async def _apply(self, records: list[LogRecord]) -> dict[tuple[str, int], int]:
        positions = await self.write(lambda: self._apply_now(records))
        self._moved(self, records, positions)
        self._wait_s = FIRST_RETRY_S
        if self._told is not None and not self.progress.trouble:
            self._told = None
            log.info("the views go on")
        return positions

    def _apply_now(self, records: list[LogRecord]) -> dict[tuple[str, int], int]:
        if self.store is None or self.damage is not None:
            raise Unusable(f"The views' file is damaged and is being rebuilt from the log: {self.damage}")
        began = time.monotonic()
        batch = batch_of(records)
        # Before all settings are read, a project may keep its rows for longer than is known.
        self.store.apply(batch, self.epochs, retain=not self.progress.topics["settings"].behind)
        if not self._former:
            self._measures.committed(batch, len(records), time.monotonic() - began, time.time_ns())
        self._inner_errors = 0
        return batch.positions

    def _open(self) -> Store:
        """The open store; a damaged file is put aside first."""
        if self.damage is not None:
            self._close()
            put_aside(self.path, self.damage)
            self.damage = None
        if self.store is not None and not self.store.usable:
            self._close()
        if self.store is None:
            self.store = self._open_store(self.applied)
        return self.store

    def _close(self) -> None:
        store, self.store = self.store, None
        if store is not None:
            try:
                store.close()
            except duckdb.Error as error:
                log.warning("the views' file could not be closed cleanly", error=str(error))
