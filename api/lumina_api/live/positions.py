"""Event ids: how far the log was told when an event was, as `alerts:0=17,1=4;spans:0=120`.

Positions on Kafka, not of a replica: whichever replica is asked next goes on from there.
"""

import re
from collections.abc import Mapping

TOPICS = ("alerts", "spans")
MOST_CHARS = 20_000

Vector = dict[tuple[str, int], int]
"""Next offset by (topic, partition)."""

_TOPIC = re.compile(r"(alerts|spans):(\d{1,5}=\d{1,18}(?:,\d{1,5}=\d{1,18})*)", re.ASCII)


def written(vector: Mapping[tuple[str, int], int]) -> str:
    """An event id."""
    parts = []
    for topic in TOPICS:
        places = sorted((partition, offset) for (of, partition), offset in vector.items() if of == topic)
        if places:
            parts.append(f"{topic}:" + ",".join(f"{partition}={offset}" for partition, offset in places))
    return ";".join(parts)


def read(text: str) -> Vector:
    """The positions in an event id. ValueError where it is none."""
    vector: Vector = {}
    if len(text) > MOST_CHARS:
        raise ValueError("is too long for an event id")
    for part in filter(None, text.split(";")):
        found = _TOPIC.fullmatch(part)
        if found is None:
            raise ValueError("is no event id; leave it out to begin with what happens from now on")
        for place in found[2].split(","):
            partition, _, offset = place.partition("=")
            vector[found[1], int(partition)] = int(offset)
    return vector
