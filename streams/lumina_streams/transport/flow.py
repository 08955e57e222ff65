"""Flow control that never empties a queue which is about to be read."""

from mode.utils.queues import FlowControlEvent


class FlowControl(FlowControlEvent):
    """Prevents: messages lost for good at the end of a recovery.

    Faust resumes its partitions, seeks to the committed offsets and then resumes the flow, and resuming
    clears every queue. What was fetched right after the seek has been delivered by then: it is thrown away,
    later messages follow, and no offset behind the gap is ever committed (compare faust-streaming #596, an
    ack gap that stops commits). Seen in 2 of 8 runs with two kills each: up to 80 spans lost.

    Queues are still emptied when a rebalance begins; what slips in afterwards carries the old generation and
    is skipped where it is read.
    """

    def resume(self) -> None:
        """Let messages pass again, those that wait included."""
        self._suspend.clear()
        self._resume.set()
