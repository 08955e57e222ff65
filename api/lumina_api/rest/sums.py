"""What all sums have in common: their parameters, their steps, and what goes out of a row."""

from typing import Literal, get_args

from pydantic import Field

from lumina_api.rest.answer import optional_moment
from lumina_api.rest.moment import NS, rfc3339
from lumina_api.rest.parameters import Limit, NoParameters, SpanParameters
from lumina_api.rest.problem import Problem, wrong_parameter
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Row
from lumina_api.views.sums import GROUPS, Group

Interval = Literal["1m", "5m", "15m", "1h", "6h", "1d"]
STEPS_S: dict[Interval, int] = {"1m": 60, "5m": 300, "15m": 900, "1h": 3_600, "6h": 21_600, "1d": 86_400}

# What one answer may hold: more is no chart and no table.
MOST_STEPS = 50_000

# Steps of a chart, where nobody asks for others.
USUAL_STEPS = 200

MOST_GROUPS = 3

_OF_SCORES = ("quality_reason", "quality_tier")
_GROUP_BY = ", ".join(group for group in GROUPS if group not in _OF_SCORES)


class BreakdownParameters(SpanParameters):
    """Sums by group."""

    group_by: list[str] = Field(
        default=["service"],
        max_length=MOST_GROUPS,
        description=f"Up to three of {_GROUP_BY}; repeated or separated by commas. A call counts under each "
        "of its tags; prompt_version brings prompt_name along.",
        examples=[["service", "model"]],
    )
    limit: Limit = 50


class QualityBreakdownParameters(BreakdownParameters):
    """Quality by group, which may be that of the scores too."""

    group_by: list[str] = Field(
        default=["service"],
        max_length=MOST_GROUPS,
        description=f"Up to three of {', '.join(GROUPS)}; repeated or separated by commas.",
        examples=[["endpoint", "quality_reason"]],
    )


class StepParameters(NoParameters):
    """How time is cut."""

    interval: Interval | None = Field(
        default=None,
        description=f"Length of a step, which begins at a multiple of it. Default: the shortest with at most "
        f"{USUAL_STEPS} steps.",
        examples=["1h"],
    )


class ErrorParameters(BreakdownParameters, StepParameters):
    """Failed calls by group, and over time."""


class TimelineParameters(SpanParameters, StepParameters):
    """Sums over time."""

    group_by: list[str] = Field(
        default=[],
        max_length=MOST_GROUPS,
        description=f"A line for each group: up to three of {_GROUP_BY}. Default: one line for all.",
        examples=[["model"]],
    )
    limit: Limit = Field(default=10, description="Most lines: those of the largest groups.")


def groups_of(asked: list[str], of_scores: bool = False) -> tuple[Group, ...]:
    """The groups of a parameter, in one order. Problem 422 for what is none, and for too many.

    A version is one of a prompt: its name comes along.
    """
    names = [name.strip() for entry in asked for name in entry.split(",") if name.strip()]
    allowed = [group for group in GROUPS if of_scores or group not in _OF_SCORES]
    if wrong := [name for name in names if name not in allowed]:
        raise wrong_parameter(
            "group_by", f"{', '.join(map(repr, wrong[:3]))} is none of {', '.join(allowed)}"
        )
    if len(set(names)) > MOST_GROUPS:
        raise wrong_parameter("group_by", f"{len(set(names))} groups are more than {MOST_GROUPS} at once")
    wanted = {*names, "prompt_name"} if "prompt_version" in names else set(names)
    return tuple(group for group in allowed if group in wanted)


def interval_of(asked: Interval | None, filters: Filters, now: int) -> Interval:
    """The interval that was asked for, else the one that suits the time."""
    if asked is not None:
        return asked
    return next((known for known in STEPS_S if _steps(known, filters, now) <= USUAL_STEPS), "1d")


def bound(interval: Interval, filters: Filters, lines: int, now: int) -> int:
    """Length of a step in ns. Problem 422 where an answer would hold too many."""
    steps = _steps(interval, filters, now)
    if steps * max(1, lines) > MOST_STEPS:
        raise Problem(
            422,
            f"interval: {steps} steps for {max(1, lines)} lines are more than one answer holds "
            f"({MOST_STEPS}). Ask for a longer interval, a shorter time, or a lower limit.",
            [("interval", "too short for this time and limit")],
        )
    return STEPS_S[interval] * NS


def _steps(interval: Interval, filters: Filters, now: int) -> int:
    until = filters.until if filters.until is not None else now
    return max(0, until - (filters.since or 0)) // (STEPS_S[interval] * NS) + 1


def frame(filters: Filters) -> dict[str, object]:
    """The time that an answer is about."""
    return {"since": optional_moment(filters.since), "until": optional_moment(filters.until)}


def step_of(row: Row) -> dict[str, object]:
    """The beginning of a step."""
    start_ns = row["start_ns"]
    assert isinstance(start_ns, int)
    return {"start": rfc3339(start_ns), "start_ns": start_ns}


def place(row: Row, groups: tuple[Group, ...]) -> tuple[object, ...]:
    """Which group a row is of."""
    return tuple(row[group] for group in groups)


def named(row: Row, groups: tuple[Group, ...]) -> dict[str, object]:
    """The values of its groups."""
    return {group: row[group] for group in groups}


class Lines:
    """Timelines of the chosen groups, in their order; rows of other groups are left out."""

    def __init__(self, chosen: list[Row], groups: tuple[Group, ...]) -> None:
        self._chosen = chosen
        self._groups = groups
        self._steps: dict[tuple[object, ...], list[dict[str, object]]] = {
            place(row, groups): [] for row in chosen
        }

    def add(self, row: Row, shown: dict[str, object]) -> None:
        """Add a step of the row's group; steps of one group come by time."""
        if (steps := self._steps.get(place(row, self._groups))) is not None:
            steps.append({**step_of(row), **shown})

    def items(self) -> list[dict[str, object]]:
        """What goes out: each group's values with its timeline."""
        return [
            {**named(row, self._groups), "timeline": steps}
            for row, steps in zip(self._chosen, self._steps.values(), strict=True)
        ]


assert set(STEPS_S) == set(get_args(Interval))
