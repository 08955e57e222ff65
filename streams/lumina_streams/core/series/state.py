"""A series' state as it lives and as it is stored.

*Hot* is written each run: running tests, positions, and the calls since the last fold as packed numbers.
*Cold* is what was learned: sketches, references, counts. Only a fold changes cold, and folds happen at calls
that the series' log determines, never by the clock, so that a replay decides with the same cold state.

Cold version k lives in slot k % 2 of the table: writing k + 1 leaves k intact, and hot names the version that
it decides with, so a crash between the two writes (cold first) replays from whole state. A version is one
*written* cold state, however many folds lie between two writes: otherwise two folds in one run would
overwrite the slot that the stored hot state still names.
"""

from collections.abc import Callable
from typing import Self

import msgspec
from msgspec import Struct, field

from lumina_schemas.mapping.instrumentations import content_setting
from lumina_streams.core.alert.book import Book
from lumina_streams.core.alert.lifecycle import Context
from lumina_streams.core.baseline.event_lane import LimitLane, SilenceLane
from lumina_streams.core.baseline.habit import Habit
from lumina_streams.core.baseline.lane import Lane, LaneName
from lumina_streams.core.baseline.learning import learning
from lumina_streams.core.baseline.level_lane import CostLane, LatencyLane
from lumina_streams.core.baseline.rhythm import Rhythm
from lumina_streams.core.baseline.share_lane import ErrorLane, UnpricedLane
from lumina_streams.core.baseline.sketch import Sketch
from lumina_streams.core.baseline.spend import SpendHistory
from lumina_streams.core.baseline.spend_lane import SpendLane
from lumina_streams.core.baseline.windows import EMPTY, Baselines, Measure, PackedRing
from lumina_streams.core.quality.history import History
from lumina_streams.core.quality.lane import QualityLane
from lumina_streams.core.quality.references import Candidate, References
from lumina_streams.core.quality.score import Verdict
from lumina_streams.core.series.former import FORMER_VERSION, carried
from lumina_streams.core.series.learned import NOTHING, Lanes, Learned
from lumina_streams.core.series.positions import Heads, Positions
from lumina_streams.core.series.rules import Rules

STATE_VERSION = 3
HEAD = 4  # bytes that say how long the learned part of a packed cold state is

FREE = (
    "quality: answers to like prompts have too little in common to be compared (free-form); refusals, empty, "
    "cut off, looping answers and changes of language are still seen"
)

BY_COST: tuple[Measure, ...] = ("cost", "tokens", "input_tokens", "output_tokens")
BY_LATENCY: tuple[Measure, ...] = ("latency", "ttft")
BY_QUALITY: tuple[Measure, ...] = ("quality",)
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
    spend: SpendLane = field(default_factory=SpendLane)
    latency: LatencyLane = field(default_factory=LatencyLane)
    errors: ErrorLane = field(default_factory=ErrorLane)
    unpriced_share: UnpricedLane = field(default_factory=UnpricedLane)
    silence: SilenceLane = field(default_factory=SilenceLane)
    limit: LimitLane = field(default_factory=LimitLane)
    quality: QualityLane = field(default_factory=QualityLane)
    book: Book = field(default_factory=Book)
    answers: bytes = b""  # recent response ids, each with the scope that told it
    telling: list[int] = field(default_factory=list)  # scopes that have told calls of their own here
    scope: str = ""  # of the last call
    slots: list[tuple[int, float]] = field(default_factory=list)  # (ms, USD) of five minutes that are over
    asides: list[int] = field(default_factory=list)  # since the last fold: tools, failed; retrievals, empty
    imported: bool = False  # the newest call is of another installation's past


class StoredCold(Struct, array_like=True, frozen=True):
    """Cold state as it is stored."""

    version: int
    rings: list[list[PackedRing]]
    held: list[bytes]
    rhythms: list[Rhythm]
    spend: bytes
    kept: dict[str, list[list[PackedRing]]]
    habit: Habit
    answers: History
    held_answers: History
    references: bytes
    used: list[int]
    door: bytes


