"""States that the version before wrote: what of them goes on.

Positions, ids, alerts and the baselines of cost, latency and errors outlive an upgrade. Quality is learned
anew: what was counted of answers then says nothing about the signs of today. The quality signal of an open
alert is as if its level were adopted: what comes teaches, and the alert is over when answers are again as
before it opened.
"""

import zlib
from typing import Any

import msgspec

from lumina_streams.core.baseline.sequential import Share
from lumina_streams.core.quality.fit import QualityTest
from lumina_streams.core.quality.history import History
from lumina_streams.core.quality.lane import QualityLane
from lumina_streams.core.quality.references import DOOR_BYTES

FORMER_VERSION = 2
PENDING, LABELS, CANDIDATES, QUALITY = 17, 19, 20, 28
"""Places in a hot state."""
OPEN, REFERENCE, BLIND, BACK = 5, 17, 18, 19
"""Places in its quality signal."""
N, BAD_SHARE, P50, P95, WINDOW = 0, 6, 7, 8, 9
"""Places in the test that opened its alert."""
RINGS, HELD, HABIT = 1, 2, 8
"""Places in a cold state."""
GONE = slice(-2, None)
"""Of the odds of similarity, exact and by template."""
LEARNED_QUALITY = 8
HEAD = 4

_decode = msgspec.msgpack.Decoder(list[Any]).decode
_encode = msgspec.msgpack.Encoder().encode


def carried(hot: bytes, cold: bytes | None) -> tuple[bytes, bytes | None]:
    """A hot and a cold state (without its version) of `FORMER_VERSION` as today's.

    Raises msgspec.DecodeError where they cannot be read.
    """
    try:
        return _encode(_hot(_decode(hot))), None if cold is None else _cold(cold)
    except (IndexError, TypeError, ValueError) as error:
        raise msgspec.DecodeError(f"not a state of version {FORMER_VERSION}: {error}") from error


def _hot(fields: list[Any]) -> list[Any]:
    lane = fields[QUALITY]
    quality = QualityLane()
    if lane[OPEN]:
        test = lane[REFERENCE]
        quality = QualityLane(
            open=True,
            adopted=True,
            reference=QualityTest(
                n=test[N], bad_share=test[BAD_SHARE], p50=test[P50], p95=test[P95], window=test[WINDOW]
            ),
            blind=lane[BLIND],
            back=msgspec.convert(lane[BACK], Share),
        )
    fields[0] = FORMER_VERSION + 1
    fields[PENDING], fields[LABELS], fields[CANDIDATES] = bytearray(), [], []
    fields[QUALITY] = quality
    return fields


def _cold(cold: bytes) -> bytes:
    end = HEAD + int.from_bytes(cold[:HEAD], "big")
    learned, stored = _decode(cold[HEAD:end]), _decode(cold[end:])
    learned[LEARNED_QUALITY] = QualityTest()
    del stored[RINGS][GONE]
    del stored[HELD][GONE]
    references = zlib.compress(_encode([]))
    stored[HABIT - 2 :] = [stored[HABIT], History(), History(), references, [], bytes(DOOR_BYTES)]
    head = _encode(learned)
    return len(head).to_bytes(HEAD, "big") + head + _encode(stored)
