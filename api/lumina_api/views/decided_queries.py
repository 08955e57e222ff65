"""What REST asks of the views about what people decide: settings, marks, the audit log; and what prices and
budgets are held against.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page, Row
from lumina_api.views.rollup import STEP_NS
from lumina_schemas.views import part

MODELS = 1_000
"""Models that prices are held against, the most used ones."""


@dataclass(frozen=True)
class AuditFilters(Filters):
    """What the audit log is narrowed to; () means anything."""

    by: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    target: tuple[str, ...] = ()


def settings(cursor: duckdb.DuckDBPyConnection, kind: str, projects: Sequence[str], page: Page) -> list[Row]:
    """Settings of a kind, the last written first; no projects: all."""
    return _rows(cursor, "settings", {"kind": kind, "projects": list(projects), **_after(page)})


def setting(cursor: duckdb.DuckDBPyConnection, kind: str, id: str) -> Row | None:
    """One setting: `id`, `project`, `value`, `written_ns`, `partition`, `offset`."""
    return next(iter(_rows(cursor, "setting", {"kind": kind, "id": id})), None)


def count_settings(cursor: duckdb.DuckDBPyConnection, kind: str) -> int:
    """How many of a kind there are."""
    ((count,),) = cursor.execute(part("count_settings"), {"kind": kind}).fetchall()
    return int(count)


def marks(cursor: duckdb.DuckDBPyConnection, filters: Filters, common: bool, page: Page) -> list[Row]:
    """Marks, the latest first. `common`: also those for all projects."""
    values = {"projects": list(filters.project), "common": common, **_times(filters), **_after(page)}
    return _rows(cursor, "marks", values)


def mark(cursor: duckdb.DuckDBPyConnection, id: str) -> Row | None:
    """One mark: `id`, `project`, `at_ns`, `partition`, `offset`, `record`."""
    return next(iter(_rows(cursor, "mark", {"id": id})), None)


def audit(cursor: duckdb.DuckDBPyConnection, filters: AuditFilters, page: Page) -> list[Row]:
    """Entries of the audit log, the latest first."""
    values = {
        "projects": list(filters.project),
        "by": list(filters.by),
        "action": list(filters.action),
        "target": list(filters.target),
        **_times(filters),
        **_after(page),
    }
    return _rows(cursor, "audit", values)


def spent(
    cursor: duckdb.DuckDBPyConnection, projects: Sequence[str], day_ns: int, month_ns: int, until_ns: int
) -> list[Row]:
    """What calls cost since the day and the month began (USD), by `project` and `service`."""
    between = {"day_ns": day_ns, "month_ns": month_ns, "until_ns": until_ns, "step_ns": STEP_NS}
    values = {"projects": list(projects), **between}
    return _rows(cursor, "spent", values)


def models(cursor: duckdb.DuckDBPyConnection, projects: Sequence[str], since_ns: int) -> list[Row]:
    """Models that were called since a time, the most used first."""
    return _rows(cursor, "models", {"projects": list(projects), "since": since_ns, "limit": MODELS})


def known_projects(
    cursor: duckdb.DuckDBPyConnection, projects: Sequence[str], after: str, limit: int
) -> list[Row]:
    """Projects behind a name, by name: `project`, and `last_ns`, the start of their last trace."""
    values = {"projects": list(projects), "after": after, "limit": limit}
    return _rows(cursor, "known_projects", values)


def _times(filters: Filters) -> dict[str, object]:
    return {"since": filters.since, "until": filters.until}


def _after(page: Page) -> dict[str, object]:
    after_ns, after_id = page.after or (None, None)
    return {"limit": page.limit, "after_ns": after_ns, "after_id": after_id}


def _rows(cursor: duckdb.DuckDBPyConnection, name: str, parameters: Mapping[str, object]) -> list[Row]:
    result = cursor.execute(part(name), dict(parameters))
    names = [column[0] for column in result.description]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
