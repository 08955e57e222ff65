"""The life of a series' alerts as its calls make it: open, upgrade, update, resolve, reopen.

One that somebody acknowledged or snoozed is updated in that state; only an upgrade opens it again.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from lumina_schemas.alert import SCHEMA_VERSION, Alert, AlertKind, AlertState, Reason
from lumina_streams.core.alert.book import Book, LaneName, Track, severity_of
from lumina_streams.core.alert.evidence import Evidence, Known, gather
from lumina_streams.core.baseline.lane import CostLane, Lane, QualityLane
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.windows import WINDOW_MS
from lumina_streams.core.series.rules import Rules

NAMESPACE = UUID("5f0d2f6e-6c1b-5c0e-9d0e-1a6b7c3f2e10")
UPDATE_MS = 60_000  # an open alert is written again at most so often ...
UPDATE_RATIO = 1.25  # ... and only when its level changed so much
TRACKS = 4  # alerts of a series that are remembered


class Subject(NamedTuple):
    """The series that an alert is about."""

    series_id: str
    project: str
    service: str
    endpoint: str


class Context(NamedTuple):
    """What is looked up only when an alert is written."""

    known: Known
    rate_per_min: float
    missing: tuple[str, ...]


class Review:
    """One look at the lanes after a call. Collects the alert records to publish in `news`."""

    def __init__(
        self,
        book: Book,
        subject: Subject,
        cost: CostLane,
        quality: QualityLane,
        now_ms: int,
        rules: Rules,
        detected_at: str,
        context: Callable[[], Context],
    ) -> None:
        self.book = book
        self.subject = subject
        self.lanes: dict[LaneName, CostLane | QualityLane] = {"cost": cost, "quality": quality}
        self.cost = cost
        self.quality = quality
        self.now_ms = now_ms
        self.rules = rules
        self.detected_at = detected_at
        self.context = context
        self.news: list[Alert] = []

    def run(self) -> list[Alert]:
        """Resolve, open, upgrade, update, in this order."""
        self._note_activity()
        if self.book.tracks:
            self._resolve()
            self._forget()
        if self._both_active():
            self._join()
        else:
            for name in ("cost", "quality"):
                if self._fires(name):
                    self._raise(name)
        for track in self.book.tracks:
            if track.open and self.now_ms - track.written_ms >= UPDATE_MS:
                self._update(track)
        return self.news

    def adopt(self, name: LaneName) -> list[Alert]:
        """A level has become the baseline: say so once, on an alert that stays open."""
        lane = self.lanes[name]
        for track in self.book.tracks:
            if track.open and name in track.lanes:
                evidence = self._evidence(track.lanes)
                lane.adopt()
                self._write(
                    track, evidence, track.alert.state, "adopted", f"{name}: still off, now the baseline"
                )
        return self.news

    # what the lanes say

    def _note_activity(self) -> None:
        for lane in (self.cost, self.quality):
            if lane.calm == 0.0 and lane.strength(lane.test.joint_h, self.rules) >= 1:
                lane.active_ms = self.now_ms

    def _fires(self, name: LaneName) -> bool:
        lane = self.lanes[name]
        if lane.is_held:
            return False
        return lane.strength(lane.test.alone_h, self.rules) >= 1

    def _is_active(self, lane: Lane) -> bool:
        if lane.excursion is None or lane.active_ms < 0:
            return False
        return self.now_ms - lane.active_ms <= self.rules.correlation_s * 1000

    def _both_active(self) -> bool:
        if not (self._is_active(self.cost) and self._is_active(self.quality)):
            return False
        return not any(track.open and len(track.lanes) == 2 for track in self.book.tracks)

    # transitions

    def _resolve(self) -> None:
        for track in self.book.tracks:
            if track.open and all(self.lanes[name].recovered for name in track.lanes):
                for name in track.lanes:
                    self.lanes[name].end()
                self._write(track, None, "resolved", "recovered", "back to the baseline")

    def _forget(self) -> None:
        horizon = self.now_ms - self.rules.cooldown_s * 1000
        self.book.tracks = [t for t in self.book.tracks if t.open or t.resolved_ms >= horizon][-TRACKS:]

    def _join(self) -> None:
        """Cost and quality within `correlation_s`: one alert, the earlier one upgraded in place."""
        open_tracks = sorted((t for t in self.book.tracks if t.open), key=lambda t: t.opened_ms)
        for name, lane in self.lanes.items():
            if not lane.open or lane.adopted or not any(name in t.lanes for t in open_tracks):
                lane.begin()
        both: list[LaneName] = ["cost", "quality"]
        if not open_tracks:
            self._open(both)
            return
        first = open_tracks[0]
        first.lanes = both
        for other in open_tracks[1:]:
            self._write(other, None, "resolved", None, f"joined with {first.alert.id}")
        self._write(first, self._evidence(both), "open", None, "cost and quality together")

    def _raise(self, name: LaneName) -> None:
        lane = self.lanes[name]
        lane.begin()
        for track in self.book.tracks:
            if track.open and name in track.lanes:
                note = "again above the adopted level"
                self._write(track, self._evidence(track.lanes), track.alert.state, None, note)
                return
        self._open([name])

    def _open(self, lanes: list[LaneName]) -> None:
        evidence = self._evidence(lanes)
        for track in reversed(self.book.tracks):
            if not track.open and set(lanes) & set(track.lanes):
                kept: list[LaneName] = [name for name in track.lanes if self.lanes[name].open]
                track.lanes = lanes if len(lanes) > 1 else (kept or lanes)
                self._write(track, evidence, "open", None, "returned within the cooldown")
                return
        kind: AlertKind = "cost_and_quality"
        if len(lanes) == 1:
            kind = "cost_spike" if lanes[0] == "cost" else "quality_drop"
        at = rfc3339(self.now_ms)
        track = Track(
            Alert(
                v=SCHEMA_VERSION,
                rev=0,
                id=self._new_id(kind),
                kind=kind,
                state="open",
                severity=severity_of(kind),
                project=self.subject.project,
                service=self.subject.service,
                endpoint=self.subject.endpoint,
                series_id=self.subject.series_id,
                summary="",
                opened_at=at,
                updated_at=at,
                detected_at=self.detected_at,
                signals=(),
            ),
            lanes,
            self.now_ms,
            self.now_ms,
        )
        self.book.tracks.append(track)
        self._write(track, evidence, "open", None, "")

    def _new_id(self, kind: AlertKind) -> str:
        window = self.now_ms - self.now_ms % WINDOW_MS
        last, n = self.book.openings.get(kind, (-1, 0))
        n = n + 1 if last == window else 1
        self.book.openings[kind] = (window, n)
        return str(uuid5(NAMESPACE, f"{self.subject.series_id}|{kind}|{window}|{n}"))

    def _update(self, track: Track) -> None:
        lanes = [self.lanes[name] for name in track.lanes]
        if any(lane.excursion is None or lane.adopted or lane.calm > 0 for lane in lanes):
            return
        evidence = self._evidence(track.lanes)
        if max(evidence.ratio / track.ratio, track.ratio / evidence.ratio) >= UPDATE_RATIO:
            self._write(track, evidence, track.alert.state, track.alert.reason, None)

    # the record

    def _evidence(self, lanes: Sequence[LaneName]) -> Evidence:
        context = self.context()
        return gather(
            self.cost if "cost" in lanes else None,
            self.quality if "quality" in lanes else None,
            context.known,
            context.rate_per_min,
            self.rules,
        )

    def _write(
        self,
        track: Track,
        evidence: Evidence | None,
        state: AlertState,
        reason: Reason | None,
        note: str | None,
    ) -> None:
        """Write the alert anew. `evidence` None keeps the old; `note` None is no transition."""
        if evidence is not None:
            track.show(evidence, self.context().missing)
        self.news.append(track.write(state, self.now_ms, self.detected_at, reason=reason, note=note))
