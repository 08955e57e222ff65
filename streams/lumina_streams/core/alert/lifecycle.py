"""The life of a series' alerts as its calls make it: open, join, upgrade, update, resolve, reopen.

Signals of a series that come together are one alert: what makes calls dearer often makes them slower too.
One that somebody acknowledged or snoozed is updated in that state; only an upgrade opens it again. One that
somebody resolved while it lasts is quiet for the cooldown, then comes back under its id.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID, uuid5

from lumina_schemas.alert import SCHEMA_VERSION, Alert, AlertKind, AlertState, Reason, Signal
from lumina_streams.core.alert.book import Book, Track
from lumina_streams.core.alert.evidence import Evidence, apply, gather
from lumina_streams.core.alert.kind import KINDS, severity_of
from lumina_streams.core.baseline.habit import Habit
from lumina_streams.core.baseline.lane import CALM_MS, Lane, LaneName
from lumina_streams.core.baseline.moment import rfc3339
from lumina_streams.core.baseline.windows import MINUTE_MS, WINDOW_MS
from lumina_streams.core.series.rules import Rules

NAMESPACE = UUID("5f0d2f6e-6c1b-5c0e-9d0e-1a6b7c3f2e10")
UPDATE_MS = 60_000  # an open alert is written again at most so often ...
UPDATE_RATIO = 1.25  # ... and only when its level changed so much
NEAR_CALLS = 20  # on a slow series the first bad answer may come so long after the first dear one
TRACKS = 4  # alerts of a series that are remembered
EXPECTED_BEFORE_MS = 5 * 60_000  # a level may move so long before the mark that announces it ...
EXPECTED_AFTER_MS = 60 * 60_000  # ... or after

RANKS = {name: rank for rank, name in enumerate(KINDS)}


class Subject(NamedTuple):
    """The series that an alert is about."""

    series_id: str
    project: str
    service: str
    endpoint: str


class Context(NamedTuple):
    """What is looked up only when an alert is written."""

    habit: Habit
    rate_per_min: float
    missing: tuple[str, ...]


class Review:
    """One look at the lanes after a call. Collects the alert records to publish in `news`."""

    def __init__(
        self,
        book: Book,
        subject: Subject,
        lanes: Mapping[LaneName, Lane],
        now_ms: int,
        rules: Rules,
        detected_at: str,
        context: Callable[[], Context],
    ) -> None:
        self.book = book
        self.subject = subject
        self.lanes = lanes
        self.now_ms = now_ms
        self.rules = rules
        self.detected_at = detected_at
        self.context = context
        self.news: list[Alert] = []

    def run(self) -> list[Alert]:
        """Resolve, open, join, upgrade, update, in this order."""
        self._note_activity()
        if self.book.tracks:
            self._accept_expected()
            self._resolve()
            self._forget()
        if self._both_active():
            self._join()
        for name in KINDS:
            if self._fires(name):
                self._raise(name)
        for track in self.book.tracks:
            if track.open and self.now_ms - track.written_ms >= UPDATE_MS:
                self._update(track)
        return self.news

    def adopt(self, name: LaneName) -> list[Alert]:
        """A level has become the baseline: say so once, on an alert that stays open until it was seen."""
        lane = self.lanes[name]
        for track in self.book.tracks:
            if track.open and name in track.lanes:
                evidence = self._evidence(track.lanes)
                lane.adopt()
                done = track.seen and all(self.lanes[other].adopted for other in track.lanes)
                if done:
                    self._end(track)
                note = f"{KINDS[name]}: still off, now the baseline"
                state: AlertState = "resolved" if done else track.alert.state
                self._write(track, evidence, state, "adopted", note)
                return self.news
        lane.adopt()
        return self.news

    def open_silence(self) -> list[Alert]:
        """The series has fallen silent."""
        self._raise("silence")
        return self.news

    # what the lanes say

    def _note_activity(self) -> None:
        for lane in self.lanes.values():
            if (
                lane.excursion is not None
                and lane.calm == 0.0
                and lane.strength(lane.joint_h, self.rules) >= 1
            ):
                lane.active_ms = self.now_ms

    def _fires(self, name: LaneName) -> bool:
        lane = self.lanes[name]
        if lane.excursion is None or lane.is_held or lane.strength(lane.alone_h, self.rules) < 1:
            return False
        if self._is_quiet(name):
            return False
        if self._is_expected(lane):
            lane.accept()
            return False
        return True

    def _is_quiet(self, name: LaneName) -> bool:
        """Whether a signal must not alert: switched off, or resolved by hand within the cooldown."""
        if KINDS[name] in self.rules.off:
            return True
        return self.book.is_quiet(name, self.now_ms, self.rules.cooldown_s)

    def _is_expected(self, lane: Lane) -> bool:
        """Whether somebody has said that levels would change about when this one did."""
        since = lane.since_ms
        return any(
            mark.expected and mark.at_ms - EXPECTED_BEFORE_MS <= since <= mark.at_ms + EXPECTED_AFTER_MS
            for mark in self.rules.marks
        )

    def _is_active(self, lane: Lane) -> bool:
        if lane.excursion is None or lane.active_ms < 0:
            return False
        return self.now_ms - lane.active_ms <= self.rules.correlation_s * 1000

    def _both_active(self) -> bool:
        if any(self.lanes[name].accepting or self._is_quiet(name) for name in ("cost", "quality")):
            return False
        if not (self._is_active(self.lanes["cost"]) and self._is_active(self.lanes["quality"])):
            return False
        if self._is_expected(self.lanes["cost"]) or self._is_expected(self.lanes["quality"]):
            return False
        if any(track.open and {"cost", "quality"} <= set(track.lanes) for track in self.book.tracks):
            return False
        return self._began_together()

    def _began_together(self) -> bool:
        """Whether cost and quality began to deviate within `correlation_s`, or a few calls, of each other.

        While one of them stays up for hours, chance alone brings the other to half of what alerts.
        """
        cost, quality = self.lanes["cost"], self.lanes["quality"]
        if all(lane.open or lane.strength(lane.alone_h, self.rules) >= 1 for lane in (cost, quality)):
            return True  # each stands on its own
        apart_ms = abs(cost.since_ms - quality.since_ms)
        if apart_ms <= self.rules.correlation_s * 1000:
            return True
        rate_per_ms = self.context().rate_per_min / MINUTE_MS
        return apart_ms * rate_per_ms <= NEAR_CALLS

    # transitions

    def _accept_expected(self) -> None:
        for track in self.book.tracks:
            if not track.open:
                continue
            lanes = [self.lanes[name] for name in track.lanes]
            if all(lane.excursion is not None and self._is_expected(lane) for lane in lanes):
                self._write(track, None, "resolved", "adopted", "a mark says that this was expected")
                for lane in lanes:
                    lane.accept()

    def _resolve(self) -> None:
        for track in self.book.tracks:
            if track.open and all(self.lanes[name].recovered for name in track.lanes):
                self._end(track)
                self._write(track, None, "resolved", "recovered", "back to the baseline")

    def _end(self, track: Track) -> None:
        for name in track.lanes:
            self.lanes[name].end()

    def _forget(self) -> None:
        """Let alerts go that can no longer come back."""
        cooldown_ms = self.rules.cooldown_s * 1000

        def lasts(track: Track) -> bool:
            if track.open or self.now_ms <= track.resolved_ms + cooldown_ms:
                return True
            return track.by_hand and any(self.lanes[name].excursion is not None for name in track.lanes)

        self.book.tracks = [track for track in self.book.tracks if lasts(track)][-TRACKS:]

    def _join(self) -> None:
        """Cost and quality within `correlation_s`: one alert, the earlier one upgraded in place."""
        both: list[LaneName] = ["cost", "quality"]
        open_tracks = sorted(
            (t for t in self.book.tracks if t.open and set(t.lanes) & set(both)), key=lambda t: t.opened_ms
        )
        for name in both:
            lane = self.lanes[name]
            if not lane.open or lane.adopted or not any(name in t.lanes for t in open_tracks):
                lane.begin(self.now_ms)
        if not open_tracks:
            live = self._live_track()
            if live is None:
                self._open(both)
                return
            open_tracks = [live]
        first, *others = open_tracks
        for other in others:
            self._attach(first, other.lanes)
            self._write(other, None, "resolved", None, f"joined with {first.alert.id}")
        self._attach(first, both)
        self._write(first, self._evidence(first.lanes), "open", None, "cost and quality together")

    def _attach(self, track: Track, names: Sequence[LaneName]) -> None:
        track.lanes = sorted({*track.lanes, *names}, key=RANKS.__getitem__)

    def _live_track(self) -> Track | None:
        """The open alert whose signals are up just now: what comes now belongs to it."""
        for track in self.book.tracks:
            if track.open and any(
                self._is_active(self.lanes[name]) and not self.lanes[name].adopted for name in track.lanes
            ):
                return track
        return None

    def _raise(self, name: LaneName) -> None:
        lane = self.lanes[name]
        lane.begin(self.now_ms)
        for track in self.book.tracks:
            if track.open and name in track.lanes:
                note = "again above the adopted level"
                self._write(track, self._evidence(track.lanes), track.alert.state, None, note)
                return
        live = self._live_track()
        if live is None:
            self._open([name])
            return
        leads = RANKS[name] < min(RANKS[other] for other in live.lanes)
        self._attach(live, [name])
        state: AlertState = "open" if leads else live.alert.state
        self._write(live, self._evidence(live.lanes), state, None, f"{KINDS[name]} too")

    def _open(self, lanes: list[LaneName]) -> None:
        evidence = self._evidence(lanes)
        if evidence is None:
            for name in lanes:
                self.lanes[name].end()
            return
        for track in reversed(self.book.tracks):
            if not track.open and set(lanes) & set(track.lanes):
                self._reopen(track, lanes, evidence)
                return
        kind: AlertKind = "cost_and_quality" if len(lanes) > 1 else KINDS[lanes[0]]
        at = rfc3339(self.now_ms)
        track = Track(
            Alert(
                v=SCHEMA_VERSION,
                rev=0,
                id=self._new_id(kind),
                kind=kind,
                state="open",
                severity=severity_of(kind, self.rules),
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

    def _reopen(self, track: Track, lanes: list[LaneName], evidence: Evidence) -> None:
        note = "lasts beyond the cooldown" if track.by_hand else "returned within the cooldown"
        kept = [name for name in track.lanes if self.lanes[name].open]
        track.lanes = []
        self._attach(track, [*kept, *lanes])
        track.by_hand = track.seen = False
        track.reopened += 1
        if track.flaps:
            for name in track.lanes:
                self.lanes[name].patience_ms = max(CALM_MS, int(self.rules.cooldown_s * 1000))
            note += f"; it has come back {track.reopened} times and must be calm for longer now"
        self._write(track, evidence, "open", None, note)

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
        ratio = self._ratio(track.lanes)
        if max(ratio / track.ratio, track.ratio / ratio) >= UPDATE_RATIO:
            self._write(track, self._evidence(track.lanes), track.alert.state, track.alert.reason, None)

    # the record

    def _ratio(self, names: Sequence[LaneName]) -> float:
        ratio = 1.0
        for name in names:
            ratio *= self.lanes[name].ratio
        return ratio

    def _evidence(self, names: Sequence[LaneName]) -> Evidence | None:
        """What the lanes show; None where none of them has anything to show."""
        dual = {"cost", "quality"} <= set(names)
        shown: list[tuple[Lane, Signal]] = []
        for name in sorted(names, key=RANKS.__getitem__):
            signal = self.lanes[name].signal(dual, self.rules)
            if signal is not None:
                shown.append((self.lanes[name], signal))
        if not shown:
            return None
        context = self.context()
        quality = self.lanes["quality"].excursion if "quality" in names else None
        return gather(
            tuple(signal for _, signal in shown),
            shown[0][0].excursion,
            quality,
            context.habit,
            context.rate_per_min,
            min(lane.since_ms for lane, _ in shown),
            self.now_ms,
            self.rules.marks,
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
            missing = self.context().missing
            adopted = reason == "adopted"
            track.alert = apply(track.alert, evidence, missing, self.rules, adopted=adopted)
            track.ratio = self._ratio(track.lanes)
        self.news.append(track.write(state, self.now_ms, self.detected_at, reason=reason, note=note))
