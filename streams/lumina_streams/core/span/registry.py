"""Which series have a place among the `LUMINA_MAX_SERIES` of their project, and how many are in use.

Flows in: each span's series with the time of its landing record, and what other workers and earlier runs
have noted (`lumina.series`). Flows out: yes or no, and what is to be noted before the span leaves.

A replay must decide as the first run did, or a span would be in one series then and in another one now, and
count twice. Whatever had a place is noted before its spans leave, and notes are read to their end before work
begins; so it has its place again. Whatever had none found the project full, at a time of the log; what was
known then is known again, with times as late or later, so that the project is full at that time again. And
what came to have a place only afterwards says since when, and has none before that.
"""

from collections import OrderedDict
from collections.abc import Iterable

from msgspec import Struct

from lumina_schemas.series import OTHER, SERIES_VERSION, KnownSeries

HOUR_MS = 3_600_000
NOTED_MS = 6 * HOUR_MS
"""A series in use is noted so often: what a note costs is nothing beside the calls of six hours."""

KEPT_MS = 7 * 24 * HOUR_MS + NOTED_MS
"""A place that was not used for seven days is free."""

ACTIVE_MS = 24 * HOUR_MS
MAX_SERIES = 200_000
"""Series of all projects together, for the worker's memory."""


class Place(Struct, gc=False):
    """What is known of a series."""

    since_ms: int
    seen_ms: int
    calls: bool


class Places:
    """The series of a project by id, those that were noted longest ago first."""

    __slots__ = ("active", "by_id")

    def __init__(self) -> None:
        self.by_id: OrderedDict[str, Place] = OrderedDict()
        self.active: tuple[int, int] | None = None
        """How many have calls and are in use, and the time of that; None where it has to be counted."""

    def full(self, limit: int, at_ms: int) -> bool:
        """Whether there is no place at a time of the log; those that are free by then are given up."""
        while len(self.by_id) >= limit:
            oldest = next(iter(self.by_id))
            if self.by_id[oldest].seen_ms > at_ms - KEPT_MS:
                return True
            del self.by_id[oldest]
        return False


class SeriesRegistry:
    """The series of all projects. `other` has places of its own beside them, one for each service."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.at_ms = 0
        """Time of the landing record that is worked on."""
        self.newest_ms = 0
        self._places: dict[str, Places] = {}
        self._others: dict[str, Places] = {}
        self._news: dict[str, KnownSeries] = {}

    def begin(self, at_ms: int) -> None:
        """Work on a landing record, which the log took at a time (ms since 1970)."""
        self.at_ms = at_ms
        self.newest_ms = max(self.newest_ms, at_ms)

    def admits(self, project: str, service: str, endpoint: str, series_id: str, calls: bool) -> bool:
        """Whether a series has a place; it takes one where one is free. `calls`: its span is a call."""
        projects = self._others if endpoint == OTHER else self._places
        places = projects.get(project)
        place = None if places is None else places.by_id.get(series_id)
        at_ms = self.at_ms
        if place is not None and place.since_ms <= at_ms < place.seen_ms + NOTED_MS and place.calls >= calls:
            return True
        return self._decide(projects, project, service, endpoint, series_id, calls)

    def _decide(
        self,
        projects: dict[str, Places],
        project: str,
        service: str,
        endpoint: str,
        series_id: str,
        calls: bool,
    ) -> bool:
        places = projects.get(project)
        if places is None:
            if self._total() >= MAX_SERIES:
                return False
            places = projects[project] = Places()
        at_ms = self.at_ms
        place = places.by_id.get(series_id)
        if place is not None and at_ms >= place.seen_ms + KEPT_MS:
            del places.by_id[series_id]
            place = None
        if place is None:
            if places.full(self.limit, at_ms) or self._total() >= MAX_SERIES:
                return False
            place = Place(at_ms, at_ms, calls)
        elif at_ms < place.since_ms:
            if len(places.by_id) >= self.limit:
                return False  # as it was when it came first
            place.since_ms = at_ms
        places.by_id[series_id] = place
        if at_ms >= place.seen_ms + NOTED_MS:
            place.seen_ms = at_ms
        places.by_id.move_to_end(series_id)
        place.calls = place.calls or calls
        places.active = None
        self._news[series_id] = KnownSeries(
            v=SERIES_VERSION,
            project=project,
            service=service,
            endpoint=endpoint,
            since_ms=place.since_ms,
            seen_ms=place.seen_ms,
            calls=place.calls,
        )
        return True

    def take_news(self) -> dict[str, KnownSeries]:
        """What is to be noted, by series id, before the spans of these series leave."""
        news, self._news = self._news, {}
        return news

    def learn(self, known: Iterable[tuple[str, KnownSeries]]) -> None:
        """Take what was noted, by whomever. Places are kept beyond the limit: their series have baselines."""
        for series_id, note in sorted(known, key=lambda entry: (entry[1].seen_ms, entry[0])):
            projects = self._others if note.endpoint == OTHER else self._places
            places = projects.setdefault(note.project, Places())
            place = places.by_id.get(series_id)
            if place is None:
                places.by_id[series_id] = Place(note.since_ms, note.seen_ms, note.calls)
            else:
                place.since_ms = min(place.since_ms, note.since_ms)
                place.calls = place.calls or note.calls
                if note.seen_ms > place.seen_ms:
                    place.seen_ms = note.seen_ms
                    places.by_id.move_to_end(series_id)
            places.active = None

    def active(self, most: int) -> dict[str, int]:
        """How many series with calls each project has had in 24 h of log time, give or take six hours.

        At most so many projects, the largest ones.
        """
        counts: dict[str, int] = {}
        for projects in (self._places, self._others):
            for project, places in projects.items():
                counts[project] = counts.get(project, 0) + self._active(places)
        found = sorted(((count, project) for project, count in counts.items() if count), reverse=True)
        return {project: count for count, project in found[:most]}

    def _active(self, places: Places) -> int:
        known = places.active
        if known is None or self.newest_ms >= known[1] + HOUR_MS:
            since = self.newest_ms - ACTIVE_MS
            count = sum(place.calls and place.seen_ms > since for place in places.by_id.values())
            known = places.active = (count, self.newest_ms)
        return known[0]

    def _total(self) -> int:
        return sum(len(places.by_id) for places in self._places.values())
