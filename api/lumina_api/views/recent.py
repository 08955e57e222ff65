"""Whether what was stored lately can have to do with a batch: asked of memory, so that most need no look.

A look for related rows scans the last half hour (100 µs a span at 200,000 rows). Most traces come in one
message, under ids of their own: a bitmap of what came lately says so for a microsecond. It may say yes where
the answer is no, never the other way, but for spans longer ago than its two generations reach.
"""

from collections.abc import Iterable
from typing import Any

import duckdb

from lumina_schemas.mapping.kinds import CONTINUATIONS, LEAVES
from lumina_schemas.mapping.usage import EXACT_USAGE_SCOPES, TRANSPORT_SCOPES
from lumina_schemas.views import part

BITS = 1 << 27
"""Of one generation: 16 MB, of which only touched pages are there."""

MOST_KEYS = 1_500_000
"""Keys of a generation: two bits each, so that one look in 2,000 is in vain. Two generations are kept."""

MOST_LOADED = 300_000
"""Rows remembered anew from the file at a start."""

_MASK = BITS - 1
_ALONE = tuple({scope for scope, _ in CONTINUATIONS})


class Recent:
    """Traces, response ids and calls that came lately."""

    def __init__(self) -> None:
        self._new, self._old = bytearray(BITS // 8), bytearray(0)
        self._keys = 0
        self.loaded = False
        """Whether the rows of an earlier process are remembered too."""
        self._natives: set[tuple[str, str, str]] = set()
        self._calls: set[tuple[str, str, str]] = set()

    def load(self, connection: duckdb.DuckDBPyConnection, around_ns: int) -> None:
        """Remember the newest stored rows."""
        rows = connection.execute(part("recent"), {"around_ns": around_ns, "limit": MOST_LOADED}).fetchall()
        self.add(_Row(*row) for row in rows)
        self.loaded = True

    def meets(self, rows: Iterable[Any]) -> bool:
        """Whether one of these may have to do with what came before."""
        for row in rows:
            if self._has(hash((row.project, row.trace_id))):
                return True
            if row.kind not in LEAVES:
                continue
            if row.response_id and self._has(hash((row.project, row.kind, row.response_id))):
                return True
            call = (row.project, row.service, row.request_model)
            if call in self._natives or (_is_native(row) and call in self._calls):
                return True
        return False

    def add(self, rows: Iterable[Any]) -> None:
        """Remember these."""
        for row in rows:
            self._put(hash((row.project, row.trace_id)))
            if row.kind not in LEAVES:
                continue
            if row.response_id:
                self._put(hash((row.project, row.kind, row.response_id)))
            call = (row.project, row.service, row.request_model)
            if _is_native(row):
                self._natives.add(call)
            self._calls.add(call)

    def _has(self, key: int) -> bool:
        first, second = key & _MASK, (key >> 27) & _MASK
        return any(
            bits and bits[first >> 3] & (1 << (first & 7)) and bits[second >> 3] & (1 << (second & 7))
            for bits in (self._new, self._old)
        )

    def _put(self, key: int) -> None:
        if self._keys >= MOST_KEYS:
            self._old, self._new, self._keys = self._new, bytearray(BITS // 8), 0
            self._natives.clear()
            self._calls.clear()
        first, second = key & _MASK, (key >> 27) & _MASK
        self._new[first >> 3] |= 1 << (first & 7)
        self._new[second >> 3] |= 1 << (second & 7)
        self._keys += 1


class _Row:
    """A stored row, as far as it is remembered."""

    def __init__(self, *values: Any) -> None:
        (
            self.project,
            self.service,
            self.scope,
            self.kind,
            self.trace_id,
            self.request_model,
            self.response_id,
        ) = values


def _is_native(row: Any) -> bool:
    """Whether a call's other spans can be found by time and model alone."""
    if row.response_id:
        return False
    return row.scope in TRANSPORT_SCOPES or row.scope in EXACT_USAGE_SCOPES or row.scope.startswith(_ALONE)
