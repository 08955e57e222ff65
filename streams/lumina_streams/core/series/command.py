"""What people want done with a series' alerts: `command(state, asked) -> alerts`."""

from lumina_schemas.alert import Alert, AlertState
from lumina_schemas.control import Command
from lumina_streams.core.alert.book import NEVER, Track
from lumina_streams.core.baseline.moment import ms_of
from lumina_streams.core.series.clock import UNKNOWN
from lumina_streams.core.series.quiet import now_ms, pass_time
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import SeriesState


def command(
    state: SeriesState, asked: Command, rules: Rules, detected_at: str, clock_ms: int = UNKNOWN
) -> list[Alert]:
    """Obey a command on one of the series' alerts; returns the alert records to publish.

    Nothing changes where the alert is unknown or resolved, is as the command wants it already, or where a
    snooze would be over before it begins. Feedback meets resolved ones too, for as long as they are
    remembered. The caller has asked `state.positions.advance(src)` first, whatever comes of the command: one
    that came too early must not act at a replay either.
    """
    at_ms = now_ms(state, clock_ms)
    news: list[Alert] = []
    for track in state.hot.book.tracks:
        if track.alert.id == asked.alert_id and (track.open or asked.type == "feedback"):
            alert = _obey(state, track, asked, at_ms, detected_at)
            if alert is not None:
                news.append(alert)
    # An alert that is no longer snoozed may stand on a series that has been silent for long.
    return news + pass_time(state, at_ms, rules, detected_at) if news else []


def _obey(state: SeriesState, track: Track, asked: Command, at_ms: int, detected_at: str) -> Alert | None:
    if asked.feedback is not None:
        if track.alert.feedback == asked.feedback:
            return None
        return track.judge(asked.feedback, at_ms, detected_at, note=asked.note, by=asked.by)
    state_after: AlertState
    until_ms = NEVER
    reason = track.alert.reason
    if asked.type == "acknowledge":
        state_after = "acknowledged"
        if track.alert.state == state_after:
            return None
        track.seen = True
        if all(state.lanes[name].adopted for name in track.lanes):
            # Its level is the baseline already; the alert has waited for somebody to see it.
            state_after, reason = "resolved", "adopted"
            _end(state, track)
    elif asked.type == "snooze":
        state_after = "snoozed"
        until_ms = NEVER if asked.until is None else ms_of(asked.until)
        if until_ms <= at_ms or until_ms == track.snoozed_ms:
            return None
    else:
        state_after = "resolved"
        reason = asked.reason or "manual"
        if reason == "false":
            for name in track.lanes:
                state.lanes[name].accept()
        else:
            _end(state, track)
        track.by_hand = True
    return track.write(
        state_after, at_ms, detected_at, reason=reason, note=asked.note, by=asked.by, until_ms=until_ms
    )


def _end(state: SeriesState, track: Track) -> None:
    for name in track.lanes:
        state.lanes[name].end()
