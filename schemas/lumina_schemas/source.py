"""Where a span came from: its position in a source topic, the key to counting it once.

A span's `src` travels with it from normalise to tables and views. Whoever keeps state keeps, per
(epoch, origin, partition), the highest (offset, ordinal) it has applied, and drops what is not newer.
"""

from typing import Literal, NamedTuple

Origin = Literal["otlp", "otlp-logs", "dlq", "control"]


class Source(NamedTuple):
    """Position of one span in the log it was read from.

    `epoch` is the source topic's Kafka id (a recreated topic starts again at offset 0), `ordinal` the
    index of the span inside its OTLP message. Encoded in JSON as the array
    `[epoch, origin, partition, offset, ordinal]`.
    """

    epoch: str
    origin: Origin
    partition: int
    offset: int
    ordinal: int


class Place(NamedTuple):
    """Where a record of `lumina.spans` lies: Kafka's id of the topic, partition, offset."""

    epoch: str
    partition: int
    offset: int
