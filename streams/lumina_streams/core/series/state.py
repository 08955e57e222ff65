"""A series' state as it lives and as it is stored.

*Hot* is written each run: running tests, positions, and the calls since the last fold as packed numbers.
*Cold* is what was learned: sketches, references, counts. Only a fold changes cold, and folds happen at calls
that the series' log determines, never by the clock, so that a replay decides with the same cold state.

Cold version k lives in slot k % 2 of the table: writing k + 1 leaves k intact, and hot names the version that
it decides with, so a crash between the two writes (cold first) replays from whole state. A version is one
*written* cold state, however many folds lie between two writes: otherwise two folds in one run would
overwrite the slot that the stored hot state still names.
"""

from typing import Self

import msgspec
from msgspec import Struct, field

from lumina_schemas.mapping.instrumentations import content_setting
from lumina_streams.core.alert.book import Book, LaneName
from lumina_streams.core.alert.evidence import Known
from lumina_streams.core.alert.lifecycle import Context
from lumina_streams.core.baseline.lane import CostLane, Lane, QualityLane
from lumina_streams.core.baseline.sketch import Sketch
from lumina_streams.core.baseline.windows import Baselines, Measure, PackedRing
from lumina_streams.core.quality.references import Candidate, References
from lumina_streams.core.quality.score import Tally
from lumina_streams.core.series.positions import Heads, Positions

STATE_VERSION = 1

BY_COST: tuple[Measure, ...] = ("cost", "input_tokens", "output_tokens")
BY_QUALITY: tuple[Measure, ...] = ("quality", "odds_exact", "odds_template")
"""Measures that are held back together while a signal deviates."""


class Hot(Struct, array_like=True, kw_only=True):
    """What is written each run, 1-2 kB."""

    v: int = STATE_VERSION
    cold_version: int = 0
    series_id: str
    project: str
    service: str
    endpoint: str
    heads: Heads
    newest_ms: int = 0
    clock_ms: int = 0  # clock of the log's partition at the newest call; 0 = unknown
    heard_ms: int = 0  # ... at the last call, late ones included
    ahead_ms: int = 0  # a call far ahead of all others, until another confirms it
    fold_ms: int = 0  # event time of the last fold
    calls: int = 0
    folds: int = 0
    scored: int = 0
    unpriced: int = 0
    largest: float = -50.0  # log cost of the dearest call
    pending: bytearray
    ids: bytes = b""
    labels: list[str] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    cost: CostLane = field(default_factory=CostLane)
    quality: QualityLane = field(default_factory=QualityLane)
    book: Book = field(default_factory=Book)
    answers: bytes = b""  # recent response ids, each with the scope that told it
    telling: list[int] = field(default_factory=list)  # scopes that have told calls of their own here
    scope: str = ""  # of the last call


class StoredCold(Struct, array_like=True, frozen=True):
    """Cold state as it is stored."""

    version: int
    rings: list[list[PackedRing]]
    held: list[bytes]
    held_tally: Tally
    tally: Tally
    known: Known
    used: list[int]
    references: bytes


class Cold:
    """What was learned. `held` are points of an excursion: kept out of the baseline until it is clear why."""

    __slots__ = ("baselines", "held", "held_tally", "known", "references", "tally")

    def __init__(self) -> None:
        self.baselines = Baselines()
        self.held: dict[Measure, Sketch] = {measure: Sketch() for measure in (*BY_COST, *BY_QUALITY)}
        self.held_tally = Tally()
        self.tally = Tally()
        self.known: Known = {"request_model": {}, "prompt_version": {}}
        self.references = References()


_encode = msgspec.msgpack.Encoder().encode
_decode_hot = msgspec.msgpack.Decoder(Hot).decode
_decode_cold = msgspec.msgpack.Decoder(StoredCold).decode


class Version(Struct, array_like=True, frozen=True):
    """The first fields of a hot state."""

    v: int
    cold_version: int


_decode_version = msgspec.msgpack.Decoder(Version).decode


