"""Calls rolled up over five minutes: which buckets hold, which have to be rolled anew, and doing so.

A batch takes the buckets in which it changes anything out of `rolled`, in its own transaction: from then on
questions read the calls themselves there. Once nothing has changed in a bucket for a while it is rolled anew.
So sums are exact at any time, and what reaches over days reads few rows.
"""

import time
from collections.abc import Iterable

import duckdb

from lumina_schemas.views import part

STEP_NS = 5 * 60 * 10**9

MAX_NS = 2**63 - 1

# Scores follow their calls, spans of one trace each other: rolled sooner, a bucket would be rolled often.
QUIET_S = 60.0

# A transaction costs more than a bucket of a quiet hour: so many together, after a rebuild.
AT_ONCE = 6


WITHIN = "start_ns BETWEEN $first_ns AND $last_ns"


def facts_of(where: str, within: str, judged: bool) -> str:
    """The calls that fulfil two conditions, as rows of `calls_5m`.

    `within` asks for times alone; `judged` joins the scores of these times.
    """
    quality = part("facts.judged").format(within=within) if judged else part("facts.unjudged")
    return part("facts.of_call").format(where=f"{where} AND {within}", quality=quality)


class RollUp:
    """The buckets of one file, as its only writer knows them; named by their beginning, Unix time in ns."""

    def __init__(self) -> None:
        self._rolled: set[int] = set()
        self._changed: dict[int, float] = {}
        self._loaded = False

    def load(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Learn what an earlier process has left, once; what it left unrolled is due at once."""
        if self._loaded:
            return
        self._rolled = {bucket for (bucket,) in connection.execute(part("rolled")).fetchall()}
        every = connection.execute(part("rolled.candidates"), {"step_ns": STEP_NS}).fetchall()
        for (bucket,) in every:
            if bucket not in self._rolled:
                self._changed.setdefault(bucket, float("-inf"))
        self._loaded = True

    def forget(self, connection: duckdb.DuckDBPyConnection, starts: Iterable[int]) -> set[int]:
        """Take out the buckets of calls that change, in the transaction that is open; returns them."""
        self.load(connection)
        buckets = {start // STEP_NS * STEP_NS for start in starts}
        if stale := buckets & self._rolled:
            connection.execute(part("rolled.forget"), {"buckets": sorted(stale)})
        return buckets

    def before(self, ns: int) -> list[int]:
        """The buckets that begin before a time."""
        return [bucket for bucket in (*self._rolled, *self._changed) if bucket < ns]

    def drop(self, connection: duckdb.DuckDBPyConnection, before_ns: int) -> None:
        """Delete the buckets before a time, where no call is left, in the transaction that is open."""
        before = {"before_ns": before_ns // STEP_NS * STEP_NS}
        for what in ("rolled.drop", "rolled.drop_sums"):
            connection.execute(part(what), before)

    def dropped(self, before_ns: int) -> None:
        """The transaction in which they were dropped is written."""
        before_ns = before_ns // STEP_NS * STEP_NS
        self._rolled = {bucket for bucket in self._rolled if bucket >= before_ns}
        self._changed = {bucket: at for bucket, at in self._changed.items() if bucket >= before_ns}

    def forgotten(self, buckets: set[int]) -> None:
        """The transaction in which they changed is written."""
        self._rolled -= buckets
        now = time.monotonic()
        for bucket in buckets:
            self._changed[bucket] = now

    def due(self) -> list[int]:
        """The oldest bucket that wants to be rolled now, and those behind it without a gap."""
        until = time.monotonic() - QUIET_S
        due = sorted(bucket for bucket, at in self._changed.items() if at <= until)
        return [bucket for place, bucket in enumerate(due[:AT_ONCE]) if bucket == due[0] + place * STEP_NS]

    def roll(self, connection: duckdb.DuckDBPyConnection, buckets: list[int]) -> None:
        """Roll neighbouring buckets, in a transaction of their own."""
        between = {"first_ns": buckets[0], "last_ns": min(buckets[-1] + STEP_NS - 1, MAX_NS)}
        connection.begin()
        try:
            connection.execute(part("rolled.clear"), between)
            connection.execute(
                part("rolled.fill").format(facts=facts_of("true", WITHIN, judged=True)),
                {"step_ns": STEP_NS, **between},
            )
            connection.execute(part("rolled.mark"), {"buckets": buckets})
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        self._rolled.update(buckets)
        for bucket in buckets:
            del self._changed[bucket]
