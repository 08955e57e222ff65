"""Hot states that an earlier version wrote: what of them goes on. Baselines and tests are learned anew.

Positions, ids and alerts must outlive an upgrade: without them calls would count twice and alerts stay open
for ever. An open alert's signals are as if their level were adopted: what comes teaches, so that there is a
baseline soon, and the alert is over when calls are again as they were before it opened.
"""

from math import log
from typing import Any

import msgspec

from lumina_streams.core.alert.book import Book
from lumina_streams.core.baseline.event_lane import LimitLane, SilenceLane
from lumina_streams.core.baseline.level import LevelTest
from lumina_streams.core.baseline.level_lane import CostLane, LatencyLane
from lumina_streams.core.baseline.sequential import Level, Share
from lumina_streams.core.baseline.share_lane import ErrorLane, UnpricedLane
from lumina_streams.core.baseline.spend_lane import SpendLane
from lumina_streams.core.quality.lane import QualityLane
from lumina_streams.core.quality.score import QualityTest

FORMER_VERSION = 1
PENDING, IDS, COST, QUALITY, BOOK = 17, 18, 21, 22, 23
"""Places of fields. Those before `pending` (positions, times, counts, the largest call) have not changed."""

REFERENCE, BLIND, BACK = 11, 12, 13
"""Places in a signal: the test that opened its alert; quality has the others too."""

_decode = msgspec.msgpack.Decoder(list[Any]).decode
_encode = msgspec.msgpack.Encoder().encode


def carried(hot: bytes) -> bytes:
    """A hot state of `FORMER_VERSION` as one of today's. Its cold state is not read: version 0.

    Raises msgspec.DecodeError where it cannot be read.
    """
    try:
        return _encode(_carried(_decode(hot)))
    except (IndexError, TypeError, ValueError) as error:
        raise msgspec.DecodeError(f"not a state of version {FORMER_VERSION}: {error}") from error


def _carried(fields: list[Any]) -> list[Any]:
    ids, (book, *trailing) = fields[IDS], fields[BOOK:]
    known = msgspec.convert(book, Book)
    cost, quality = CostLane(), QualityLane()
    for track in known.tracks:
        if track.open and "cost" in track.lanes:
            risen = (signal.ratio for signal in track.alert.signals if signal.kind == "cost_spike")
            cost = _cost(fields[COST], next(risen, 1.0))
        if track.open and "quality" in track.lanes:
            quality = _quality(fields[QUALITY])
    lanes = (
        cost,
        SpendLane(),
        LatencyLane(),
        ErrorLane(),
        UnpricedLane(),
        SilenceLane(),
        LimitLane(),
        quality,
    )
    return [2, 0, *fields[2:PENDING], bytearray(), ids, [], [], *lanes, book, *trailing]


def _cost(lane: list[Any], ratio: float) -> CostLane:
    level = msgspec.convert(lane[REFERENCE][0], Level)
    before = LevelTest(n=level.n, median=level.median, location=level.location, scale=level.scale)
    return CostLane(open=True, adopted=True, reference=before, risen=log(max(ratio, 1.0)))


def _quality(lane: list[Any]) -> QualityLane:
    return QualityLane(
        open=True,
        adopted=True,
        reference=msgspec.convert(lane[REFERENCE], QualityTest),
        blind=lane[BLIND],
        back=msgspec.convert(lane[BACK], Share),
    )
