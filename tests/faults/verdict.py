"""Is what a run left behind what a quiet run of the same log leaves?"""

import asyncio
import time
from collections.abc import Mapping
from typing import TypeVar

from e2e.truth import Outcome as Left
from e2e.truth import actual_run, landed_run, records, replayed_run
from faults.attack import Outcome
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DETECT_CHANGELOG
from lumina_streams.core.series.revision import revision_of

SETTLE_S = 60.0

K = TypeVar("K")


def compared(truth: Left, actual: Left, spans: bool = True) -> Outcome:
    """Counts of what differs."""
    outcome = Outcome(
        baselines=_unequal(truth.tables, actual.tables), alerts=_unequal(truth.alerts, actual.alerts)
    )
    if different_books := _unequal(truth.books, actual.books):
        outcome.broken.append(f"{different_books} partitions with other rules")
    if different_scores := _unequal(truth.scores, actual.scores):
        outcome.broken.append(f"{different_scores} calls without their score, or with another one")
    if spans:
        both = truth.spans.keys() & actual.spans.keys()
        different = sum(truth.spans[key] != actual.spans[key] for key in both)
        outcome.lost = len(truth.spans.keys() - actual.spans.keys()) + different
        outcome.duplicated = len(actual.spans.keys() - truth.spans.keys())
    return outcome


def _unequal(truth: Mapping[K, object], actual: Mapping[K, object]) -> int:
    keys = truth.keys() | actual.keys()
    return sum(truth.get(key) != actual.get(key) for key in keys)


async def verdict(settings: Settings, spans: int, settle_s: float = SETTLE_S) -> Outcome:
    """Wait until the topics hold exactly what a quiet run leaves, and say what still differs in the end.

    `spans` is how many were sent: what is compared must be all of it, and it must raise alerts. Compared are
    both truths: that of what landed, and that of `lumina.spans` as it is, ticks and duplicates included.
    """
    truth = await landed_run(settings)
    deadline = time.monotonic() + settle_s
    while True:
        outcome = compared(truth, await actual_run(settings, clocks=False))
        if outcome.exact or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.2)
    if outcome.exact:
        outcome = await same_log_same_alerts(settings, deadline)
    if len(truth.spans) != spans:
        outcome.broken.append(f"{len(truth.spans)} spans landed, {spans} were sent")
    if not truth.alerts:
        outcome.broken.append("no alert was raised: equal alerts prove nothing")
    return outcome


async def same_log_same_alerts(settings: Settings, deadline: float) -> Outcome:
    """Compare with a replay of `lumina.spans` alone, until `deadline` on the monotonic clock."""
    while True:
        outcome = compared(await replayed_run(settings), await actual_run(settings, clocks=True), spans=False)
        if outcome.exact or time.monotonic() > deadline:
            return outcome
        await asyncio.sleep(0.2)


async def written_by_former_owners(settings: Settings) -> int:
    """Records of the table's changelog that lie behind one of a later term of the same key."""
    terms: dict[bytes, int] = {}
    stale = 0
    for record in await records(settings, settings.topic(DETECT_CHANGELOG)):
        term = revision_of(record.value).term
        stale += term < terms.get(record.key, 0)
        terms[record.key] = max(term, terms.get(record.key, 0))
    return stale
