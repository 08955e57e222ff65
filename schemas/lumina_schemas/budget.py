"""Budgets: what a project, or a service of it, may cost in a day or a month. Values of `lumina.settings`."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from lumina_schemas.source import Source

BUDGET_VERSION = 1

KIND = "budgets/"
"""What the key of a budget in `lumina.settings` begins with; its id follows."""

THRESHOLDS = (50, 80, 100)
"""Percent of a budget at which its alert is raised, and raised further."""

BudgetId = Annotated[str, Meta(min_length=1, max_length=100)]
Period = Literal["day", "month"]
"""Of UTC, by the time at which the calls began."""


class Budget(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """So much may the calls of a place cost in one period."""

    v: int  # BUDGET_VERSION
    project: Annotated[str, Meta(min_length=1, max_length=500)]
    service: Annotated[str, Meta(max_length=500)] = ""  # "" = all of the project
    period: Period
    usd: Annotated[float, Meta(gt=0)]


class BudgetChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A budget in the log of its project (`lumina.projects`): set, changed, or removed (`budget` is null).

    `src` is `[epoch, "control", partition, offset, 0]` of `lumina.settings`.
    """

    v: int  # BUDGET_VERSION
    id: BudgetId
    src: Source
    budget: Budget | None = None