def cold_version(hot: bytes) -> int:
    """The cold version that a packed hot state decides with; 0 means none was written yet."""
    return _decode_version(hot).cold_version


class SeriesState:
    """The accumulator of one series."""

    __slots__ = ("_cold", "_cold_bytes", "cold_dirty", "hot", "positions")

    def __init__(self, hot: Hot, cold_bytes: bytes | None) -> None:
        self.hot = hot
        self.positions = Positions(hot.heads)
        self.cold_dirty = False
        """Cold changed since it was last written: write `pack_cold()` before `pack_hot()`."""
        self._cold: Cold | None = None
        self._cold_bytes = cold_bytes

    @classmethod
    def fresh(cls, series_id: str, project: str, service: str, endpoint: str) -> Self:
        """State of a series that was never seen."""
        hot = Hot(
            series_id=series_id,
            project=project,
            service=service,
            endpoint=endpoint,
            heads={},
            pending=bytearray(),
        )
        return cls(hot, None)

    @classmethod
    def unpack(cls, hot: bytes, cold: bytes | None) -> Self:
        """Inverse of `pack_hot` and `pack_cold`.

        `cold` is the value of slot `cold_version(hot) % 2`, None where the version is 0. Raises ValueError
        when the two do not belong together or cannot be read.
        """
        try:
            state = _decode_hot(hot)
        except msgspec.DecodeError as error:
            raise ValueError(f"Unreadable hot state ({error}); rebuild it from the log.") from error
        named = state.cold_version
        found = 0 if cold is None else int.from_bytes(cold[:8], "big")
        if named != found:
            raise ValueError(
                f"Series {state.series_id}: hot state decides with cold version {named}, but its slot holds "
                f"{found}. The table lost a write; rebuild it from the log."
            )
        return cls(state, None if cold is None else cold[8:])

    @property
    def cold_version(self) -> int:
        """Version of the cold state that decides; its table slot is `cold_version % 2`."""
        return self.hot.cold_version

    @property
    def cold(self) -> Cold:
        """What was learned, unpacked when first needed."""
        if self._cold is None:
            cold = Cold()
            if self._cold_bytes is not None:
                stored = _decode_cold(self._cold_bytes)
                cold.baselines.load(stored.rings)
                for measure, packed in zip(cold.held, stored.held, strict=True):
                    cold.held[measure] = Sketch.unpack(packed)
                cold.held_tally = stored.held_tally
                cold.tally = stored.tally
                cold.known = stored.known
                cold.references.load(stored.references, stored.used)
            self._cold = cold
            self._cold_bytes = None
        return self._cold

    @property
    def lanes(self) -> dict[LaneName, Lane]:
        """The signals by name."""
        return {"cost": self.hot.cost, "quality": self.hot.quality}

    def pack_cold(self) -> bytes:
        """Bytes of the current cold version."""
        cold = self.cold
        references, used = cold.references.pack()
        stored = StoredCold(
            self.hot.cold_version,
            cold.baselines.pack(),
            [sketch.pack() for sketch in cold.held.values()],
            cold.held_tally,
            cold.tally,
            cold.known,
            used,
            references,
        )
        return self.hot.cold_version.to_bytes(8, "big") + _encode(stored)

    def pack_hot(self) -> bytes:
        """Bytes of the hot state. Where cold is dirty, write `pack_cold()` first; this ends the version."""
        self.cold_dirty = False
        return _encode(self.hot)

    def context(self) -> Context:
        """What alerts look up when they are written."""
        hot, cold = self.hot, self.cold
        missing: list[str] = []
        if not hot.scored:
            missing.append(
                f"quality: no answers were captured, so none was compared; set {content_setting(hot.scope)}"
            )
        elif not hot.quality.test.in_force:
            missing.append(f"quality: learning, {hot.quality.test.n} answers so far")
        if not hot.cost.test.in_force:
            missing.append("cost: no baseline yet")
        elif hot.unpriced:
            missing.append(f"cost: {hot.unpriced} of {hot.calls} calls have no price")
        return Context(cold.known, cold.baselines.rate_per_min(hot.newest_ms), tuple(missing))
