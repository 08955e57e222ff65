"""The distinct traces of one project on one day, as a set that cannot outgrow the memory. Pure."""

import math
from collections.abc import Collection

from pyroaring import BitMap

from lumina_schemas.usage import FINGERPRINT_BITS

MOST_KEPT = 1 << 20
"""Fingerprints kept of a project without a limit, 5 MB. Beyond, a sample of at least half as many is counted:
off by 0.14 % (one standard deviation)."""

_ALL = 1 << FINGERPRINT_BITS


class Fingerprints:
    """A set of 32-bit numbers. With a `shift`, of those below 2 ** (32 - shift) only: a sample.

    Sampling by the value (adaptive sampling, Flajolet 1990) is the same in every replica, so that samples can
    be joined as sets are.
    """

    def __init__(self) -> None:
        self.shift = 0
        self.kept = 0
        """How many are in the set; asking the bitmap itself takes 0.6 ms at 10 million."""
        self._bits = BitMap()

    @property
    def traces(self) -> int:
        """How many different ones there were: counted, or estimated where there is a shift."""
        if not self.shift:
            return self.kept
        # In a sample out of so many, chance meets are no longer rare: the mean of the occupancy problem.
        cells = _ALL >> self.shift
        return round(-math.log1p(-min(self.kept / cells, 1 - 1 / cells)) * _ALL)

    @property
    def estimated(self) -> bool:
        """Whether `traces` is an estimate."""
        return self.shift > 0

    def missing(self, found: Collection[int]) -> list[int]:
        """Those that are not in the set, in their order; with a shift also those that are never kept."""
        bits = self._bits
        return [number for number in found if number not in bits]

    def add(self, found: Collection[int]) -> list[int]:
        """Put them in; returns those that were not there, and are kept."""
        end = _ALL >> self.shift
        new = self.missing(set(found))
        if self.shift:
            new = [number for number in new if number < end]
        if new:
            self._bits.update(new)
            self.kept += len(new)
        return new

    def sample(self, shift: int) -> None:
        """Keep one in 2 ** shift from now on; never fewer are left out than before."""
        if shift > self.shift:
            self.shift = min(shift, FINGERPRINT_BITS - 1)
            self._bits.remove_range(_ALL >> self.shift, _ALL)
            self.kept = len(self._bits)

    def bound(self) -> None:
        """Keep a smaller sample where there are too many."""
        while self.kept > MOST_KEPT:
            self.sample(self.shift + 1)
