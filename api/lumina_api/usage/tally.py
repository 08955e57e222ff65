"""Which traces of which project were taken today, by all gateways as far as is known. Pure.

What one gateway admits goes in by `admit`, what others have admitted by `join`; `unshared` is what they do
not know yet. Times are Unix seconds, days are UTC.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from lumina_api.usage.fingerprints import Fingerprints
from lumina_schemas.usage import USAGE_VERSION, UsedTraces, day_of, packed, unpacked

MOST_PROJECTS = 10_000
"""Projects of a day that are counted one by one: senders choose names as they like, and each takes memory."""

OTHER = "(other)"
"""What all further ones are counted as, together."""

SHARE_AT = 1_000
"""Unshared traces are told at once when they are a 1,000th of the limit ..."""

SHARE_NEAR = 100
"""... or a 100th of what is left of it: the nearer the limit, the less do gateways not know of each other."""

SHARE_AFTER_S = 5.0
"""Fewer are told after this time. By it a day has 17,280 records a project and gateway at most, which a
gateway that starts reads in less than a second."""

MOST_IN_RECORD = 100_000
"""Fingerprints of one record: 0.5 MB as JSON."""

THRESHOLDS = (90, 100)
"""Percent of the limit that are told to the log of the project."""

LimitOf = Callable[[str], int]
"""The limit of a project; 0 = none."""


@dataclass
class Usage:
    """One project on one day."""

    traces: Fingerprints = field(default_factory=Fingerprints)
    unshared: list[int] = field(default_factory=list)
    unshared_since: float | None = None
    """When the oldest thing came that others do not know."""
    refused_here: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """Spans that other replicas have refused."""
    told: tuple[int, int] = (0, 0)
    """The threshold that was told last, and of which limit."""

    @property
    def refused_spans(self) -> int:
        """Spans refused today by all replicas, as far as is known."""
        return self.refused_here + sum(self.refused.values())


class Tally:
    """The usage of all projects, today and, from a replica whose clock is ahead, tomorrow."""

    def __init__(self, limit_of: LimitOf, replica: str = "", now_s: float = 0.0) -> None:
        self.limit_of = limit_of
        self.replica = replica
        self.day = day_of(now_s)
        self._days: dict[int, dict[str, Usage]] = {}
        self._touched: set[str] = set()

    @property
    def today(self) -> dict[str, Usage]:
        """Usage by project."""
        return self._days.setdefault(self.day, {})

    def turn(self, now_s: float) -> None:
        """Begin the day of `now_s`, if it is a later one. A clock that goes back brings no day back."""
        day = day_of(now_s)
        if day > self.day:
            self.day = day
            self._days = {known: usages for known, usages in self._days.items() if known >= day}
            self._touched = set(self.today)

    def admit(self, project: str, found: Collection[int], now_s: float) -> set[int]:
        """Take traces of a project, by their fingerprints, as far as its limit goes. Returns those beyond it.

        A trace that was taken today is taken again, whatever the limit.
        """
        self.turn(now_s)
        if not found:
            return set()
        project = self.counted_as(project)
        usage = self._usage(self.day, project)
        new = usage.traces.missing(found)
        if not new:
            return set()
        refused: list[int] = []
        limit = self.limit_of(project)
        if limit:
            room = max(0, limit - usage.traces.traces)
            new, refused = new[:room], new[room:]
        if new := usage.traces.add(new):
            usage.unshared += new
            self._touch(project, usage, now_s)
        if not limit:
            usage.traces.bound()
        return set(refused)

    def refuse(self, project: str, spans: int, now_s: float) -> None:
        """Count spans that were refused."""
        project = self.counted_as(project)
        usage = self._usage(self.day, project)
        usage.refused_here += spans
        self._touch(project, usage, now_s)

    def join(self, record: UsedTraces, now_s: float) -> None:
        """Take in what another replica has told. Raises ValueError where its fingerprints are none."""
        self.turn(now_s)
        if record.replica == self.replica or record.day not in (self.day, self.day + 1):
            return
        found = unpacked(record.fingerprints)
        project = self.counted_as(record.project, record.day)
        usage = self._usage(record.day, project)
        usage.traces.sample(record.shift)
        usage.traces.add(found)
        if not self.limit_of(project):
            usage.traces.bound()
        if record.refused_spans:
            usage.refused[record.replica] = record.refused_spans
        self._touched.add(project)

    def counted_as(self, project: str, day: int | None = None) -> str:
        """The name under which a project is counted: its own, while there are not too many."""
        usages = self._days.setdefault(self.day if day is None else day, {})
        return project if project in usages or len(usages) < MOST_PROJECTS else OTHER

    def urgent(self, project: str) -> bool:
        """Whether others should know at once what they do not know of a project."""
        project = self.counted_as(project)
        usage = self.today.get(project)
        limit = self.limit_of(project)
        if not usage or not usage.unshared or not limit:
            return False
        unshared = len(usage.unshared)
        return unshared * SHARE_AT >= limit or unshared * SHARE_NEAR >= limit - usage.traces.traces

    def shareable(self, now_s: float, everything: bool = False) -> Iterator[UsedTraces]:
        """What is due to be told to the others, or all that can be told. `untold` takes it back."""
        self.turn(now_s)
        for project, usage in list(self.today.items()):
            since = usage.unshared_since
            if since is None:
                continue
            if not (everything or self.urgent(project) or now_s - since >= SHARE_AFTER_S):
                continue
            end = 1 << (32 - usage.traces.shift)
            told = [number for number in usage.unshared if number < end]
            usage.unshared, usage.unshared_since = [], None
            for start in range(0, max(1, len(told)), MOST_IN_RECORD):
                yield UsedTraces(
                    v=USAGE_VERSION,
                    project=project,
                    day=self.day,
                    replica=self.replica,
                    shift=usage.traces.shift,
                    refused_spans=usage.refused_here,
                    fingerprints=packed(told[start : start + MOST_IN_RECORD]),
                )

    def untold(self, record: UsedTraces, now_s: float) -> None:
        """Nobody has heard this: it is to be told again."""
        if record.day == self.day:
            usage = self._usage(record.day, record.project)
            usage.unshared += unpacked(record.fingerprints)
            self._touch(record.project, usage, now_s)

    def reached(self) -> Iterator[tuple[str, int, int, int]]:
        """(project, percent, traces, limit) of each threshold that was reached since it was asked last."""
        touched, self._touched = self._touched, set()
        for project in touched:
            usage, limit = self.today.get(project), self.limit_of(project)
            if usage is None or not limit:
                continue
            traces = usage.traces.traces
            percent = max((level for level in THRESHOLDS if traces * 100 >= limit * level), default=0)
            if percent and (usage.told[1] != limit or percent > usage.told[0]):
                usage.told = percent, limit
                yield project, percent, traces, limit

    def forget(self, project: str) -> None:
        """A threshold was reached, and nobody could be told: `reached` is to say it again."""
        if usage := self.today.get(project):
            usage.told = 0, 0
            self._touched.add(project)

    def _usage(self, day: int, project: str) -> Usage:
        usages = self._days.setdefault(day, {})
        usage = usages.get(project)
        if usage is None:
            usage = usages[project] = Usage()
        return usage

    def _touch(self, project: str, usage: Usage, now_s: float) -> None:
        self._touched.add(project)
        if usage.unshared_since is None:
            usage.unshared_since = now_s
