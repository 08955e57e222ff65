"""What a series normally does: rings of tumbling windows of sketches, in event time.

A measure has up to three rings; the sum of a ring's windows is its span (1 h, 24 h, 7 d). Sketches merge
exactly, so hopping windows are not needed, and a late point still finds its window.
"""

from collections.abc import Iterable, Mapping
from math import log
from typing import Literal

from msgspec import Struct

from lumina_streams.core.baseline.sketch import LOWEST, Sketch

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

Measure = Literal[
    "cost",
    "latency",
    "ttft",
    "input_tokens",
    "output_tokens",
    "tokens",
    "spend",
    "calls",
    "errors",
    "unpriced",
    "quality",
]

_HOUR = ("1h", 5 * MINUTE_MS, 12)
_COARSE_HOUR = ("1h", 20 * MINUTE_MS, 3)  # for what only explains an alert: a quarter of the bytes
_DAY = ("24h", HOUR_MS, 24)
_COARSE_DAY = ("24h", 6 * HOUR_MS, 4)
_WEEK = ("7d", DAY_MS, 7)

RINGS: dict[Measure, tuple[tuple[str, int, int], ...]] = {
    "cost": (_HOUR, _DAY, _WEEK),  # USD a call
    "latency": (_HOUR, _COARSE_DAY, _WEEK),  # ms, of calls that did not fail
    "ttft": (_COARSE_HOUR, _COARSE_DAY, _WEEK),  # ms
    "input_tokens": (_COARSE_HOUR, _COARSE_DAY, _WEEK),
    "output_tokens": (_COARSE_HOUR, _COARSE_DAY, _WEEK),
    "tokens": (_COARSE_DAY, _WEEK),  # weighted as they cost: see `pending.weighted_tokens`
    "spend": (_COARSE_HOUR, _COARSE_DAY, _WEEK),  # USD a minute, of five minutes each
    "calls": (_HOUR, _DAY, _WEEK),  # all of them, and which failed or had tokens and no price: counts
    "errors": (_HOUR, _COARSE_DAY, _WEEK),
    "unpriced": (_COARSE_DAY, _WEEK),
    "quality": (_COARSE_DAY, _WEEK),
}
"""Measure -> its rings as (name, width of a window in ms, number of windows)."""

EMPTY = Sketch().pack()

LEAST_DAY = 200  # points of a day that may stand for the week
LEAST_FALL = 0.1  # of the log median
WHOLE = 0.8

WINDOW_MS = 5 * MINUTE_MS
"""The narrowest window: points are grouped by it before they are taught."""


Window = tuple[int, int, bytes]
"""Start in ms, points, packed sketch."""


class PackedRing(Struct, array_like=True, frozen=True):
    """A ring as it is stored."""

    start: int
    open: bytes
    closed: list[Window]


class Ring:
    """The last `size` tumbling windows of one width; only the open one is unpacked, when it is needed."""

    __slots__ = ("_closed_sum", "_open", "_packed", "closed", "name", "size", "start", "width")

    def __init__(self, name: str, width: int, size: int) -> None:
        self.name = name
        self.width = width
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.start = -1
        self._open: Sketch | None = None
        self._packed: bytes | None = EMPTY
        self.closed: list[Window] = []
        self._closed_sum: Sketch | None = None

    @property
    def open(self) -> Sketch:
        """The window that is running."""
        if self._open is None:
            assert self._packed is not None
            self._open = Sketch.unpack(self._packed)
        return self._open

    def _open_bytes(self) -> bytes:
        if self._packed is None:
            assert self._open is not None
            self._packed = self._open.pack()
        return self._packed

    def add(self, at_ms: int, sketch: Sketch) -> None:
        """Add points of one window; those older than the ring are dropped."""
        start = at_ms - at_ms % self.width
        if start > self.start:
            if (packed := self._open_bytes()) != EMPTY:
                self.closed.append((self.start, self.open.n, packed))
            self.start = start
            self._open = sketch.copy()
            self._packed = None
            self.closed = [entry for entry in self.closed if entry[0] > self._horizon]
            self._closed_sum = None
        elif start == self.start:
            self.open.merge(sketch)
            self._packed = None
        elif start > self._horizon:
            self._add_late(start, sketch)

    @property
    def _horizon(self) -> int:
        return self.start - self.size * self.width

    def _add_late(self, start: int, sketch: Sketch) -> None:
        self._closed_sum = None
        for index, (other, _, packed) in enumerate(self.closed):
            if other == start:
                window = Sketch.unpack(packed)
                window.merge(sketch)
                self.closed[index] = (start, window.n, window.pack())
                return
        self.closed.append((start, sketch.n, sketch.pack()))
        self.closed.sort()

    @property
    def n(self) -> int:
        """Points of all windows."""
        return sum(n for _, n, _ in self.closed) + self.open.n

    def merged(self) -> Sketch:
        """All windows of the ring in one sketch (a copy)."""
        total = self._closed_total().copy()
        total.merge(self.open)
        return total

    def _closed_total(self) -> Sketch:
        if self._closed_sum is None:
            self._closed_sum = Sketch()
            for _, _, packed in self.closed:
                self._closed_sum.merge(Sketch.unpack(packed))
        return self._closed_sum

    def covered_ms(self, now_ms: int) -> int:
        """How much time the ring's windows cover up to now, at most its span."""
        first = self.closed[0][0] if self.closed else self.start
        return min(max(now_ms - first, 0), self.size * self.width)

    def pack(self) -> PackedRing:
        """The ring as it is stored."""
        return PackedRing(self.start, self._open_bytes(), self.closed)

    def load(self, packed: PackedRing) -> None:
        """Inverse of `pack`."""
        self.start = packed.start
        self._open, self._packed = None, packed.open
        self.closed = packed.closed
        self._closed_sum = None


