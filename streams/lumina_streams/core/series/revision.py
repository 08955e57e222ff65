"""Revisions: which of two writes of one table key is the newer, whatever their order in the changelog.

A value is stored as 8 bytes of revision, big endian, and the payload. A revision is a term and a number of
writes: that grows with each write of a key, the term with each gain of its partition. So whoever owns a
partition last wins over everybody before, however often those have written.
"""

from typing import NamedTuple

SIZE = 8
_COUNT_BITS = 40
_COUNT_MASK = (1 << _COUNT_BITS) - 1


class Revision(NamedTuple):
    """Ordered as it is written: by term, then by writes."""

    term: int
    writes: int


def revision_of(stored: bytes) -> Revision:
    """The revision of a stored value."""
    number = int.from_bytes(stored[:SIZE], "big")
    return Revision(number >> _COUNT_BITS, number & _COUNT_MASK)


def revised(payload: bytes, revision: Revision) -> bytes:
    """A payload as it is stored."""
    return (revision.term << _COUNT_BITS | revision.writes).to_bytes(SIZE, "big") + payload


def payload_of(stored: bytes) -> bytes:
    """What was written."""
    return stored[SIZE:]


def is_newer(stored: bytes, known: bytes | None) -> bool:
    """Whether a stored value takes the place of the one that is known. Of equals the first stays."""
    return known is None or stored[:SIZE] > known[:SIZE]
