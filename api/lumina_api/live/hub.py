"""Tells watchers of each batch that the views have committed. Lives on the event loop, holds a queue a
watcher.

A watcher that does not keep up is let go: it comes back with the id of its last event, and misses no alert.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from lumina_api.live.events import TraceNews, Wanted, alert_of, told, traces_of
from lumina_api.live.positions import Vector, written
from lumina_api.views.batch import LogRecord

MOST_WATCHERS = 100
QUEUED = 500
TRACES_EVERY_S = 1.0


class Full(RuntimeError):
    """There are as many watchers as may be."""


@dataclass(frozen=True)
class Event:
    """One event; `id` is where to go on behind it."""

    kind: str
    id: str
    data: bytes


@dataclass(eq=False)
class Watcher:
    """One who watches, and what waits for them. None in the queue is the end."""

    topics: frozenset[str]
    wanted: Wanted
    base: Vector
    """How far the log had been told when they came."""
    past: Vector
    """What they know already, by their last event."""
    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(QUEUED + 1))

    def put(self, event: Event) -> bool:
        """Queue an event; False where they are too slow for it."""
        if self.queue.qsize() >= QUEUED:
            return False
        self.queue.put_nowait(event)
        return True

    def end(self) -> None:
        """Let what is queued be the last."""
        if not self.queue.full():
            self.queue.put_nowait(None)


class Hub:
    """All who watch."""

    def __init__(self, most: int = MOST_WATCHERS) -> None:
        self.vector: Vector = {}
        self.closed = False
        self._most = most
        self._watchers: set[Watcher] = set()
        self._traces: dict[tuple[str, str], TraceNews] = {}
        self._flush: asyncio.TimerHandle | None = None

    def watch(self, topics: frozenset[str], wanted: Wanted, past: Vector) -> Watcher:
        """Begin to queue events for somebody. Raises Full."""
        if self.closed or len(self._watchers) >= self._most:
            raise Full
        watcher = Watcher(topics, wanted, self.vector.copy(), past)
        self._watchers.add(watcher)
        return watcher

    def seed(self, vector: Vector) -> None:
        """Take in what was committed before this process began: an id names every partition."""
        for place, offset in vector.items():
            self.vector.setdefault(place, offset)

    def leave(self, watcher: Watcher) -> None:
        """Somebody has gone."""
        self._watchers.discard(watcher)

    def committed(self, records: Sequence[LogRecord], positions: Vector) -> None:
        """A batch can be read: tell of it."""
        for record in records:
            place = record.topic, record.partition
            if record.topic not in ("alerts", "spans"):
                continue
            self.vector[place] = record.offset + 1
            if record.topic == "alerts" and self._watchers:
                self._tell_alert(record)
        for place, offset in positions.items():
            if place[0] in ("alerts", "spans"):
                self.vector[place] = offset
        if any("traces" in watcher.topics for watcher in self._watchers):
            for key, news in traces_of(records).items():
                self._traces.setdefault(key, news)
            if self._traces and self._flush is None:
                self._flush = asyncio.get_running_loop().call_later(TRACES_EVERY_S, self._tell_traces)

    def close(self) -> None:
        """Let everybody go: the process ends, and another replica goes on."""
        self.closed = True
        if self._flush is not None:
            self._flush.cancel()
        for watcher in list(self._watchers):
            watcher.end()

    def _tell_alert(self, record: LogRecord) -> None:
        alert = alert_of(record)
        if alert is None:
            return
        place, data = alert
        event = Event("alert", written(self.vector), data)
        for watcher in list(self._watchers):
            known = watcher.past.get((record.topic, record.partition), 0)
            if "alerts" in watcher.topics and watcher.wanted.takes(place) and record.offset >= known:
                self._put(watcher, event)

    def _tell_traces(self) -> None:
        self._flush = None
        news, self._traces = list(self._traces.values()), {}
        at = written(self.vector)
        for watcher in list(self._watchers):
            if "traces" in watcher.topics and (data := told(news, watcher.wanted)) is not None:
                self._put(watcher, Event("traces", at, data))

    def _put(self, watcher: Watcher, event: Event) -> None:
        if not watcher.put(event):
            self._watchers.discard(watcher)
            watcher.end()
