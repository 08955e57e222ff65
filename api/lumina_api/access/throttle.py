"""Failed logins of an address are slowed: each one beyond the first few doubles the wait. Pure."""

import math
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

FREE = 5
"""Failures without a wait: people mistype."""

LONGEST_S = 60.0
FORGOTTEN_S = 900.0
MOST_ADDRESSES = 10_000
"""Of more addresses the one that failed longest ago is forgotten: memory is bounded, whoever comes."""


class _Failures(NamedTuple):
    number: int
    at_s: float


class Throttle:
    """How long an address has to wait before its next login. An IPv6 network of 64 bits is one address."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> int:
        """Seconds that the address has to wait still, rounded up; 0: it may try."""
        failures = self._failures.get(_origin(address))
        if failures is None or failures.number < FREE:
            return 0
        pause = min(LONGEST_S, 2.0 ** min(failures.number - FREE, 10))
        return max(0, math.ceil(failures.at_s + pause - now_s))

    def failed(self, address: str, now_s: float) -> None:
        """A login of the address has failed."""
        origin = _origin(address)
        before = self._failures.pop(origin, None)
        number = before.number if before and now_s - before.at_s < FORGOTTEN_S else 0
        self._failures[origin] = _Failures(number + 1, now_s)
        while len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """A login of the address has succeeded."""
        self._failures.pop(_origin(address), None)


def _origin(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, 64), strict=False))
    return address
