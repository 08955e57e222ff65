"""What time alone does to alerts: a snooze ends, a series has fallen silent.

A call may be the first to show that the time has come, or a tick. Both do the same, and write the time at
which it was due, so that neither their order nor the number of ticks shows in the record.
"""

from collections.abc import Mapping

from lumina_schemas.alert import Alert
from lumina_streams.core.alert.book import Book, Track
from lumina_streams.core.baseline.lane import Lane, LaneName
from lumina_streams.core.baseline.moment import duration

SILENCE: LaneName = "silence"


def next_ms(book: Book, silent_ms: int) -> int | None:
    """Event time at which `lapse` will have something to do; None: never. `silent_ms` as there."""
    due = (_due_ms(track, silent_ms) for track in book.tracks if track.open)
    return min((at_ms for at_ms in due if at_ms is not None), default=None)


def _due_ms(track: Track, silent_ms: int) -> int | None:
    """An alert that says that the series is silent is not ended by its silence."""
    if track.snoozed:
        return track.snoozed_ms
    return None if SILENCE in track.lanes else silent_ms


def lapse(
    book: Book,
    lanes: Mapping[LaneName, Lane],
    now_ms: int,
    silent_ms: int,
    silent_after_ms: int,
    detected_at: str,
) -> list[Alert]:
    """Do what is due by `now_ms`; returns the records to publish.

    `silent_ms`: event time at which the series counts as silent unless it is called before. A snoozed alert
    stays until its snooze ends, and does not open again on a series that is silent by then.
    """
    news: list[Alert] = []
    for track in book.tracks:
        if not track.open:
            continue
        silent_at = silent_ms
        if track.snoozed:
            ends_ms = track.snoozed_ms
            if ends_ms > now_ms:
                continue
            if silent_ms > ends_ms or SILENCE in track.lanes:
                reason = track.alert.reason
                news.append(
                    track.write("open", ends_ms, detected_at, reason=reason, note="the snooze is over")
                )
            silent_at = max(silent_ms, ends_ms)
        if silent_at <= now_ms and SILENCE not in track.lanes:
            for name in track.lanes:
                lanes[name].end()
            note = f"no calls for {duration(silent_after_ms)}"
            news.append(track.write("resolved", silent_at, detected_at, reason="silent", note=note))
    return news
