"""A quantile sketch of positive numbers with a relative error of 2.5 %.

DDSketch (Masson, Rim, Lee: "DDSketch: a fast and fully-mergeable quantile sketch", VLDB 2019) without
bucket collapsing: values are clamped to a range that holds any cost, duration or token count.
Merging adds counts, so any order and any grouping of the same values gives the same sketch.
"""

from collections.abc import Iterable
from math import ceil, exp, log
from typing import Self

import msgspec

ALPHA = 0.025
LOWEST = 1e-9
HIGHEST = 1e12

_LOG_GAMMA = log((1 + ALPHA) / (1 - ALPHA))
_PER_LOG = 1 / _LOG_GAMMA
_CENTRE = log(2 / (1 + exp(_LOG_GAMMA)))  # bucket k stands for 2 gamma^k / (gamma + 1)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode


def log_of(bucket: int) -> float:
    """Natural logarithm of the value that a bucket stands for."""
    return bucket * _LOG_GAMMA + _CENTRE


class Sketch:
    """Counts per logarithmic bucket."""

    __slots__ = ("buckets", "n")

    def __init__(self) -> None:
        self.buckets: dict[int, int] = {}
        self.n = 0

    def add(self, value: float) -> None:
        """Count one value; outside 1e-9 to 1e12 it counts as the nearer bound."""
        bucket = ceil(log(min(max(value, LOWEST), HIGHEST)) * _PER_LOG)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.n += 1

    def merge(self, other: Self) -> None:
        """Add another sketch's counts."""
        buckets = self.buckets
        for bucket, count in other.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + count
        self.n += other.n

    def copy(self) -> Self:
        """An independent copy."""
        twin = type(self)()
        twin.buckets = self.buckets.copy()
        twin.n = self.n
        return twin

    def logs(self) -> list[tuple[float, int]]:
        """(natural log of the value, count), ascending."""
        return [(log_of(bucket), count) for bucket, count in sorted(self.buckets.items())]

    def values(self) -> list[tuple[float, int]]:
        """(value, count), ascending."""
        return [(exp(log_of(bucket)), count) for bucket, count in sorted(self.buckets.items())]

    def quantile(self, q: float) -> float:
        """Value at quantile q (0 to 1), within 2.5 %; 0 where the sketch is empty."""
        rank = q * (self.n - 1)
        seen = 0
        for bucket, count in sorted(self.buckets.items()):
            seen += count
            if seen > rank:
                return exp(log_of(bucket))
        return 0.0

    def mean(self) -> float:
        """Arithmetic mean, within 2.5 %; 0 where the sketch is empty."""
        if not self.n:
            return 0.0
        return sum(exp(log_of(bucket)) * count for bucket, count in sorted(self.buckets.items())) / self.n

    def pack(self) -> bytes:
        """Sorted (gap, count) pairs; equal sketches give equal bytes."""
        flat: list[int] = []
        last = 0
        for bucket, count in sorted(self.buckets.items()):
            flat += (bucket - last, count)
            last = bucket
        return _encode(flat)

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Inverse of `pack`."""
        sketch = cls()
        flat = _decode(data)
        bucket = 0
        for index in range(0, len(flat), 2):
            bucket += flat[index]
            sketch.buckets[bucket] = flat[index + 1]
            sketch.n += flat[index + 1]
        return sketch

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """A sketch of these values."""
        sketch = cls()
        buckets: dict[int, int] = {}
        count = 0
        for value in values:  # `add`, inlined: a fold makes hundreds
            if not LOWEST <= value <= HIGHEST:
                value = min(max(value, LOWEST), HIGHEST)
            bucket = ceil(log(value) * _PER_LOG)
            buckets[bucket] = buckets.get(bucket, 0) + 1
            count += 1
        sketch.buckets = buckets
        sketch.n = count
        return sketch
