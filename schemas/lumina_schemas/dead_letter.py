"""Headers of a dead letter on `lumina.dlq`, and of one that was re-driven onto a landing topic.

A redrive lands the letter's bytes again. Its spans then carry the letter's own position as their source
(`origin` dlq), so that they count once however often the letter is re-driven.
"""

import re
from typing import Literal, NamedTuple, Self

Stage = Literal["normalise", "detect", "control"]
"""What the letter's body was meant to be: an OTLP request of a landing topic, a line of `lumina.spans`, or a
control message (a command, a tick). A control message that is none is not re-driven: send a better one.
"""

TOPIC = "lumina-dlq-topic"
PARTITION = "lumina-dlq-partition"
OFFSET = "lumina-dlq-offset"
STAGE = "lumina-dlq-stage"
ERROR = "lumina-dlq-error"
SPANS = "lumina-dlq-spans"
SIGNAL = "lumina-dlq-signal"
"""`traces` or `logs`, where the body is an OTLP request: which of the landing topics takes it again."""
PROJECT = "lumina-dlq-project"
"""The project that the message had by its header or its landing topic, where it had one."""
FAILED_AGAIN = "lumina-dlq-redriven"
"""The letter that this one was re-driven from, where it failed again; a `Redriven`."""
CUT_FROM = "lumina-dlq-cut-from"
"""Bytes of the original, where it was larger than a message of ours may be and only its beginning is kept."""

REDRIVEN_HEADER = "lumina-redriven"
"""Header of a landed message: it is a dead letter that was re-driven; a `Redriven`."""
REDRIVEN_STAGE_HEADER = "lumina-redriven-stage"
"""Header of a landed message that is re-driven: the letter's `Stage`; absent means normalise."""

PARTITION_BITS = 16
MAX_OFFSET = 2**46
"""More than any log holds; a position with more would not fit the state of a series."""

_REDRIVEN = re.compile(rb"([0-9a-f]{32}):([0-9]{1,5}):([0-9]{1,15}):([0-9]{1,9})")


class Redriven(NamedTuple):
    """Which dead letter: Kafka's id of the dlq topic, partition, offset; and which attempt to re-drive it.

    `attempt` is 0 where that is not known. Encoded as `epoch:partition:offset:attempt`.
    """

    epoch: str
    partition: int
    offset: int
    attempt: int

    def encode(self) -> bytes:
        """The value of a header."""
        return ":".join(map(str, self)).encode()

    @classmethod
    def parse(cls, value: bytes) -> Self:
        """Inverse of `encode`; raises ValueError for anything else, whatever it is."""
        found = _REDRIVEN.fullmatch(value)
        if found is None:
            raise ValueError("not of the form epoch:partition:offset:attempt")
        epoch, partition, offset, attempt = found.groups()
        result = cls(epoch.decode(), int(partition), int(offset), int(attempt))
        if result.partition >= 1 << PARTITION_BITS or result.offset > MAX_OFFSET:
            raise ValueError("partition or offset too high")
        return result
