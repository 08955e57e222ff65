"""Series unpacked and at hand: many of them whole but for what they learned, few with that too.

What a series learned is most of its memory, and is needed at folds alone.
"""

from collections import OrderedDict
from collections.abc import Callable

from lumina_streams.core.series.keys import cold_key, hot_key
from lumina_streams.core.series.step import SeriesState, cold_version

STATES = 4_500
"""Series at hand. The packed ones are all in the table."""

WHOLE = 1_000
"""... with what they learned."""

Get = Callable[[bytes], bytes | None]


class Shelf:
    """The most recently used series. `read` gives a key's value, `stored` the very object that holds it."""

    def __init__(self, read: Get, stored: Get, states: int = STATES, whole: int = WHOLE) -> None:
        self._read = read
        self._stored = stored
        self._most = states
        self._most_whole = whole
        self._states: OrderedDict[str, tuple[bytes | None, SeriesState]] = OrderedDict()
        self._whole: OrderedDict[str, SeriesState] = OrderedDict()

    def take(self, series_id: str) -> SeriesState | None:
        """The state of a series: unpacked before, or packed in the table; None where it was never seen.

        What was unpacked before counts only while the table still holds the very bytes it was written as:
        a rebalance may have brought newer ones.
        """
        key = hot_key(series_id)
        remembered = self._states.get(series_id)
        if remembered and remembered[0] is self._stored(key):
            self._states.move_to_end(series_id)
            return remembered[1]
        hot = self._read(key)
        if hot is None:
            return None
        version = cold_version(hot)
        return SeriesState.unpack(hot, self._read(cold_key(series_id, version)) if version else None)

    def put(self, series_id: str, state: SeriesState) -> None:
        """Keep a state that was just written."""
        self._states[series_id] = (self._stored(hot_key(series_id)), state)
        self._states.move_to_end(series_id)
        if len(self._states) > self._most:
            gone, _ = self._states.popitem(last=False)
            self._whole.pop(gone, None)
        if state.is_whole:
            self._whole[series_id] = state
            self._whole.move_to_end(series_id)
            if len(self._whole) > self._most_whole:
                self._rest(*self._whole.popitem(last=False))

    def drop(self, series_id: str) -> None:
        """Forget a state: it is not what was written."""
        self._states.pop(series_id, None)
        self._whole.pop(series_id, None)

    def _rest(self, series_id: str, state: SeriesState) -> None:
        remembered = self._states.get(series_id)
        if remembered is None or remembered[1] is not state or state.cold_dirty:
            return
        key = cold_key(series_id, state.cold_version)
        state.rest(lambda: self._read(key))
