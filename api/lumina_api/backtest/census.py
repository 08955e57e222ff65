"""How many series of each project a recorded log shows: in a running stack, ticks tell it."""

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Census:
    """Distinct series of each project within 24 h, up to now."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, int]] = {}
        self._days: dict[str, int] = {}
        self._cleared_ms = 0

    def see(self, project: str, series_id: str, at_ms: int) -> int:
        """Note a call, at the clock; returns the number of its project's series where that has grown or a day
        has begun, else 0. What is gone is looked for once an hour.
        """
        seen = self._seen.get(project)
        if seen is None:
            seen = self._seen[project] = {}
        grown = series_id not in seen
        seen[series_id] = at_ms
        if at_ms >= self._cleared_ms + HOUR_MS:
            self._cleared_ms = at_ms
            for name, series in self._seen.items():
                self._seen[name] = {one: last for one, last in series.items() if last >= at_ms - DAY_MS}
        day = at_ms // DAY_MS
        if not grown and self._days.get(project) == day:
            return 0
        self._days[project] = day
        return len(self._seen[project])

    def numbers(self) -> dict[str, int]:
        """The number of every project."""
        return {project: len(seen) for project, seen in self._seen.items()}
