"""What a sender hears whose project has had its traces of the day.

429 and RESOURCE_EXHAUSTED, with the time until which coming again is of no use. A sender that honours it
sees that this is longer than it would ever wait, and gives the spans up at once: OpenTelemetry's Collector
(300 s), its Go and its Python SDK (10 s) do. Without that time they would try again and again, for as long,
and hold up what others send.
"""

import math
from collections.abc import Iterable

from lumina_api.gateway.refusal import Code, Refusal
from lumina_api.usage.report import ProjectUsage
from lumina_schemas.usage import DAY_S

LONGEST_WAIT_S = 3_600
"""A sender told to wait for longer would not hear of a limit that was raised."""


def said(usages: Iterable[ProjectUsage]) -> str:
    """What happened, what it means, what to do."""
    return " ".join(
        f"Project {usage.project} has had {usage.traces} distinct traces today, its limit is {usage.limit}. "
        f"New traces are refused until {usage.resets_at}; spans of traces that were taken already are taken."
        for usage in usages
    ) + (" To raise it: LUMINA_DAILY_TRACE_LIMIT, or daily_trace_limit of the project's settings.")


def over_limit(usages: Iterable[ProjectUsage], now_s: float) -> Refusal:
    """The refusal of a request all of whose traces are beyond the limits of these projects."""
    usages = sorted(usages, key=lambda usage: usage.project)
    first = usages[0]
    left_s = math.ceil(DAY_S - now_s % DAY_S)
    return Refusal(
        429,
        Code.RESOURCE_EXHAUSTED,
        said(usages),
        retry_after_s=min(left_s, LONGEST_WAIT_S),
        headers={
            "x-ratelimit-limit": str(first.limit),
            "x-ratelimit-used": str(first.traces),
            "x-ratelimit-remaining": "0",
            "x-ratelimit-reset": str(int(now_s) + left_s),
        },
    )
