"""Calls since the last fold, as packed numbers: 53 bytes each."""

import struct
from collections.abc import Iterator, Mapping
from math import nan
from typing import NamedTuple

from lumina_streams.core.baseline.sketch import HIGHEST
from lumina_streams.core.quality.history import Reading
from lumina_streams.core.quality.score import Verdict
from lumina_streams.core.series.call import Call

_RECORD = struct.Struct("<ifIIffBBBBBBHHBBBBBBBI2s2sH")
SIZE = _RECORD.size
NO_TOKENS = 0xFFFFFFFF
NO_BYTE = 255
_CACHED_STEPS = 250.0

LATE = 1
COST_UP = 2  # part of an excursion of cost
QUALITY_UP = 4
COST_HELD = 8  # while an alert held the signal
QUALITY_HELD = 16
JSON = 32
LATENCY_UP = 64
LATENCY_HELD = 128
FAILED = 256
UNPRICED = 512
SPEND_HELD = 1024


_UNJUDGED = Reading(NO_BYTE, 0, 0, NO_BYTE, 0, NO_BYTE, NO_BYTE, NO_BYTE, False, "", NO_BYTE, 0)


class Pending(NamedTuple):
    """One call as the next fold will learn it."""

    after_ms: int  # since the last fold
    cost: float  # USD; nan = unknown
    input_tokens: int
    output_tokens: int
    latency_ms: float
    ttft_ms: float  # 0 = unknown
    quality: int  # score in steps of 1/200; 255 = not judged
    slot: int  # of the entry among the references; 255 = none
    model: int  # label; 255 = unknown
    version: int
    release: int
    cached: int  # share of the input that was cached, in steps of 1/250; 255 = unknown
    signs: int  # from here on as in `Reading`
    judged: int
    recall: int
    nearness: int
    echo: int
    ratio: int
    likeness: int
    length: int
    language: int  # label; 255 = unknown
    prompt_version: int
    exact: bytes  # of the prompt's keys, the beginnings
    template: bytes
    flags: int

    def reading(self, languages: Mapping[int, str]) -> Reading:
        """What the answer showed."""
        return Reading(
            self.quality,
            self.signs,
            self.judged,
            self.recall,
            self.nearness,
            self.echo,
            self.ratio,
            self.likeness,
            bool(self.flags & JSON),
            languages.get(self.language, ""),
            self.length,
            self.prompt_version,
        )

    @property
    def cached_tokens(self) -> int:
        """Cached input tokens, within 0.2 % of the input; 0 where unknown."""
        if self.cached == NO_BYTE or self.input_tokens == NO_TOKENS:
            return 0
        return round(self.cached / _CACHED_STEPS * self.input_tokens)

    @property
    def weighted(self) -> float | None:
        """Tokens, weighted as they cost; None if unknown."""
        return _weighted(
            None if self.input_tokens == NO_TOKENS else self.input_tokens,
            self.cached_tokens,
            None if self.output_tokens == NO_TOKENS else self.output_tokens,
        )


def pack_pending(
    call: Call,
    after_ms: int,
    cost: float | None,
    verdict: Verdict | None,
    model: int,
    version: int,
    release: int,
    language: int,
    flags: int,
) -> bytes:
    """Pack one call; `flags` are those that do not follow from the verdict."""
    slot = NO_BYTE
    reading = _UNJUDGED
    exact = template = b""
    if call.status == "error":
        flags |= FAILED
    if verdict is not None:
        reading = verdict.reading
        if reading.json:
            flags |= JSON
        if verdict.place is not None:
            slot = verdict.place.slot
        if verdict.prompt is not None:
            exact, template = verdict.prompt.exact[:2], verdict.prompt.template[:2]
    return _RECORD.pack(
        min(max(after_ms, -(2**31)), 2**31 - 1),
        nan if cost is None else cost,
        _tokens(call.input_tokens),
        _tokens(call.output_tokens),
        min(max(call.duration_ms, 0.0), HIGHEST),
        min(max(call.ttft_ms or 0.0, 0.0), HIGHEST),
        reading.quality,
        slot,
        model,
        version,
        release,
        _cached(call),
        reading.signs,
        reading.judged,
        reading.recall,
        reading.nearness,
        reading.echo,
        reading.ratio,
        reading.likeness,
        reading.length,
        language,
        reading.version,
        exact,
        template,
        flags,
    )


def unpack_pending(data: bytearray) -> Iterator[Pending]:
    """All packed calls, in order."""
    return map(Pending._make, _RECORD.iter_unpack(data))


def weighted_tokens(call: Call) -> float | None:
    """Tokens of a call, weighted as they cost; None if unknown."""
    return _weighted(call.input_tokens, call.cache_read_tokens or 0, call.output_tokens)


def _weighted(read: int | None, cached: int, written: int | None) -> float | None:
    """As most providers price them: output 4, cached input 0.1 of an input token."""
    if read is None and written is None:
        return None
    read = max(read or 0, 0)
    return read - 0.9 * min(max(cached, 0), read) + 4 * max(written or 0, 0)


def _tokens(count: int | None) -> int:
    return NO_TOKENS if count is None else min(max(count, 0), NO_TOKENS - 1)


def _cached(call: Call) -> int:
    if call.cache_read_tokens is None or not call.input_tokens or call.input_tokens < 0:
        return NO_BYTE
    return round(min(max(call.cache_read_tokens / call.input_tokens, 0.0), 1.0) * _CACHED_STEPS)
