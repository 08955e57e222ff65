"""Which traces the gateways took today: values of `lumina.usage` with the header `lumina-type: traces`.

A trace is told by a fingerprint of 32 bits. Whoever joins the fingerprints that all gateways shared since
midnight (UTC) has the distinct traces of each project: no gateway asks another one.
"""

from array import array
from collections.abc import Iterable
from sys import byteorder
from typing import Annotated
from zlib import crc32

from msgspec import Meta, Struct

USAGE_VERSION = 1

TRACES = b"traces"
"""Value of the header `lumina-type`."""

DAY_S = 86_400

FINGERPRINT_BITS = 32


class UsedTraces(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Traces of a project that a gateway took, and had not told of before. Key = project.

    `fingerprints` has 4 bytes each (little endian, in JSON as base64), see `fingerprint`. With a `shift` only
    those below 2 ** (32 - shift) are told, the others are left out: a sample of one in 2 ** shift.
    """

    v: int  # USAGE_VERSION
    project: Annotated[str, Meta(min_length=1, max_length=500)]
    day: Annotated[int, Meta(ge=0)]  # days since 1970, UTC, when the spans came to the gateway
    replica: Annotated[str, Meta(min_length=1, max_length=100)]  # one run of a gateway
    shift: Annotated[int, Meta(ge=0, le=FINGERPRINT_BITS)] = 0
    refused_spans: Annotated[int, Meta(ge=0)] = 0  # by this replica on this day, all that it has refused
    fingerprints: bytes = b""


def fingerprint(trace_id: bytes) -> int:
    """32 bits that stand for a trace id. One of n traces shares them with another one by odds of n / 2 ** 32,
    so that 10 million are counted 0.12 % too low. Senders who choose ids to be counted as one can do so.
    """
    return crc32(trace_id)


def packed(fingerprints: Iterable[int]) -> bytes:
    """Fingerprints as a record has them."""
    numbers = array("I", fingerprints)
    if byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def unpacked(data: bytes) -> "array[int]":
    """The fingerprints of a record. Raises ValueError where the bytes are none."""
    numbers = array("I")
    numbers.frombytes(data)
    if byteorder == "big":
        numbers.byteswap()
    return numbers


def day_of(unix_s: float) -> int:
    """The UTC day of a time, in days since 1970."""
    return int(unix_s // DAY_S)


def ends_at(day: int) -> int:
    """When a UTC day ends and its count begins anew, Unix seconds."""
    return (day + 1) * DAY_S
