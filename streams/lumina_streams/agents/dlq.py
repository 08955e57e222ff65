"""What could not be processed leaves as it came, with the reason beside it."""

from dataclasses import dataclass
from typing import NamedTuple

from lumina_schemas import dead_letter as header
from lumina_schemas.dead_letter import Redriven, Stage

Headers = list[tuple[str, bytes]]

MAX_ERROR = 300
MAX_PROJECT = 100
FRAMING = 120
"""Bytes of a Kafka record and its batch beside key, value and headers, generously."""


@dataclass(frozen=True)
class Origin:
    """Where a failed message was read, and what a redrive must know of it beside its bytes."""

    topic: str
    partition: int
    offset: int
    signal: str = ""
    project: str | None = None
    redriven: Redriven | None = None
    """The dead letter that the message is, where it has been one before."""


class Letter(NamedTuple):
    """A dead letter as it is sent."""

    key: bytes
    value: bytes
    headers: Headers


def letter(
    origin: Origin, stage: Stage, error: str, body: bytes, max_message_bytes: int, spans: int | None = None
) -> Letter:
    """The dead letter of a message: its bytes, which stage gave it up, why, and how it can be tried again.

    `spans` is how many spans of it are in the dead letter, where that is known. A body too large for a
    message is cut. The key brings copies of a letter (a worker that died before it committed writes it
    again) to one partition, where whoever re-drives can tell them.
    """
    headers: Headers = [
        (header.TOPIC, origin.topic.encode()),
        (header.PARTITION, str(origin.partition).encode()),
        (header.OFFSET, str(origin.offset).encode()),
        (header.STAGE, stage.encode()),
        (header.ERROR, error.encode("utf-8", "replace")[:MAX_ERROR].decode("utf-8", "ignore").encode()),
    ]
    if spans is not None:
        headers.append((header.SPANS, str(spans).encode()))
    if origin.signal:
        headers.append((header.SIGNAL, origin.signal.encode()))
    if origin.project and len(origin.project) <= MAX_PROJECT:
        headers.append((header.PROJECT, origin.project.encode("utf-8", "replace")))
    place = origin.partition, origin.offset
    if origin.redriven is not None:
        headers.append((header.FAILED_AGAIN, origin.redriven.encode()))
        place = origin.redriven.partition, origin.redriven.offset
    room = max_message_bytes - FRAMING - sum(len(name) + len(value) + 8 for name, value in headers)
    if len(body) > room:
        # Somebody else's landing topic may take larger messages than ours. A dead letter that Kafka
        # refused would end this worker, and its successor, on the same message for ever.
        headers.append((header.CUT_FROM, str(len(body)).encode()))
        body = body[: room - 40]
    return Letter("{}:{}".format(*place).encode(), body, headers)
