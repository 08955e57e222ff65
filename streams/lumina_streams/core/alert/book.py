"""What a series remembers of its alerts, and how their records are written anew. An id never changes."""

from msgspec import Struct, field
from msgspec.structs import replace

from lumina_schemas.alert import Alert, AlertState, Feedback, Reason, Transition
from lumina_streams.core.baseline.lane import LaneName
from lumina_streams.core.baseline.moment import rfc3339

HISTORY = 50
FLAPS = 3  # times that an alert may come back before calm must last for the cooldown
BY = "lumina"
NEVER = -1


class Track(Struct, array_like=True):
    """An alert that is open, or was resolved within the cooldown. Times are event times in ms."""

    alert: Alert
    lanes: list[LaneName]
    opened_ms: int
    written_ms: int
    resolved_ms: int = NEVER
    ratio: float = 1.0  # when it was last written
    snoozed_ms: int = NEVER  # end of the snooze
    by_hand: bool = False  # resolved by somebody while it may last
    reopened: int = 0  # times
    seen: bool = False  # somebody acknowledged or snoozed it

    @property
    def open(self) -> bool:
        """Whether it is not resolved."""
        return self.resolved_ms < 0

    @property
    def snoozed(self) -> bool:
        """Whether it is to be left alone until `snoozed_ms`."""
        return self.snoozed_ms >= 0

    @property
    def flaps(self) -> bool:
        """Whether it has come back so often that it must be calm for longer before it ends."""
        return self.reopened >= FLAPS

    def write(
        self,
        state: AlertState,
        at_ms: int,
        detected_at: str,
        *,
        reason: Reason | None = None,
        note: str | None = None,
        by: str = BY,
        until_ms: int = NEVER,
    ) -> Alert:
        """Write the record anew, rev + 1, and return it. `note` None is no transition.

        A record is never older than the one before, though a quiet series' time may run ahead of its next
        call.
        """
        at_ms = max(at_ms, self.written_ms)
        at = rfc3339(at_ms)
        self.resolved_ms = at_ms if state == "resolved" else NEVER
        self.seen = self.seen or state in ("acknowledged", "snoozed")
        if state != "snoozed":
            self.snoozed_ms = NEVER
        elif until_ms >= 0:
            self.snoozed_ms = until_ms
        history = self.alert.history
        if note is not None:
            history = (*history, Transition(state, at, by, note))[-HISTORY:]
        self.alert = replace(
            self.alert,
            rev=self.alert.rev + 1,
            state=state,
            reason=reason,
            updated_at=at,
            resolved_at=at if state == "resolved" else None,
            snoozed_until=rfc3339(self.snoozed_ms) if self.snoozed else None,
            detected_at=detected_at,
            history=history,
        )
        self.written_ms = at_ms
        return self.alert

    def judge(self, feedback: Feedback, at_ms: int, detected_at: str, *, note: str, by: str) -> Alert:
        """Write down what somebody says of the alert, rev + 1, and return it. Its life goes on as before: a
        cooldown that runs is not begun anew.
        """
        at_ms = max(at_ms, self.written_ms)
        at = rfc3339(at_ms)
        said = f"{feedback}: {note}" if note else feedback
        self.alert = replace(
            self.alert,
            rev=self.alert.rev + 1,
            feedback=feedback,
            updated_at=at,
            detected_at=detected_at,
            history=(*self.alert.history, Transition(self.alert.state, at, by, said))[-HISTORY:],
        )
        self.written_ms = at_ms
        return self.alert


class Book(Struct, array_like=True):
    """A series' alerts, and how many were opened per kind in the current window (for their ids)."""

    tracks: list[Track] = field(default_factory=list)
    openings: dict[str, tuple[int, int]] = field(default_factory=dict)

    def is_quiet(self, name: LaneName, now_ms: int, cooldown_s: float) -> bool:
        """Whether somebody resolved an alert of a signal by hand so lately that it must not come back yet."""
        return any(
            track.by_hand
            and not track.open
            and name in track.lanes
            and now_ms < track.resolved_ms + cooldown_s * 1000
            for track in self.tracks
        )