class Baselines:
    """The rings of every measure of one series."""

    __slots__ = ("rings",)

    def __init__(self) -> None:
        self.rings: dict[Measure, tuple[Ring, ...]] = {
            measure: tuple(Ring(*spec) for spec in specs) for measure, specs in RINGS.items()
        }

    def teach(self, at_ms: int, sketches: Mapping[Measure, Sketch]) -> None:
        """Add points that lie in one window of `WINDOW_MS`."""
        for measure, sketch in sketches.items():
            for ring in self.rings[measure]:
                ring.add(at_ms, sketch)

    def keep(self, measures: Iterable[Measure]) -> list[list[PackedRing]]:
        """What these measures have learned, as it is stored."""
        return [[ring.pack() for ring in self.rings[measure]] for measure in measures]

    def restore(self, measures: Iterable[Measure], kept: list[list[PackedRing]]) -> None:
        """Inverse of `keep`."""
        for measure, packed in zip(measures, kept, strict=True):
            for ring, entry in zip(self.rings[measure], packed, strict=True):
                ring.load(entry)

    def replace(self, at_ms: int, measure: Measure, sketch: Sketch) -> None:
        """Start anew from these points: a level that stayed is adopted."""
        for ring in self.rings[measure]:
            ring.clear()
            if sketch.n:
                ring.add(at_ms, sketch)

    def reference(self, measure: Measure) -> tuple[str, Sketch]:
        """(window name, sketch) to judge by: the week, or the last day where it is clearly lower.

        A rise must not become its own baseline, so the longer memory decides; a level that fell is good news
        that needs no week to be believed.
        """
        rings = self.rings[measure]
        week = rings[-1].merged()
        day = next((ring for ring in rings if ring.name == "24h"), None)
        known = day is not None and rings[-1].closed and LEAST_DAY <= day.n < week.n
        if known and day is not None and self._is_whole(day.n, week.n):
            lately = day.merged()
            fallen = log(max(week.quantile(0.5), LOWEST) / max(lately.quantile(0.5), LOWEST))
            if fallen > LEAST_FALL:
                return day.name, lately
        return self.window(measure), week

    def _is_whole(self, day: int, week: int) -> bool:
        """Whether the last day taught as large a part of its calls as the week: no incident left out."""
        calls = self.rings["calls"]
        return day * calls[-1].n >= WHOLE * week * calls[1].n

    def window(self, measure: Measure) -> str:
        """Name of the shortest span that holds all that is known."""
        rings = self.rings[measure]
        return next((ring.name for ring in reversed(rings) if ring.closed), "1h")

    def count(self, measure: Measure) -> int:
        """Points of the last week."""
        return self.rings[measure][-1].n

    def rate_per_min(self, now_ms: int) -> float:
        """Calls a minute over the last hour; a young series is given five minutes at least."""
        ring = self.rings["calls"][0]
        return ring.n / max(ring.covered_ms(now_ms) / MINUTE_MS, 5.0)

    def usual_rate_per_min(self, now_ms: int) -> float:
        """Calls a minute over the last week, or since the series began."""
        ring = self.rings["calls"][-1]
        return ring.n / max(ring.covered_ms(now_ms) / MINUTE_MS, 5.0)

    def pack(self) -> list[list[PackedRing]]:
        """All rings as they are stored, in the order of `RINGS`."""
        return [[ring.pack() for ring in rings] for rings in self.rings.values()]

    def load(self, packed: list[list[PackedRing]]) -> None:
        """Inverse of `pack`."""
        for rings, stored in zip(self.rings.values(), packed, strict=True):
            for ring, entry in zip(rings, stored, strict=True):
                ring.load(entry)
