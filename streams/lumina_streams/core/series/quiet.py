"""The time of a series between its calls, by the clock of the log: `advance(state, clock) -> alerts`.

A quiet series' time = event time of its newest call + what the log's clock has gone on since that call.

What keeps replays exact: after every call, command and tick in the log's order, nothing is due at the clock
of that place (`due_ms(state)` lies after it). A tick from before that place finds nothing to do, so a state
need not remember ticks, and ticks are no writes.
"""

from functools import partial

from lumina_schemas.alert import Alert
from lumina_streams.core.alert.lapse import lapse, next_ms
from lumina_streams.core.alert.lifecycle import Review, Subject
from lumina_streams.core.series.clock import UNKNOWN
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.state import Hot, SeriesState

FIRST_KNOWN_MS = 1
"""Due at the first clock that is known, whatever it shows."""


def due_ms(state: SeriesState, rules: Rules) -> int | None:
    """The clock of the partition at which `advance` has something to do; None: nothing is pending.

    Where the clock was unknown at the calls so far, that is the first known one: `advance` makes it the
    clock of the newest call, and the deadline follows from it.
    """
    hot = state.hot
    event_ms = next_ms(hot.book, _silent_ms(hot, rules))
    missed_ms = _missed_ms(hot, rules)
    if missed_ms is not None:
        event_ms = missed_ms if event_ms is None else min(event_ms, missed_ms)
    if event_ms is None:
        return None
    if hot.clock_ms == UNKNOWN:
        return FIRST_KNOWN_MS
    return max(FIRST_KNOWN_MS, hot.clock_ms + event_ms - hot.newest_ms)


def advance(state: SeriesState, clock_ms: int, rules: Rules, detected_at: str) -> list[Alert]:
    """Let the log's clock go on to `clock_ms` for a series; returns the alert records to publish.

    Changes the state exactly where `due_ms(state, rules) <= clock_ms`, so the caller knows whether to write
    it. How many ticks came before makes no difference.
    """
    hot = state.hot
    due = due_ms(state, rules)
    if due is None or clock_ms < due:
        return []
    if hot.clock_ms == UNKNOWN:
        hot.clock_ms = hot.heard_ms = clock_ms
        return []
    return pass_time(state, now_ms(state, clock_ms), rules, detected_at)


def now_ms(state: SeriesState, clock_ms: int) -> int:
    """The time of the series, event time in ms, when the log's clock shows `clock_ms`."""
    hot = state.hot
    if hot.clock_ms == UNKNOWN:
        return hot.newest_ms
    return hot.newest_ms + max(0, clock_ms - hot.clock_ms)


def pass_time(state: SeriesState, at_ms: int, rules: Rules, detected_at: str) -> list[Alert]:
    """Do what is due by the event time `at_ms`; returns the alert records to publish."""
    hot = state.hot
    news: list[Alert] = []
    missed_ms = _missed_ms(hot, rules)
    if missed_ms is not None and missed_ms <= at_ms:
        after_ms = missed_ms - hot.newest_ms
        hot.silence.fall_silent(
            hot.newest_ms, after_ms, state.cold.baselines.usual_rate_per_min(hot.newest_ms)
        )
        subject = Subject(hot.series_id, hot.project, hot.service, hot.endpoint)
        context = partial(state.context, rules)
        review = Review(hot.book, subject, state.lanes, missed_ms, rules, detected_at, context)
        news += review.open_silence()
    if not hot.book.tracks:
        return news
    silent_after_ms = _silent_after_ms(rules)
    return news + lapse(hot.book, state.lanes, at_ms, _silent_ms(hot, rules), silent_after_ms, detected_at)


def _missed_ms(hot: Hot, rules: Rules) -> int | None:
    """Event time at which a series that always speaks is missed; None: it is not, or that was said."""
    lane = hot.silence
    if not rules.no_data_after_s or lane.open or lane.told or "no_data" in rules.off or hot.imported:
        return None
    after_ms = int(rules.no_data_after_s * 1000)
    if not lane.always_speaks(hot.newest_ms, after_ms):
        return None
    return hot.newest_ms + hot.heard_ms - hot.clock_ms + after_ms


def _silent_ms(hot: Hot, rules: Rules) -> int:
    """Event time at which the series counts as silent unless it is called before."""
    return hot.newest_ms + hot.heard_ms - hot.clock_ms + _silent_after_ms(rules)


def _silent_after_ms(rules: Rules) -> int:
    return max(1, int(rules.silent_after_s * 1000))
