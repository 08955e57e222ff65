"""Control messages: what lies beside span batches in `lumina.spans`, told apart by the header `lumina-type`.

They share the log of the series, so that a replay meets them where they were met the first time. Flows in:
`lumina.commands` (forwarded to the partition of the series), and what normalise says about its sources.
Rules, the third kind, are in `rule.py`.
"""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from lumina_schemas.alert import Feedback
from lumina_schemas.source import Source

CONTROL_VERSION = 1

TICK = b"tick"
COMMAND = b"command"
MARK = b"mark"
"""Values of the header `lumina-type`."""

Epoch = Annotated[str, Meta(min_length=1, max_length=64)]
Partitions = Annotated[int, Meta(ge=1, le=100_000)]
Moment = Annotated[datetime, Meta(tz=True)]


class Reached(Struct, frozen=True, gc=False):
    """How far one partition of a landing topic has gone into the log."""

    epoch: Epoch  # Kafka's id of the landing topic
    partition: Annotated[int, Meta(ge=0, lt=100_000)]
    offset: Annotated[int, Meta(ge=-1)]  # all up to here is in this log before the tick; -1: nothing yet
    time_ms: Annotated[
        int, Meta(ge=0)
    ]  # append time of the last record read, or of the look that found the end


class Tick(Struct, frozen=True, kw_only=True):
    """What a sender of spans says every few seconds to every partition of `lumina.spans`."""

    v: int  # CONTROL_VERSION
    sources: Annotated[
        dict[Epoch, Partitions], Meta(max_length=1000)
    ]  # all landing topics: partitions by epoch
    reached: tuple[Reached, ...] = ()  # the source partitions that the sender owns
    series: Annotated[dict[str, int], Meta(max_length=1000)] = {}  # project -> series it saw in 24 h


class Command(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What somebody wants done with an alert: the value of `lumina.commands`.

    `alert_id` and `series_id` are copied from the alert's record: the series names the partition that
    decides.
    """

    v: int  # CONTROL_VERSION
    type: Literal["acknowledge", "snooze", "resolve", "feedback"]
    alert_id: Annotated[str, Meta(min_length=1, max_length=64)]
    series_id: Annotated[str, Meta(pattern="^[0-9a-f]{16}$")]
    by: Annotated[str, Meta(min_length=1, max_length=200)]  # who asks: a name, an address, a tool
    note: Annotated[str, Meta(max_length=1000)] = ""
    until: Moment | None = None  # snooze: its end, RFC 3339 with offset, in the series' event time
    reason: Literal["manual", "false"] | None = None  # resolve: `false` = false alarm; absent = manual
    feedback: Feedback | None = None  # feedback: whether the alert was of use
    project: Annotated[str, Meta(max_length=500)] = ""  # of an alert of a whole project (budget, trace_limit)


class Mark(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that people did, told as a value of `lumina.commands`: a release, a new prompt, a price.

    It is offered as the cause of what begins soon after it. An empty name stands for all.
    """

    v: int  # CONTROL_VERSION
    type: Literal["mark"]
    id: Annotated[str, Meta(min_length=1, max_length=64)]  # a second one with this id changes nothing
    text: Annotated[str, Meta(min_length=1, max_length=200)]
    at: Moment  # when it was done, RFC 3339 with offset
    by: Annotated[str, Meta(min_length=1, max_length=200)]
    project: Annotated[str, Meta(max_length=500)] = ""
    service: Annotated[str, Meta(max_length=500)] = ""
    endpoint: Annotated[str, Meta(max_length=500)] = ""
    expected: bool = False  # levels that change with it are accepted, without an alert


class SeriesMark(Mark, frozen=True, kw_only=True, omit_defaults=True):
    """A mark in every partition of the log, with the position where it was first read."""

    src: Source


class SeriesCommand(Command, frozen=True, kw_only=True, omit_defaults=True):
    """A command in the log of its series: the command and the position where it was first read.

    `src` is `[epoch, "control", partition, offset, 0]` of `lumina.commands`. One that was written to
    `lumina.spans` directly has none: its position there counts.
    """

    src: Source | None = None


def problem_of(command: Command) -> str:
    """What is wrong with a command although each of its fields is fine, in words; "" = nothing."""
    if not command.by.strip():
        return "`by` is blank: say who asks."
    if command.type == "snooze" and command.until is None:
        return "A snooze needs `until`, the time of its end, such as 2026-01-01T08:00:00Z."
    if command.type != "snooze" and command.until is not None:
        return f"`until` belongs to a snooze; this is `{command.type}`."
    if command.type != "resolve" and command.reason is not None:
        return f"`reason` belongs to a resolve; this is `{command.type}`."
    if (command.type == "feedback") != (command.feedback is not None):
        return "`feedback` (useful or noise) and the type `feedback` go together."
    return ""
