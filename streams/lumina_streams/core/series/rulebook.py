"""What one partition of the log has been told about places: which rule is in force for which series, which
change markers meet it, and among how many series of its project it is."""

from collections.abc import Iterator
from itertools import product
from typing import Self

import msgspec
from msgspec import Struct

from lumina_schemas.control import Mark
from lumina_schemas.rule import Rule
from lumina_streams.core.baseline.moment import ms_of
from lumina_streams.core.series.positions import Heads, Positions
from lumina_streams.core.series.rules import Marker, Rules

BOOK_VERSION = 1

MOST_RULES = 1000
"""A book is one value of the table, and there is one in each partition: it must not grow without end."""

MOST_MARKS = 100  # the last ones
MARKS_MS = 7 * 86_400_000  # a mark that lies so far behind the log's clock explains nothing any more

MOST_PLACES = 65_536  # places whose rules are remembered; they are looked up again after that

OVERRIDES = tuple(name for name in Rules.__struct_fields__ if name in Rule.__struct_fields__)

Place = tuple[str, str, str]
"""Project, service, endpoint."""


class StoredMark(Struct, array_like=True, frozen=True, gc=False):
    """A mark, and the place that it is for."""

    marker: Marker
    project: str
    service: str
    endpoint: str

    def meets(self, place: Place) -> bool:
        """Whether it is for a series of this place: an empty name stands for all."""
        asked = (self.project, self.service, self.endpoint)
        return all(not name or name == found for name, found in zip(asked, place, strict=True))


class StoredBook(Struct, array_like=True, frozen=True):
    """A rule book as it is stored."""

    v: int
    heads: Heads
    rules: dict[str, Rule]
    marks: list[tuple[str, StoredMark]] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredBook).decode


class RuleBookFullError(ValueError):
    """There are as many rules as a book may hold."""