class Cold:
    """What was learned. `held` are points of an excursion: kept out of the baseline until it is clear why."""

    __slots__ = (
        "answers",
        "baselines",
        "cost_rhythm",
        "habit",
        "held",
        "held_answers",
        "kept",
        "latency_rhythm",
        "references",
        "spend",
    )

    def __init__(self) -> None:
        self.baselines = Baselines()
        self.held: dict[Measure, Sketch] = {
            measure: Sketch() for measure in (*BY_COST, *BY_LATENCY, *BY_QUALITY)
        }
        self.kept: dict[str, list[list[PackedRing]]] = {}
        """Baselines from before a level was adopted, by signal: it may come back."""
        self.cost_rhythm = Rhythm()
        self.latency_rhythm = Rhythm()
        self.spend = SpendHistory()
        self.habit = Habit()
        self.answers = History()
        self.held_answers = History()
        self.references = References()


_encode = msgspec.msgpack.Encoder().encode
_decode_hot = msgspec.msgpack.Decoder(Hot).decode
_decode_learned = msgspec.msgpack.Decoder(Learned).decode
_decode_cold = msgspec.msgpack.Decoder(StoredCold).decode


class Version(Struct, array_like=True, frozen=True):
    """The first fields of a hot state."""

    v: int
    cold_version: int


_decode_version = msgspec.msgpack.Decoder(Version).decode


def cold_version(hot: bytes) -> int:
    """The cold version that a packed hot state decides with; 0 means none was written yet."""
    return _decode_version(hot).cold_version


def learned_from(cold: bytes) -> bytes:
    """The part of a packed cold state that tells what was learned; its first field is the version."""
    begin = 8 + HEAD
    return cold[begin + int.from_bytes(cold[8:begin], "big") :]


