"""The views as one running thing: a file that follows the log, and its cursors.

Where the file is of another release, a new one is built beside it. The former one follows the log and answers
until the new one shows all that it does; then it is removed.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import structlog

from lumina_api.deadline import within_time
from lumina_api.views.batch import LogRecord
from lumina_api.views.file import FORMER_MEMORY, MEMORY_LIMIT, former_of, is_corruption, put_aside
from lumina_api.views.follower import Follower
from lumina_api.views.former import open_former
from lumina_api.views.freshness import LogPosition, Moves
from lumina_api.views.measures import Measures
from lumina_api.views.progress import Progress
from lumina_api.views.retention import Policy
from lumina_api.views.store import Applied, Store
from lumina_api.views.trouble import disk_full, is_full
from lumina_schemas.settings import Settings

log = structlog.get_logger(__name__)

LOOK_S = 0.2

# The new file takes over when it is so near to the end of the log.
NEAR_RECORDS = 2_000

# Requests that read the former file may end; whoever takes longer is interrupted.
DRAIN_S = 30.0

Committed = Callable[[list[LogRecord], dict[tuple[str, int], int]], None]
"""Takes the records of a batch, and the next offset of each (topic, partition) among them."""


class ViewsAway(RuntimeError):
    """There is no open file to read from; the message says why and what happens next."""


class Views:
    """Follows the log into the views' file, and answers from it. `clock` tells Unix time in ns."""

    def __init__(self, settings: Settings, clock: Callable[[], int] = time.time_ns) -> None:
        self.settings = settings
        self.committed: Committed | None = None
        """Told of each batch once its rows can be read, on the event loop."""
        self.path: Path = settings.views_path or settings.data_dir / "views.duckdb"
        self.moves = Moves()
        self.measures = Measures()
        self.clock = clock
        self.former: Follower | None = None
        """The file of another release that answers while the present one is built."""
        self._policy = Policy.of(settings)
        self._present = Follower(settings, self.path, self._open_present, self._moved, self.measures)
        self._succession: asyncio.Task[None] | None = None
        self._succeeded = False

    async def start(self) -> None:
        """Begin to follow the log; returns at once. `progress` tells how far it is."""
        self._present.start()
        self._succession = asyncio.create_task(self._succeed(), name="views-succession")

    async def stop(self) -> None:
        """Finish the batch that is being written, and close the file."""
        if self._succession is not None:
            self._succession.cancel()
            await asyncio.gather(self._succession, return_exceptions=True)
        await asyncio.gather(*(one.stop() for one in (self._present, self.former) if one is not None))

    def _moved(
        self, follower: Follower, records: list[LogRecord], positions: dict[tuple[str, int], int]
    ) -> None:
        self.moves.moved()
        if self.committed is not None and follower is self._answering:
            self.committed(records, positions)

    @property
    def ready(self) -> bool:
        """Whether the views show all that lay in the log when this process attached to it."""
        return not self.progress.reasons

    @property
    def progress(self) -> Progress:
        """How far the file is that answers."""
        return self._answering.progress

    @property
    def building(self) -> Progress | None:
        """How far the file is that will take over; None where the present one answers."""
        return self._present.progress if self.former is not None else None

    @property
    def applied(self) -> Applied:
        """What was written to the file that answers."""
        return self._answering.applied

    @property
    def policy(self) -> Policy:
        """How long rows are kept, as far as the views know."""
        store = self._store
        return store.policy if store is not None else self._policy

    @property
    def _answering(self) -> Follower:
        return self.former or self._present

    @property
    def _store(self) -> Store | None:
        return self._answering.store

    @_store.setter
    def _store(self, store: Store | None) -> None:
        self._present.store = store

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor for one reader. Raises ViewsAway where the file is not open, turns out damaged, or is of
        another release and has no answer.
        """
        follower = self._answering
        store = follower.store
        if store is None:
            raise ViewsAway(follower.progress.trouble or "The views are being opened.")
        try:
            with store.cursor() as cursor, within_time(cursor):
                yield cursor
        except duckdb.InterruptException as error:  # by `close`, for this is not by the request's deadline
            raise ViewsAway("The views are being opened anew.") from error
        except duckdb.ConnectionException as error:
            raise ViewsAway("The views are being opened anew.") from error
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            if follower is self._present:
                raise
            raise ViewsAway(self._outdated()) from error
        except duckdb.Error as error:
            if is_corruption(error):
                follower.damage = str(error)
                raise ViewsAway("The views' file is damaged; it is being rebuilt from the log.") from error
            if is_full(error):
                raise ViewsAway(disk_full(self.path)) from error
            if "invalidated" in str(error):  # DuckDB takes nothing more until the file is opened anew
                raise ViewsAway("The views are being opened anew.") from error
            raise

    def next_offset(self, topic: str, partition: int) -> int:
        """All of a partition before here is in the views. `topic` is its declared name."""
        follower = self._answering
        store = follower.store
        known = store.reached.get((topic, partition)) if store is not None else None
        # The position in a topic that was recreated says nothing of the one that is there now.
        if known is None or known.epoch != follower.epochs.get(topic, known.epoch):
            return 0
        return known.next_offset

    async def reached(self, wanted: Sequence[LogPosition], within_s: float) -> bool:
        """Wait until the records at these positions are in the views; False when the time is over before."""

        async def done() -> bool:
            return all(self.next_offset(topic, number) > offset for topic, number, offset in wanted)

        return await self.moves.until(done, within_s)

    def _outdated(self) -> str:
        progress = self._present.progress
        left = f", about {progress.eta_s:.0f} s to go" if progress.eta_s else ""
        return (
            f"The views are being rebuilt for this release: {progress.replayed:.0%} done{left}. Until then "
            "the former file answers, and this question needs what it does not hold. Ask again then; "
            "`/ready` says how far it is."
        )

    def _open_present(self, applied: Applied) -> Store:
        """In the writer's thread. Opening the present file moves one of another release out of its way."""
        store = Store.open(self.path, applied, self._policy, self.clock)
        path = former_of(self.path)
        if not self._succeeded and path.is_file():
            store.limit_memory(FORMER_MEMORY)
            if self.former is None:
                self.former = Follower(
                    self.settings, path, self._open_former, self._moved, self.measures, former=True
                )
        return store

    def _open_former(self, applied: Applied) -> Store:
        return Store(open_former(former_of(self.path)), applied, self._policy, self.clock)

    async def _succeed(self) -> None:
        """Have the former file follow the log, if there is one, and the present one take over from it."""
        while (former := self.former) is None:
            if self._present.store is not None:
                self._succeeded = True
                return
            await asyncio.sleep(LOOK_S)
        former.start()
        while not (former.unfit and former.store is None) and not self._near():
            await asyncio.sleep(LOOK_S)
        await former.pause()
        while not self._shows_all_of(former):
            await asyncio.sleep(LOOK_S / 10)
        whole = self._near()
        self._succeeded, self.former = True, None
        await former.stop(DRAIN_S)
        if whole:
            former.path.unlink(missing_ok=True)
            log.info("the views' file of this release has taken over", path=str(self.path))
        elif former.path.is_file():
            put_aside(former.path, former.unfit)
        former.path.with_name(f"{former.path.name}.lock").unlink(missing_ok=True)
        if (store := self._present.store) is not None:
            await self._present.write(lambda: store.limit_memory(MEMORY_LIMIT))

    def _near(self) -> bool:
        progress = self._present.progress
        return progress.caught_up and sum(topic.lag for topic in progress.topics.values()) < NEAR_RECORDS

    def _shows_all_of(self, former: Follower) -> bool:
        """Whether the present file has read all that the former one has."""
        present = self._present.store
        if former.store is None:
            return True
        if present is None or not self._present.progress.caught_up:
            return False
        return all(
            place in present.reached and present.reached[place].next_offset >= position.next_offset
            for place, position in former.store.reached.items()
            if position.epoch == self._present.epochs.get(place[0])
        )
