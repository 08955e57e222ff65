"""What is settled for one project: values of `projects/<name>` in `lumina.settings`. And its log.

`lumina.projects` is to a project what `lumina.spans` is to a series: all that changes its state, in order.
Its messages are told apart by the header `lumina-type`: `spend`, `traces`, `budget` (budget.py), `command`
and `tick` (control.py). The log's time is that of arrival, which the broker notes. A tick holds nothing: it
lies where something is due, so that there is a record of that time. Budgets and ticks lie on partitions, all
others on that of their project.
"""

from typing import Annotated

from msgspec import Meta, Struct

from lumina_schemas.source import Place

PROJECT_VERSION = 1

KIND = "projects/"
"""What the key of a project's settings in `lumina.settings` begins with; its name follows."""

SPEND = b"spend"
TRACES = b"traces"
BUDGET = b"budget"
"""Values of the header `lumina-type`; commands and ticks have those of `control.py`."""

LAST_DAY = 2_000_000
"""Of those that have a date."""

Project = Annotated[str, Meta(min_length=1, max_length=500)]


class ProjectSettings(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """In place of the environment's settings, for one project. Absent: as those say."""

    v: int  # PROJECT_VERSION
    retention_days: Annotated[float, Meta(ge=0)] | None = None  # 0 = for ever
    daily_trace_limit: Annotated[int, Meta(ge=0)] | None = None  # 0 = no limit


class SpendItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the calls of one message of `lumina.spans` cost, for one service and one UTC day."""

    offset: Annotated[int, Meta(ge=0)]  # of that message
    service: str
    day: Annotated[int, Meta(ge=0, le=LAST_DAY)]  # days since 1970, by the start of the calls
    calls: Annotated[int, Meta(ge=0)]
    usd: Annotated[float, Meta(ge=0)] = 0.0  # of the priced ones
    unpriced: Annotated[int, Meta(ge=0)] = 0
    copied: tuple[Place, ...] = ()  # the message is a copy (`lumina partitions`) of those that lay there


class Spend(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What detect saw in one run for one project, key = project. Items are in the order of their offsets.

    Written at least once, before the states of that run: an item whose offset is not higher than the last one
    counted of the same (epoch, partition) was counted already, and so was one whose original was. What comes
    again may be less than the first time, never more. All items of one offset are in one message. The
    cost of sampled traffic stands for what was not sent too; calls are those that came.
    """

    v: int  # PROJECT_VERSION
    project: Project
    epoch: str  # Kafka's id of `lumina.spans`
    partition: Annotated[int, Meta(ge=0)]
    items: tuple[SpendItem, ...]


class Traces(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A gateway says that a project has reached a share of its limit of distinct traces today.

    Every gateway says it; the first one counts.
    """

    v: int  # PROJECT_VERSION
    project: Project
    day: Annotated[int, Meta(ge=0, le=LAST_DAY)]  # days since 1970, UTC
    percent: Annotated[int, Meta(ge=1, le=100)]  # 90 or 100
    traces: Annotated[int, Meta(ge=0)]
    limit: Annotated[int, Meta(ge=1)]
    at_ms: Annotated[int, Meta(ge=0)]  # when the gateway saw it
