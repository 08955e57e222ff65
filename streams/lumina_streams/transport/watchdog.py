"""The watchdog: a thread that ends a worker which has work to do and does none."""

import time
from collections.abc import Callable, Hashable
from threading import Thread

from lumina_streams.transport.failure import die

LOOK_S = 1.0

STOP_S = 9.0
"""A worker that was told to stop drains and commits for so long; a supervisor's patience is 10 s."""


class Watchdog(Thread):
    """Prevents: consumers that "slowly die" (faust-streaming #175, #523), recoveries that hang (#21, #74), an
    ack gap after which nothing is ever committed (#596), an agent that waits for ever. Each leaves a process
    that looks alive. Its successor starts from what was committed.

    A thread of its own, outside of the event loop: a loop that is stuck cannot look after itself.

    `busy` says what there is to do ("" where nothing is), `trace` anything that changes with progress, and
    `stopping` whether the worker was told to stop. Time is counted in looks, so that a pause of the whole
    process does not count.
    """

    def __init__(
        self,
        busy: Callable[[], str],
        trace: Callable[[], Hashable],
        stopping: Callable[[], bool],
        limit_s: float,
        look_s: float = LOOK_S,
    ) -> None:
        super().__init__(name="watchdog", daemon=True)
        self.busy = busy
        self.trace = trace
        self.stopping = stopping
        self.limit_s = limit_s
        self.look_s = look_s
        self.idle_s = 0.0
        """Seconds with work and without progress, so far."""
        self._seen: Hashable = None
        self._stopping_s = 0.0

    def run(self) -> None:
        """Look once a second, for ever."""
        while True:
            time.sleep(self.look_s)
            self.look()

    def look(self) -> None:
        """One look; ends the process where it has to."""
        try:
            busy, trace, stopping = self.busy(), self.trace(), self.stopping()
        except RuntimeError:  # a dictionary changed while it was read: look again
            return
        self._stopping_s = self._stopping_s + self.look_s if stopping else 0.0
        if self._stopping_s > STOP_S:
            die(
                "This worker was told to stop and could not drain in time: it ends without a last commit. "
                "What it had in hand is read again. Is Kafka reachable?",
                waited_s=self._stopping_s,
            )
        moved, self._seen = trace != self._seen, trace
        self.idle_s = 0.0 if moved or not busy else self.idle_s + self.look_s
        if self.idle_s > self.limit_s:
            die(
                "This worker has work to do and has not moved: it ends, and its successor starts from what "
                "was committed. If this repeats, look at Kafka and at the messages at the offsets it names.",
                stalled_s=self.idle_s,
                work=busy,
            )
