"""What a series normally does: rings of tumbling windows of sketches, in event time.

A measure has up to three rings; the sum of a ring's windows is its span (1 h, 24 h, 7 d). Sketches merge
exactly, so hopping windows are not needed, and a late point still finds its window.
"""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from lumina_streams.core.baseline.sketch import Sketch

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

Measure = Literal[
    "cost", "latency", "input_tokens", "output_tokens", "quality", "odds_exact", "odds_template"
]

_HOUR = ("1h", 5 * MINUTE_MS, 12)
_DAY = ("24h", HOUR_MS, 24)
_COARSE_DAY = ("24h", 6 * HOUR_MS, 4)  # for what only explains an alert: a fifth of the bytes
_WEEK = ("7d", DAY_MS, 7)

RINGS: dict[Measure, tuple[tuple[str, int, int], ...]] = {
    "cost": (_HOUR, _DAY, _WEEK),
    "latency": (_HOUR, _COARSE_DAY, _WEEK),
    "input_tokens": (_COARSE_DAY, _WEEK),
    "output_tokens": (_COARSE_DAY, _WEEK),
    "quality": (_COARSE_DAY, _WEEK),
    "odds_exact": (_COARSE_DAY, _WEEK),  # odds S/(1-S) of the similarity to answers of the same prompt
    "odds_template": (_COARSE_DAY, _WEEK),  # ... of the same template with other values
}
"""Measure -> its rings as (name, width of a window in ms, number of windows)."""

WINDOW_MS = 5 * MINUTE_MS
"""The narrowest window: points are grouped by it before they are taught."""


class PackedRing(Struct, array_like=True, frozen=True):
    """A ring as it is stored."""

    start: int
    open: bytes
    closed: list[tuple[int, bytes]]


class Ring:
    """The last `size` tumbling windows of one width; only the open one is unpacked."""

    __slots__ = ("_closed_sum", "closed", "name", "open", "size", "start", "width")

    def __init__(self, name: str, width: int, size: int) -> None:
        self.name = name
        self.width = width
        self.size = size
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.start = -1
        self.open = Sketch()
        self.closed: list[tuple[int, bytes]] = []
        self._closed_sum: Sketch | None = None

    def add(self, at_ms: int, sketch: Sketch) -> None:
        """Add points of one window; those older than the ring are dropped."""
        start = at_ms - at_ms % self.width
        if start > self.start:
            if self.open.n:
                self.closed.append((self.start, self.open.pack()))
            self.start = start
            self.open = sketch.copy()
            self.closed = [entry for entry in self.closed if entry[0] > self._horizon]
            self._closed_sum = None
        elif start == self.start:
            self.open.merge(sketch)
        elif start > self._horizon:
            self._add_late(start, sketch)

    @property
    def _horizon(self) -> int:
        return self.start - self.size * self.width

    def _add_late(self, start: int, sketch: Sketch) -> None:
        self._closed_sum = None
        for index, (other, packed) in enumerate(self.closed):
            if other == start:
                window = Sketch.unpack(packed)
                window.merge(sketch)
                self.closed[index] = (start, window.pack())
                return
        self.closed.append((start, sketch.pack()))
        self.closed.sort()

    def merged(self) -> Sketch:
        """All windows of the ring in one sketch (a copy)."""
        if self._closed_sum is None:
            self._closed_sum = Sketch()
            for _, packed in self.closed:
                self._closed_sum.merge(Sketch.unpack(packed))
        total = self._closed_sum.copy()
        total.merge(self.open)
        return total

    def covered_ms(self, now_ms: int) -> int:
        """How much time the ring's windows cover up to now, at most its span."""
        first = self.closed[0][0] if self.closed else self.start
        return min(max(now_ms - first, 0), self.size * self.width)

    def pack(self) -> PackedRing:
        """The ring as it is stored."""
        return PackedRing(self.start, self.open.pack(), self.closed)

    def load(self, packed: PackedRing) -> None:
        """Inverse of `pack`."""
        self.start = packed.start
        self.open = Sketch.unpack(packed.open)
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

    def replace(self, at_ms: int, measure: Measure, sketch: Sketch) -> None:
        """Start anew from these points: a level that stayed is adopted."""
        for ring in self.rings[measure]:
            ring.clear()
            if sketch.n:
                ring.add(at_ms, sketch)

    def reference(self, measure: Measure, enough: int) -> tuple[str, Sketch]:
        """(window name, sketch) to judge by: the last day if it holds enough points, else the week."""
        for ring in self.rings[measure]:
            if ring.name == "24h":
                day = ring.merged()
                if day.n >= enough:
                    return ring.name, day
        week = self.rings[measure][-1]
        return week.name, week.merged()

    def rate_per_min(self, now_ms: int) -> float:
        """Calls a minute over the last hour; a young series is given five minutes at least."""
        ring = self.rings["latency"][0]
        return ring.merged().n / max(ring.covered_ms(now_ms) / MINUTE_MS, 5.0)

    def pack(self) -> list[list[PackedRing]]:
        """All rings as they are stored, in the order of `RINGS`."""
        return [[ring.pack() for ring in rings] for rings in self.rings.values()]

    def load(self, packed: list[list[PackedRing]]) -> None:
        """Inverse of `pack`."""
        for rings, stored in zip(self.rings.values(), packed, strict=True):
            for ring, entry in zip(rings, stored, strict=True):
                ring.load(entry)
