"""Calls since the last fold, as packed numbers: 28 bytes each."""

import struct
from collections.abc import Iterator
from math import nan
from typing import NamedTuple

from lumina_streams.core.baseline.sketch import HIGHEST
from lumina_streams.core.quality.score import UNLIKE, Verdict
from lumina_streams.core.series.call import Call

_RECORD = struct.Struct("<ifIIfeBBBBH")
SIZE = _RECORD.size
NO_TOKENS = 0xFFFFFFFF
NO_BYTE = 255
_QUALITY_STEPS = 200.0

LATE = 1
COST_UP = 2  # part of an excursion of cost
QUALITY_UP = 4
COST_HELD = 8  # while an alert held the signal
QUALITY_HELD = 16
HARD = 32
COMPARED = 64
UNLIKE_ANSWER = 128
JSON = 256
TEMPLATE = 512


class Pending(NamedTuple):
    """One call as the next fold will learn it."""

    after_ms: int  # since the last fold
    cost: float  # USD; nan = unknown
    input_tokens: int
    output_tokens: int
    latency_ms: float
    logit: float  # of S; nan = nothing to compare with
    quality: int  # score in steps of 1/200; 255 = not judged
    slot: int  # of the reference prompt; 255 = none
    model: int  # label; 255 = unknown
    version: int
    flags: int

    @property
    def score(self) -> float:
        """Quality score, 0 to 1."""
        return self.quality / _QUALITY_STEPS


def pack_pending(
    call: Call,
    after_ms: int,
    cost: float | None,
    verdict: Verdict | None,
    model: int,
    version: int,
    flags: int,
) -> bytes:
    """Pack one call; `flags` are those that do not follow from the verdict."""
    logit, quality, slot = nan, NO_BYTE, NO_BYTE
    if verdict is not None:
        quality = int(verdict.score * _QUALITY_STEPS)
        if verdict.hard:
            flags |= HARD
        if verdict.json:
            flags |= JSON
        if verdict.compared:
            flags |= COMPARED
            if verdict.sign == UNLIKE:
                flags |= UNLIKE_ANSWER
        if verdict.likeness is not None:
            logit, slot = verdict.logit, verdict.likeness.slot
            if verdict.likeness.nearness == "template":
                flags |= TEMPLATE
    return _RECORD.pack(
        min(max(after_ms, -(2**31)), 2**31 - 1),
        nan if cost is None else cost,
        _tokens(call.input_tokens),
        _tokens(call.output_tokens),
        min(max(call.duration_ms, 0.0), HIGHEST),
        logit,
        quality,
        slot,
        model,
        version,
        flags,
    )


def unpack_pending(data: bytearray) -> Iterator[Pending]:
    """All packed calls, in order."""
    return map(Pending._make, _RECORD.iter_unpack(data))


def _tokens(count: int | None) -> int:
    return NO_TOKENS if count is None else min(max(count, 0), NO_TOKENS - 1)
