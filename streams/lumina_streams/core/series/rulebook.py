"""The rules that one partition of the log has been told: which of them is in force for which series."""

from collections.abc import Iterator
from itertools import product
from typing import Self

import msgspec
from msgspec import Struct

from lumina_schemas.rule import Rule
from lumina_streams.core.series.positions import Heads, Positions
from lumina_streams.core.series.rules import Rules

BOOK_VERSION = 1

MOST_RULES = 1000
"""A book is one value of the table, and there is one in each partition: it must not grow without end."""

MOST_PLACES = 65_536  # places whose rules are remembered; they are looked up again after that

OVERRIDES = tuple(name for name in Rules.__struct_fields__ if name in Rule.__struct_fields__)

Place = tuple[str, str, str]
"""Project, service, endpoint."""


class StoredBook(Struct, array_like=True, frozen=True):
    """A rule book as it is stored."""

    v: int
    heads: Heads
    rules: dict[str, Rule]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StoredBook).decode


class RuleBookFullError(ValueError):
    """There are as many rules as a book may hold."""


class RuleBook:
    """Rules by id, and the one that is in force for a place: endpoint before service before project, of
    equals the one with the smallest id. What it leaves open, and where none is, the defaults say.
    """

    __slots__ = ("_found", "_in_force", "_rules", "defaults", "positions")

    def __init__(self, defaults: Rules) -> None:
        self.defaults = defaults
        self.positions = Positions()
        """What it was told already: changes come in the order of their settings partition, or come again."""
        self._rules: dict[str, Rule] = {}
        self._in_force: dict[Place, Rules] = {}
        """By what rules name, empty names included."""
        self._found: dict[Place, Rules] = {}
        """By what series are called."""

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
        self._found.clear()

    def rules_for(self, project: str, service: str, endpoint: str) -> Rules:
        """The rules in force for a series. Called for every call: remembered by name."""
        place = (project, service, endpoint)
        found = self._found.get(place)
        if found is None:
            if len(self._found) >= MOST_PLACES:
                self._found.clear()
            found = next(filter(None, map(self._in_force.get, _covering(place))), self.defaults)
            self._found[place] = found
        return found

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
        return _encode(StoredBook(BOOK_VERSION, self.positions.heads, dict(sorted(self._rules.items()))))

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
