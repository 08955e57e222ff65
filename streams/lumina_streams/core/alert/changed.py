"""What separates new calls from old ones: model, prompt version, release; and what people said they did."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from lumina_schemas.alert import ChangedAttribute
from lumina_streams.core.baseline.excursion import Excursion
from lumina_streams.core.baseline.habit import OTHER, Habit
from lumina_streams.core.baseline.moment import rfc3339

GAIN = 0.3  # a value must be so much more common among new calls than before
MARK_BEFORE_MS = 30 * 60_000  # a mark so long before the deviation may be its cause ...
MARK_AFTER_MS = 5 * 60_000  # ... or so soon after it: people type it when it is done
MARKS = 5
NONE = "none"


class MarkEntry(Protocol):
    """What people said they did, as the rule in force holds it."""

    @property
    def at_ms(self) -> int:
        """When it was done, event time."""

    @property
    def text(self) -> str:
        """What was done."""

    @property
    def expected(self) -> bool:
        """Whether levels that change with it are accepted."""

    @property
    def by(self) -> str:
        """Who said so."""


def changed_attributes(
    before: Habit, excursion: Excursion, marks: Sequence[MarkEntry], since_ms: int
) -> tuple[ChangedAttribute, ...]:
    """Values that are common now and were not before, then marks near the beginning, the nearest first."""
    after = excursion.seen
    found = [
        model_switch(before, excursion, GAIN),
        _switch("prompt_version", before.versions, after.versions, excursion, GAIN),
        _switch("release", before.releases, after.releases, excursion, GAIN),
    ]
    near = marks_near(marks, since_ms)
    return (
        *(entry for entry in found if entry is not None),
        *(ChangedAttribute("mark", "", mark.text, at=rfc3339(mark.at_ms)) for mark in near),
    )


def model_switch(before: Habit, excursion: Excursion, gain: float) -> ChangedAttribute | None:
    """The model whose share grew most, where it grew by `gain` at least."""
    return _switch("request_model", before.calls_by_model(), excursion.seen.calls_by_model(), excursion, gain)


def _switch(
    what: str, before: Mapping[str, int], after: Mapping[str, int], excursion: Excursion, gain: float
) -> ChangedAttribute | None:
    """`share` is of the calls since the new value came: a deviation may seem to begin a little earlier."""
    calls_before, calls_after = sum(before.values()), sum(after.values())
    if not calls_before or not calls_after:
        return None

    def share_before(value: str) -> float:
        return before.get(value, 0) / calls_before

    gains = {
        value: count / calls_after - share_before(value) for value, count in after.items() if value != OTHER
    }
    to = max(gains, key=lambda value: (gains[value], value), default=OTHER)
    if to == OTHER or gains[to] < gain:
        return None
    others = [value for value in before if value != to]
    from_ = max(others, key=lambda value: (before[value], value), default=OTHER)
    share = after[to] / (calls_after - excursion.later.get(what, {}).get(to, 0))
    return ChangedAttribute(what, from_ or NONE, to, round(share_before(to), 4), round(share, 4))


def marks_near(marks: Sequence[MarkEntry], since_ms: int) -> list[MarkEntry]:
    """Marks that may be the cause of what began at `since_ms`."""
    near = [mark for mark in marks if since_ms - MARK_BEFORE_MS <= mark.at_ms <= since_ms + MARK_AFTER_MS]
    return sorted(near, key=lambda mark: (abs(mark.at_ms - since_ms), mark.at_ms, mark.text))[:MARKS]
