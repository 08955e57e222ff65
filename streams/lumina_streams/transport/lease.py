"""The lease: how long this worker may still believe that its partitions are its own."""

import time
from threading import Lock

from lumina_streams.transport.failure import die

# A suspended machine's time passes too; Python's monotonic clock stands still meanwhile.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

SHARE = 0.5
"""Of the session timeout: the other half is for what is under way when the lease ends."""


def moment() -> float:
    """Seconds that pass even while this process is stopped or its machine asleep."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """Prevents: a stale writer. Seen: a worker that was stopped for 16 s came back and wrote the state of
    offset 848 over that of 4,926, which its heir had written.

    Kafka gives a worker's partitions away when it has not heard of it for the session timeout. Whoever has
    had no good answer to a heartbeat for half that time writes nothing more: it exits, and its successor
    reads the same input. Counted from when the heartbeat was *sent*: its answer may have been waiting.
    """

    def __init__(self, session_timeout_s: float) -> None:
        self.length_s = session_timeout_s * SHARE
        self._until = float("-inf")
        self._lock = Lock()

    def renew(self, asked_at: float) -> None:
        """The group answered a request of `asked_at` (a `moment`): we were a member then."""
        with self._lock:
            self._until = max(self._until, asked_at + self.length_s)

    @property
    def held(self) -> bool:
        """Whether writing is safe now."""
        return moment() < self._until

    def check(self) -> None:
        """End the process where the lease is over. Called right before bytes go to Kafka."""
        late_s = moment() - self._until
        if late_s >= 0:
            die(
                "This worker has had no answer from its consumer group for too long: its partitions may be "
                "another's by now, so it writes nothing more and stops. Its successor reads the same input. "
                "Look for a paused or overloaded machine, or a broker that does not answer.",
                lease_s=self.length_s,
                over_since_s=round(late_s, 3),
            )