class SeriesState:
    """The accumulator of one series."""

    __slots__ = ("_cold", "_cold_bytes", "_load", "cold_dirty", "costs", "hot", "positions", "verdict")

    def __init__(self, hot: Hot, cold_bytes: bytes | None) -> None:
        self.hot = hot
        self.positions = Positions(hot.heads)
        self.cold_dirty = False
        """Cold changed since it was last written: write `pack_cold()` before `pack_hot()`."""
        self.costs = False
        """Whether the last call was one that costs: no duplicate, and nothing beside the calls."""
        self.verdict: Verdict | None = None
        """What the last call's answer is worth; None where it was not judged. Not stored."""
        self._cold: Cold | None = None
        self._cold_bytes = cold_bytes
        self._load: Callable[[], bytes | None] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether what was learned is in memory too."""
        return self._cold is not None or self._cold_bytes is not None

    def rest(self, load: Callable[[], bytes | None]) -> None:
        """Forget what was learned until it is needed; `load` gives the packed cold version that hot names.

        Not where cold is dirty: what was not written yet would be lost.
        """
        if self.cold_version and not self.cold_dirty:
            self._cold = self._cold_bytes = None
            self._load = load

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
            version = _decode_version(hot)
            named = 0 if cold is None else int.from_bytes(cold[:8], "big")
            if version.v == FORMER_VERSION and version.cold_version == named:
                hot, carried_cold = carried(hot, None if cold is None else cold[8:])
                cold = None if cold is None or carried_cold is None else cold[:8] + carried_cold
            state = _decode_hot(hot)
        except msgspec.DecodeError as error:
            raise ValueError(f"Unreadable hot state ({error}); rebuild it from the log.") from error
        unpacked = cls(state, None)
        unpacked._cold_bytes = unpacked._loaded(cold)
        if unpacked._cold_bytes is not None:
            end = HEAD + int.from_bytes(unpacked._cold_bytes[:HEAD], "big")
            unpacked._learners.give(_decode_learned(unpacked._cold_bytes[HEAD:end]))
            if version.v == FORMER_VERSION:
                state.cold_version += 1
                unpacked.cold_dirty = True  # what its slot holds is of the version before
        return unpacked

    def _loaded(self, cold: bytes | None) -> bytes | None:
        """A packed cold state without its version. Raises ValueError where hot names another one."""
        named = self.hot.cold_version
        found = 0 if cold is None else int.from_bytes(cold[:8], "big")
        if named != found:
            raise ValueError(
                f"Series {self.hot.series_id}: hot state decides with cold version {named}, but its slot "
                f"holds {found}. The table lost a write; rebuild it from the log."
            )
        return None if cold is None else cold[8:]

    @property
    def cold_version(self) -> int:
        """Version of the cold state that decides; its table slot is `cold_version % 2`."""
        return self.hot.cold_version

    @property
    def cold(self) -> Cold:
        """What was learned, unpacked when first needed."""
        if self._cold is None:
            cold = Cold()
            if self._load is not None:
                self._cold_bytes = self._loaded(self._load())
                self._load = None
            if self._cold_bytes is not None:
                begin = HEAD + int.from_bytes(self._cold_bytes[:HEAD], "big")
                stored = _decode_cold(memoryview(self._cold_bytes)[begin:])
                cold.baselines.load(stored.rings)
                for measure, packed in zip(cold.held, stored.held, strict=True):
                    if packed != EMPTY:
                        cold.held[measure] = Sketch.unpack(packed)
                cold.cost_rhythm, cold.latency_rhythm = stored.rhythms
                cold.kept = stored.kept
                cold.spend = SpendHistory.unpack(stored.spend)
                cold.habit = stored.habit
                cold.answers = stored.answers
                cold.held_answers = stored.held_answers
                cold.references.load(stored.references, stored.used, stored.door)
            self._cold = cold
            self._cold_bytes = None
        return self._cold

    @property
    def lanes(self) -> dict[LaneName, Lane]:
        """The signals by name, the leading first."""
        hot = self.hot
        return {
            "cost": hot.cost,
            "quality": hot.quality,
            "spend": hot.spend,
            "errors": hot.errors,
            "latency": hot.latency,
            "unpriced": hot.unpriced_share,
            "silence": hot.silence,
            "limit": hot.limit,
        }

    @property
    def _learners(self) -> Lanes:
        hot = self.hot
        return Lanes(hot.cost, hot.latency, hot.errors, hot.unpriced_share, hot.quality, hot.spend)

    def pack_cold(self) -> bytes:
        """Bytes of the current cold version: its number, what signals decide by, and what they learned."""
        cold = self.cold
        references, used, door = cold.references.pack()
        stored = StoredCold(
            self.hot.cold_version,
            cold.baselines.pack(),
            [sketch.pack() for sketch in cold.held.values()],
            [cold.cost_rhythm, cold.latency_rhythm],
            cold.spend.pack(),
            cold.kept,
            cold.habit,
            cold.answers,
            cold.held_answers,
            references,
            used,
            door,
        )
        learned = _encode(self._learners.learned())
        head = self.hot.cold_version.to_bytes(8, "big") + len(learned).to_bytes(4, "big")
        return head + learned + _encode(stored)

    def pack_hot(self) -> bytes:
        """Bytes of the hot state. Where cold is dirty, write `pack_cold()` first; this ends the version."""
        self.cold_dirty = False
        learners = self._learners
        learned = learners.learned()
        learners.give(NOTHING)
        packed = _encode(self.hot)
        learners.give(learned)
        return packed

    def context(self, rules: Rules) -> Context:
        """What alerts look up when they are written."""
        hot, cold = self.hot, self.cold
        wanted, rate = rules.min_samples, cold.baselines.rate_per_min(hot.newest_ms)
        missing: list[str] = []
        if not hot.scored:
            missing.append(
                f"quality: no answers were captured, so none was compared; set {content_setting(hot.scope)}"
            )
        elif hot.quality.test.n < wanted:
            missing.append(f"quality: {learning(hot.quality.test.n, wanted, rate)}")
        elif hot.quality.test.free:
            missing.append(FREE)
        if hot.cost.test.n < wanted:
            missing.append(f"cost: {learning(hot.cost.test.n, wanted, rate)}")
        elif hot.unpriced:
            missing.append(f"cost: {hot.unpriced} of {hot.calls} calls have no price")
        return Context(cold.habit, cold.baselines.usual_rate_per_min(hot.newest_ms), tuple(missing))