class RuleBook:
    """Rules by id, and the one that is in force for a place: endpoint before service before project, of
    equals the one with the smallest id. What it leaves open, and where none is, the defaults say.

    Beside them the marks, in the order in which they came, and the active series of the projects, which are
    not stored here: the partition's record has them.
    """

    __slots__ = ("_active", "_found", "_in_force", "_marks", "_rules", "_shared", "defaults", "positions")

    def __init__(self, defaults: Rules) -> None:
        self.defaults = defaults
        self.positions = Positions()
        """What it was told already: changes come in the order of their settings partition, or come again."""
        self._rules: dict[str, Rule] = {}
        self._in_force: dict[Place, Rules] = {}
        """By what rules name, empty names included."""
        self._found: dict[Place, Rules] = {}
        """By what series are called."""
        self._marks: dict[str, StoredMark] = {}
        self._active: dict[str, int] = {}
        self._shared: dict[tuple[int, int, tuple[Marker, ...]], Rules] = {}
        """Rules with marks and active series: one object for all places of which they are the same."""

    def take(self, rule_id: str, rule: Rule | None) -> None:
        """Set a rule, or remove it. The caller has asked `positions.advance(src)` first.

        Raises RuleBookFullError, and changes nothing, where a new rule would be one too many.
        """
        if rule is not None and rule_id not in self._rules and len(self._rules) >= MOST_RULES:
            raise RuleBookFullError(
                f"There are {MOST_RULES} rules already: remove one before adding another."
            )
        before = self._rules.pop(rule_id, None)
        if rule is not None:
            self._rules[rule_id] = rule
        for changed in {_place(one) for one in (before, rule) if one is not None}:
            self._settle(changed)
        self._forget_found()

    def take_mark(self, mark: Mark, clock_ms: int) -> bool:
        """Keep a mark, at the log's clock; False: one of its id is there already, and stays as it is. The
        caller has asked `positions.advance(src)` first.

        What the clock has left far behind goes, and the oldest where there are too many.
        """
        if mark.id in self._marks:
            return False
        marker = Marker(ms_of(mark.at), mark.text, mark.expected, mark.by)
        self._marks[mark.id] = StoredMark(marker, mark.project, mark.service, mark.endpoint)
        old = [known for known, kept in self._marks.items() if kept.marker.at_ms < clock_ms - MARKS_MS]
        for known in old or list(self._marks)[:-MOST_MARKS]:
            del self._marks[known]
        self._forget_found()
        return True

    def count(self, active: dict[str, int]) -> None:
        """Take the numbers of active series by project; of others the defaults say it."""
        if active != self._active:
            self._active = active
            self._forget_found()

    def rules_for(self, project: str, service: str, endpoint: str) -> Rules:
        """The rules in force for a series. Called for every call: remembered by name."""
        place = (project, service, endpoint)
        found = self._found.get(place)
        if found is None:
            if len(self._found) >= MOST_PLACES:
                self._forget_found()
            found = self._found[place] = self._find(place)
        return found

    def rule_of(self, project: str, service: str, endpoint: str) -> Rule | None:
        """The rule that is in force for a series, as it was asked; None: the defaults are."""
        for place in _covering((project, service, endpoint)):
            if ids := [rule_id for rule_id, rule in self._rules.items() if _place(rule) == place]:
                return self._rules[min(ids)]
        return None

    def marks_for(self, project: str, service: str, endpoint: str) -> tuple[Marker, ...]:
        """The marks that meet a series, newest last."""
        place = (project, service, endpoint)
        met = [(kept.marker.at_ms, mark_id, kept) for mark_id, kept in self._marks.items()]
        return tuple(kept.marker for _, _, kept in sorted(met, key=lambda one: one[:2]) if kept.meets(place))

    def _find(self, place: Place) -> Rules:
        asked = next(filter(None, map(self._in_force.get, _covering(place))), self.defaults)
        marks = self.marks_for(*place) if self._marks else ()
        active = self._active.get(place[0], asked.active_series)
        if not marks and active == asked.active_series:
            return asked
        key = (id(asked), active, marks)  # what is asked lives as long as this is remembered
        if key not in self._shared:
            self._shared[key] = msgspec.structs.replace(asked, marks=marks, active_series=active)
        return self._shared[key]

    def _forget_found(self) -> None:
        self._found.clear()
        self._shared.clear()

    @property
    def misses_silent(self) -> bool:
        """Whether any rule asks for an alert where a series falls silent."""
        return bool(self.defaults.no_data_after_s) or any(
            rule.no_data_after_s for rule in self._rules.values()
        )

    def _settle(self, place: Place) -> None:
        ids = [rule_id for rule_id, rule in self._rules.items() if _place(rule) == place]
        if ids:
            self._in_force[place] = self._asked(self._rules[min(ids)])
        else:
            self._in_force.pop(place, None)

    def _asked(self, rule: Rule) -> Rules:
        asked = {name: value for name in OVERRIDES if (value := getattr(rule, name)) is not None}
        return msgspec.structs.replace(self.defaults, **asked)

    def pack(self) -> bytes:
        """The book as bytes; equal books give equal bytes."""
        rules, marks = dict(sorted(self._rules.items())), list(self._marks.items())
        return _encode(StoredBook(BOOK_VERSION, self.positions.heads, rules, marks))

    @classmethod
    def unpack(cls, data: bytes, defaults: Rules) -> Self:
        """Inverse of `pack`. Raises ValueError for what it did not write."""
        try:
            stored = _decode(data)
        except msgspec.DecodeError as error:
            raise ValueError(f"Unreadable rule book ({error}); rebuild the table from the log.") from error
        if stored.v != BOOK_VERSION:
            raise ValueError(f"A rule book of version {stored.v}; this is version {BOOK_VERSION}.")
        book = cls(defaults)
        book.positions = Positions(stored.heads)
        book._rules = stored.rules
        book._marks = dict(stored.marks)
        for _, rule in sorted(stored.rules.items(), reverse=True):
            book._in_force[_place(rule)] = book._asked(rule)
        return book

    def __len__(self) -> int:
        return len(self._rules)


def _place(rule: Rule) -> Place:
    return rule.project, rule.service, rule.endpoint


def _covering(place: Place) -> Iterator[Place]:
    """What a rule may name to meet a place, the most specific first."""
    project, service, endpoint = place
    for by_endpoint, by_service, by_project in product((endpoint, ""), (service, ""), (project, "")):
        yield by_project, by_service, by_endpoint
