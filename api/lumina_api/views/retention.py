"""How long the views keep what: from when on rows are kept, and deleting older ones in small steps.

The times follow from the clock and the settings alone: rows stay until the time of day of LUMINA_RETENTION_AT
that follows their last day. What arrives older than that is not stored at all, so that views that are built
anew hold the same rows as those that have let go of them.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import duckdb
import msgspec
from msgspec import Struct

from lumina_api.views.batch import Batch, StoredAlert
from lumina_api.views.rollup import STEP_NS, RollUp
from lumina_api.views.traces import Touched
from lumina_schemas.project import ProjectSettings
from lumina_schemas.settings import Settings
from lumina_schemas.views import part

DAY_NS = 86_400 * 10**9
MINUTE_NS = 60 * 10**9
MAX_NS = 2**63 - 1

AUDIT_DAYS = 90
"""As long as its topic has them."""

STEP_ROWS = 4_096
"""Rows that one transaction deletes: the batches of the log wait for it."""

OF_SPANS = ("scores", "corrections")
"""Tables with `project` and `start_ns` whose rows go with spans of their time."""


class Timed(NamedTuple):
    """A table that is emptied by a time of its own."""

    table: str
    at: str
    """Its column of Unix time in ns; NULL is kept."""
    days: float | None = None
    """In place of the retention in force."""


BY_TIME = (
    Timed("contents", "arrived_ns"),
    Timed("alerts", "resolved_ns"),
    Timed("audit", "at_ns", AUDIT_DAYS),
)
"""What is not deleted with spans; alerts that are not resolved stay."""

PLANNED = (Timed("spans", "start_ns"), *(Timed(table, "start_ns") for table in OF_SPANS), *BY_TIME)
"""What a plan counts."""


class Cuts(NamedTuple):
    """Times (Unix, ns) before which rows go. 0 = none goes."""

    run_ns: int
    """When they begin to hold."""
    default_ns: int
    projects: tuple[tuple[str, int], ...] = ()
    """Those of projects with a retention of their own."""

    def of(self, project: str) -> int:
        """The time of a project."""
        return dict(self.projects).get(project, self.default_ns)

    @property
    def latest_ns(self) -> int:
        """What is younger stays in every project."""
        return max([self.default_ns, *(at for _, at in self.projects)])

    @property
    def earliest_ns(self) -> int:
        """What is older goes in every project."""
        return min([self.default_ns, *(at for _, at in self.projects)])

    def at_days(self, days: float) -> int:
        """The time of what is kept for so many days in every project, unless all is kept for ever."""
        return _cut(self.run_ns, days) if self.default_ns else 0

    def values(self, of: Timed) -> dict[str, object]:
        """Parameters of the statements `retire.*` for a table."""
        if of.days is not None:
            at = self.at_days(of.days)
            return {"projects": [], "cuts": [], "before_ns": at, "latest_ns": at}
        return {
            "projects": [project for project, _ in self.projects],
            "cuts": [at for _, at in self.projects],
            "before_ns": self.default_ns,
            "latest_ns": self.latest_ns,
        }


@dataclass(frozen=True)
class Policy:
    """How long rows are kept, days; 0 = for ever."""

    days: float = 0.0
    at_minute: int = 0
    """Of the day, UTC."""
    projects: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings) -> "Policy":
        """As the environment says."""
        hours, minutes = settings.retention_at.split(":")
        return cls(settings.retention_days, int(hours) * 60 + int(minutes))

    def last_run(self, now_ns: int) -> int:
        """The time of day at which retention was last due."""
        at_ns = self.at_minute * MINUTE_NS
        return (now_ns - at_ns) // DAY_NS * DAY_NS + at_ns

    def cuts(self, run_ns: int) -> Cuts:
        """What goes at a time at which retention is due."""
        return Cuts(
            run_ns,
            _cut(run_ns, self.days),
            tuple((project, _cut(run_ns, days)) for project, days in sorted(self.projects.items())),
        )

    def in_force(self, now_ns: int) -> Cuts:
        """What is gone now."""
        return self.cuts(self.last_run(now_ns))

    def next(self, now_ns: int) -> Cuts:
        """What goes the next time."""
        return self.cuts(self.last_run(now_ns) + DAY_NS)


FOR_EVER = Policy()


def young(batch: Batch, cuts: Cuts) -> tuple[Batch, list[StoredAlert]]:
    """The batch without what is too old to be stored, which is counted; and the alerts among that."""
    if not cuts.latest_ns:
        return batch, []
    before = _Before(cuts)
    spans = {key: row for key, row in batch.spans.items() if not before(row.project, row.start_ns)}  # type: ignore[attr-defined]
    contents = [one for one in batch.contents if not before(one.row.project, one.arrived_ns)]
    scores = {key: row for key, row in batch.scores.items() if not before(row.project, row.start_ns)}
    corrections = {
        key: row for key, row in batch.corrections.items() if not before(row.project, row.start_ns)
    }
    expired = [
        alert
        for alert in batch.alerts.values()
        if alert.resolved_ns is not None and before(alert.row.project, alert.resolved_ns)
    ]
    gone = {alert.row.id for alert in expired}
    alerts = {id: alert for id, alert in batch.alerts.items() if id not in gone}
    audit_ns = cuts.at_days(AUDIT_DAYS)
    kept = replace(
        batch,
        spans=spans,
        contents=contents,
        scores=scores,
        corrections=corrections,
        alerts=alerts,
        audit={id: entry for id, entry in batch.audit.items() if entry.at_ns >= audit_ns},
    )
    old = len(batch.spans) - len(spans)
    if old:
        kept = replace(kept, skipped=batch.skipped + Counter({"span is older than retention": old}))
    return kept, expired


class _Before:
    """Whether something of a project is too old."""

    def __init__(self, cuts: Cuts) -> None:
        self._default, self._own = cuts.default_ns, dict(cuts.projects)

    def __call__(self, project: str, at_ns: int) -> bool:
        return at_ns < self._own.get(project, self._default)


class Planned(NamedTuple):
    """Rows of a project in a table that are to go."""

    project: str
    table: str
    rows: int
    oldest_ns: int


class Run(Struct, frozen=True, kw_only=True):
    """A run of retention, as the views remember the last one."""

    cuts: Cuts
    began_ns: int
    ended_ns: int
    rows: dict[str, int]
    """Deleted, by table."""


def plan(cursor: duckdb.DuckDBPyConnection, cuts: Cuts) -> list[Planned]:
    """What these times would delete, as of now."""
    planned: list[Planned] = []
    for timed in PLANNED:
        statement = part("retire.count").format(table=timed.table, old=_old(timed), at=timed.at)
        rows = cursor.execute(statement, cuts.values(timed)).fetchall()
        planned += [Planned(project, timed.table, count, oldest) for project, count, oldest in rows]
    return sorted(planned)


def own_retention(connection: duckdb.DuckDBPyConnection) -> dict[str, float]:
    """Days of the projects that have a retention of their own, as the views know them."""
    own: dict[str, float] = {}
    for project, value in connection.execute(part("retire.projects")).fetchall():
        with suppress(msgspec.MsgspecError):  # as when it was read
            days = msgspec.json.decode(value, type=ProjectSettings).retention_days
            if days is not None:
                own[project] = days
    return own


def last_run(cursor: duckdb.DuckDBPyConnection) -> Run | None:
    """The last run of these views; None where there was none."""
    row = cursor.execute(part("retire.last")).fetchone()
    return msgspec.json.decode(row[0], type=Run) if row else None


class Sweep:
    """One run of retention: call `step` until it says that it is over."""

    def __init__(self, cuts: Cuts, began_ns: int) -> None:
        self.cuts = cuts
        self.rows: Counter[str] = Counter()
        self._began_ns = began_ns
        self._spans_done = False
        self._left = list(BY_TIME)

    def step(
        self,
        connection: duckdb.DuckDBPyConnection,
        roll_up: RollUp,
        refold: Callable[[list[Touched]], None],
        now_ns: int,
    ) -> bool:
        """Delete some of what is too old, in a transaction of its own; says whether anything may be left.

        `refold` makes the rows of traces anew out of their spans.
        """
        connection.begin()
        try:
            if not self._spans_done:
                deleted, buckets = self._spans(connection, roll_up, refold)
                over = False
            else:
                deleted, buckets, over = *self._others(connection, roll_up), not self._left
            if over:
                self._note(connection, now_ns)
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
        roll_up.forgotten(buckets)
        if over:
            roll_up.dropped(self.cuts.earliest_ns)
        self.rows.update(deleted)
        return not over

    def _spans(
        self,
        connection: duckdb.DuckDBPyConnection,
        roll_up: RollUp,
        refold: Callable[[list[Touched]], None],
    ) -> tuple[Counter[str], set[int]]:
        """Spans of the oldest time, with all that belongs to them; the last step takes what has no span."""
        timed = PLANNED[0]
        upto_ns = _slice(connection, timed, self.cuts)
        self._spans_done = upto_ns is None
        upto = {"upto_ns": MAX_NS if upto_ns is None else upto_ns}
        values = self.cuts.values(timed) | upto
        old = _old(timed)
        buckets = connection.execute(
            part("retire.buckets").format(old=old), values | {"step_ns": STEP_NS}
        ).fetchall()
        deleted: Counter[str] = Counter()
        for table in ("spans", *OF_SPANS):
            deleted[table] = _delete(connection, table, old, "start_ns", values)
        traces = connection.execute(part("retire.traces").format(old=old), values).fetchall()
        refold(
            [
                Touched(project, trace_id, start_ns, anew=True)
                for project, trace_id, start_ns, end_ns in traces
                if end_ns >= self.cuts.of(project)
            ]
        )
        deleted["traces"] = _delete(connection, "traces", old, "start_ns", values)
        return deleted, roll_up.forget(connection, [bucket for (bucket,) in buckets])

    def _others(
        self, connection: duckdb.DuckDBPyConnection, roll_up: RollUp
    ) -> tuple[Counter[str], set[int]]:
        timed = self._left[0]
        upto_ns = _slice(connection, timed, self.cuts)
        if upto_ns is None:
            self._left.pop(0)
            if not self._left:
                roll_up.drop(connection, self.cuts.earliest_ns)
            return Counter(), set()
        values = self.cuts.values(timed) | {"upto_ns": upto_ns}
        return Counter({timed.table: _delete(connection, timed.table, _old(timed), timed.at, values)}), set()

    def _note(self, connection: duckdb.DuckDBPyConnection, now_ns: int) -> None:
        run = Run(
            cuts=self.cuts,
            began_ns=self._began_ns,
            ended_ns=now_ns,
            rows={table: rows for table, rows in self.rows.items() if rows},
        )
        connection.execute(part("retire.forget"))
        connection.execute(part("retire.note"), {"record": msgspec.json.encode(run).decode()})


def _old(timed: Timed) -> str:
    return part("retire.old").format(at=timed.at)


def _slice(connection: duckdb.DuckDBPyConnection, timed: Timed, cuts: Cuts) -> int | None:
    """Up to which time the oldest rows that are to go make a step; None where there are none."""
    statement = part("retire.slice").format(table=timed.table, old=_old(timed), at=timed.at)
    ((upto_ns,),) = connection.execute(statement, cuts.values(timed) | {"rows": STEP_ROWS}).fetchall()
    return upto_ns  # type: ignore[no-any-return]


def _delete(
    connection: duckdb.DuckDBPyConnection, table: str, old: str, at: str, values: dict[str, object]
) -> int:
    statement = part("retire.delete").format(table=table, old=old, at=at)
    ((count,),) = connection.execute(statement, values).fetchall()
    return int(count)


def _cut(run_ns: int, days: float) -> int:
    return max(0, run_ns - round(days * DAY_NS)) if days else 0
