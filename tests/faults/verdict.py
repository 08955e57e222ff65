"""Is what a run left behind what a quiet run of the same log leaves?"""

import asyncio
import time
from collections.abc import Mapping

from e2e.truth import Outcome as Left
from e2e.truth import actual_run, quiet_run
from faults.attack import Outcome
from lumina_schemas.settings import Settings

SETTLE_S = 60.0


def compared(truth: Left, actual: Left) -> Outcome:
    """Counts of what differs."""
    different = [
        key for key in truth.spans.keys() & actual.spans.keys() if truth.spans[key] != actual.spans[key]
    ]
    return Outcome(
        lost=len(truth.spans.keys() - actual.spans.keys()) + len(different),
        duplicated=len(actual.spans.keys() - truth.spans.keys()),
        baselines=_unequal(truth.tables, actual.tables),
        alerts=_unequal(truth.alerts, actual.alerts),
    )


def _unequal(truth: Mapping[str, object], actual: Mapping[str, object]) -> int:
    keys = truth.keys() | actual.keys()
    return sum(truth.get(key) != actual.get(key) for key in keys)


async def verdict(settings: Settings, spans: int, settle_s: float = SETTLE_S) -> Outcome:
    """Wait until the topics hold exactly what a quiet run leaves, and say what still differs in the end.

    `spans` is how many were sent: what is compared must be all of it, and it must raise alerts.
    """
    truth = await quiet_run(settings)
    deadline = time.monotonic() + settle_s
    while True:
        outcome = compared(truth, await actual_run(settings))
        if outcome.exact or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    if len(truth.spans) != spans:
        outcome.broken.append(f"{len(truth.spans)} spans landed, {spans} were sent")
    if not truth.alerts:
        outcome.broken.append("no alert was raised: equal alerts prove nothing")
    return outcome
