"""Which share of the traffic a sampled span stands for.

Sources: OpenTelemetry "TraceState: Probability Sampling" (consistent probability sampling, `ot=th:`), and
`lumina.sample_rate` for senders that sample by their own rule.
"""

import re
from functools import lru_cache
from typing import Any

_THRESHOLD = re.compile(r"(?:^|,)\s*ot=(?:[^,]*;)?th:([0-9a-f]{1,14})(?=[;,\s]|$)")
_ALL = 1 << 56


@lru_cache(maxsize=1024)
def share_of(tracestate: str) -> float | None:
    """Share that a W3C tracestate tells: of 2**56 random values, those not below the threshold are kept.

    None where it tells none, or that everything was kept.
    """
    found = _THRESHOLD.search(tracestate)
    if found is None:
        return None
    share = (_ALL - int(found[1].ljust(14, "0"), 16)) / _ALL
    return share if share < 1 else None


def share(value: Any) -> float | None:
    """A sample rate: above 0 and below 1; anything else says nothing, and 1 is all."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1:
        return float(value)
    return None
