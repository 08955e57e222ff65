"""How the calls of a series look: shares and sums by model, prompt version and release. Pure counts.

The same record holds what calls looked like before (learned by the fold) and since a signal began to deviate
(in an excursion), so that the two can be compared. All sums are whole numbers: any order gives the same.
"""

from collections.abc import Mapping
from typing import Self, TypeVar

from msgspec import Struct, field

VALUES = 8  # different models (versions, releases) that are told apart
OTHER = ""  # stands for all others, and for calls that name none
NAME_CHARS = 200  # of a name that are kept
MOST_CALLS = 4000  # counted before everything is halved: old calls fade

Value = TypeVar("Value")

_NANO = 1e9
_MOST_USD = 1e6  # a call; more would overflow the sum


class Usage(Struct, array_like=True):
    """Sums over the calls of one model."""

    calls: int = 0
    nano_usd: int = 0
    counted: int = 0  # calls that report tokens
    input_tokens: int = 0  # cached ones included
    cached_tokens: int = 0
    output_tokens: int = 0

    @property
    def cost(self) -> float:
        """USD."""
        return self.nano_usd / _NANO

    def add(
        self,
        cost: float | None,
        input_tokens: int | None,
        cached_tokens: int | None,
        output_tokens: int | None,
    ) -> None:
        """Count one call; None is what it does not tell."""
        self.calls += 1
        if cost is not None:
            self.nano_usd += round(cost * _NANO) if 0.0 <= cost <= _MOST_USD else _far_nano_usd(cost)
        if input_tokens is not None or output_tokens is not None:
            self.counted += 1
            if input_tokens:
                self.input_tokens += input_tokens
                if cached_tokens:
                    self.cached_tokens += min(cached_tokens, input_tokens)
            if output_tokens:
                self.output_tokens += output_tokens

    def merge(self, other: Self) -> None:
        """Add another model's sums."""
        self.calls += other.calls
        self.nano_usd += other.nano_usd
        self.counted += other.counted
        self.input_tokens += other.input_tokens
        self.cached_tokens += other.cached_tokens
        self.output_tokens += other.output_tokens

    def halved(self) -> Self:
        """Half of everything."""
        return type(self)(
            self.calls // 2,
            self.nano_usd // 2,
            self.counted // 2,
            self.input_tokens // 2,
            self.cached_tokens // 2,
            self.output_tokens // 2,
        )


class Habit(Struct, array_like=True):
    """What calls look like. Dicts are sorted by name, so equal content gives equal bytes."""

    calls: int = 0
    failed: int = 0
    models: dict[str, Usage] = field(default_factory=dict)  # of calls whose cost is known
    unpriced: dict[str, Usage] = field(default_factory=dict)  # ... is not known
    versions: dict[str, int] = field(default_factory=dict)  # of the prompt
    releases: dict[str, int] = field(default_factory=dict)

    def add(
        self,
        model: str,
        version: str,
        release: str,
        cost: float | None,
        input_tokens: int | None,
        cached_tokens: int | None,
        output_tokens: int | None,
        failed: bool,
    ) -> None:
        """Count one call; None is what it does not tell."""
        model = model[:NAME_CHARS]
        usages = self.unpriced if cost is None else self.models
        usage = usages.get(model)
        if usage is None:
            usage = _usage(usages, model)
        usage.add(cost, input_tokens, cached_tokens, output_tokens)
        self.calls += 1
        self.failed += failed
        _count(self.versions, version[:NAME_CHARS], 1)
        _count(self.releases, release[:NAME_CHARS], 1)

    def count(self, model: str, version: str, release: str, priced: bool, usage: Usage) -> None:
        """Count calls that have all of this in common. Failed ones are the caller's to count."""
        _usage(self.models if priced else self.unpriced, model).merge(usage)
        self.calls += usage.calls
        _count(self.versions, version, usage.calls)
        _count(self.releases, release, usage.calls)

    def merge(self, other: Self) -> None:
        """Add another habit's counts."""
        self.calls += other.calls
        self.failed += other.failed
        for mine, others in ((self.models, other.models), (self.unpriced, other.unpriced)):
            for name, usage in others.items():
                _usage(mine, name).merge(usage)
        for name, count in other.versions.items():
            _count(self.versions, name, count)
        for name, count in other.releases.items():
            _count(self.releases, name, count)

    def copy(self) -> Self:
        """An independent one, faded: what calls look like from now on."""
        twin = type(self)()
        twin.merge(self)
        twin.fade()
        return twin

    def fade(self) -> None:
        """Halve everything where more than `MOST_CALLS` were counted."""
        while self.calls >= MOST_CALLS:
            self.calls //= 2
            self.failed //= 2
            self.models = {name: usage.halved() for name, usage in self.models.items() if usage.calls > 1}
            self.unpriced = {name: usage.halved() for name, usage in self.unpriced.items() if usage.calls > 1}
            self.versions = {name: count // 2 for name, count in self.versions.items() if count > 1}
            self.releases = {name: count // 2 for name, count in self.releases.items() if count > 1}

    @property
    def priced(self) -> Usage:
        """Sums over all calls whose cost is known."""
        return _sum(self.models)

    @property
    def all(self) -> Usage:
        """Sums over all calls; the cost is that of the calls where it is known."""
        total = _sum(self.models)
        total.merge(_sum(self.unpriced))
        return total

    def calls_by_model(self) -> dict[str, int]:
        """Calls of each model, priced or not."""
        counts = {name: usage.calls for name, usage in self.models.items()}
        for name, usage in self.unpriced.items():
            counts[name] = counts.get(name, 0) + usage.calls
        return counts


def _far_nano_usd(cost: float) -> int:
    return round(min(max(cost, 0.0), _MOST_USD) * _NANO)


def _sum(usages: Mapping[str, Usage]) -> Usage:
    total = Usage()
    for usage in usages.values():
        total.merge(usage)
    return total


def _usage(usages: dict[str, Usage], name: str) -> Usage:
    if name in usages:
        return usages[name]
    if not _has_room(usages, name):
        return _usage(usages, OTHER)
    _insert(usages, name, usage := Usage())
    return usage


def _count(counts: dict[str, int], name: str, by: int) -> None:
    if name in counts:
        counts[name] += by
    elif _has_room(counts, name):
        _insert(counts, name, by)
    else:
        _count(counts, OTHER, by)


def _has_room(names: Mapping[str, object], name: str) -> bool:
    return name == OTHER or len(names) - (OTHER in names) < VALUES


def _insert(entries: dict[str, Value], name: str, value: Value) -> None:
    """Add a new name at its place: names are few, and seldom new."""
    entries[name] = value
    ordered = sorted(entries.items())
    entries.clear()
    entries.update(ordered)
