"""Sums over calls: costs, latency, quality, by group and over time.

They read `calls_5m` for the five minutes that are rolled up and the calls themselves for all others, in one
snapshot; where a filter or a group asks for more than the roll-up has, the calls alone. Costs and counts are
the same either way. Quantiles are of bins 2 % wide, so within 1 % of the call that they name. A call that
stands for more (sampling) counts for as many in all of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import duckdb

from lumina_api.views.filters import ANYTHING, MAX_NS, Condition, Filters, of_calls
from lumina_api.views.queries import Row, rows_of
from lumina_api.views.rollup import STEP_NS, facts_of
from lumina_schemas.views import part

Group = Literal[
    "project",
    "service",
    "endpoint",
    "environment",
    "provider",
    "model",
    "prompt_name",
    "prompt_version",
    "user_id",
    "session_id",
    "tag",
    "quality_reason",
    "quality_tier",
]
GROUPS: tuple[Group, ...] = get_args(Group)

_ROLLED: frozenset[str] = frozenset(
    (
        *("project", "service", "endpoint", "environment", "provider", "model"),
        *("prompt_name", "prompt_version", "status"),
    )
)
"""What the roll-up can be narrowed to and grouped by, beside time."""

MOST_RUNS = 16
"""Runs of rolled buckets that are read as such; what lies between further ones is read call by call."""

Measure = Literal["duration", "ttft", "quality"]
QUANTILES: dict[Measure, tuple[int, ...]] = {
    "duration": (50, 95, 99),
    "ttft": (50, 95, 99),
    "quality": (10, 50),
}


@contextmanager
def snapshot(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Have all statements of the block see the same rows."""
    cursor.begin()
    try:
        yield
    finally:
        cursor.rollback()


@dataclass(frozen=True)
class Asked:
    """What is summed: which calls, by which groups, and in steps of which length (ns; None: all in one)."""

    filters: Filters
    groups: tuple[Group, ...] = ()
    step_ns: int | None = None


def costs(cursor: duckdb.DuckDBPyConnection, asked: Asked, limit: int | None = None) -> list[Row]:
    """Cost, calls and tokens; without steps the dearest first, with them by time."""
    source = _source(cursor, asked)
    sql = _grouped(part("sums.costs"), asked, source.sql)
    if asked.step_ns is None:
        sql += f"\nORDER BY cost_usd DESC NULLS LAST{_ties(asked)}"
    else:
        sql += f"\nORDER BY start_ns{_ties(asked)}"
    return _limited(cursor, sql, source, limit)


def costs_by_group(cursor: duckdb.DuckDBPyConnection, asked: Asked, limit: int) -> tuple[Row, list[Row]]:
    """`costs` of all calls together and of each group, within a `snapshot`: the calls are read once."""
    if "tag" in asked.groups or not asked.groups:  # a call counts under each of its tags
        (whole,) = costs(cursor, Asked(asked.filters))
        return whole, costs(cursor, asked, limit) if asked.groups else []
    source = _source(cursor, asked)
    cursor.execute(_grouped(part("sums.keep_costs"), asked, source.sql), dict(source.parameters))
    kept = part("sums.kept")
    (whole,) = rows_of(cursor, part("sums.costs").format(groups="", source=kept, by="()"), {})
    groups = "".join(f"{group}, " for group in asked.groups)
    sql = part("sums.costs").format(groups=groups, source=kept, by="ALL")
    order = f"\nORDER BY cost_usd DESC NULLS LAST{_ties(asked)}"
    return whole, _limited(cursor, sql + order, ANYTHING, limit)


def traces(cursor: duckdb.DuckDBPyConnection, filters: Filters, limit: int) -> list[Row]:
    """The same of each trace's calls, the dearest first; `start_ns` and `service` are those of the first."""
    where = of_calls(filters)
    source = Condition(facts_of(where.sql, "true", judged=False), where.parameters)
    sql = part("sums.costs").format(
        groups=part("sums.place_of_trace"), source=source.sql, by="project, trace_id"
    )
    return _limited(cursor, f"{sql}\nORDER BY cost_usd DESC NULLS LAST, project, trace_id", source, limit)


def quality(cursor: duckdb.DuckDBPyConnection, asked: Asked, limit: int | None = None) -> list[Row]:
    """Calls, how many of them were judged, and the mean of their scores; the worst first, or by time."""
    source = _source(cursor, asked, judged=True)
    order = "mean NULLS LAST" if asked.step_ns is None else "start_ns"
    sql = _grouped(part("sums.quality"), asked, source.sql) + f"\nORDER BY {order}{_ties(asked)}"
    return _limited(cursor, sql, source, limit)


class Bins:
    """How many calls lie in each bin of a measure, by group and step: counted once, and asked several times.

    They are kept in the cursor's transaction (`snapshot`): of two on one cursor the later one holds.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, asked: Asked, measure: Measure) -> None:
        self._cursor = cursor
        self._asked = asked
        self._measure = measure
        bins = _bins(cursor, asked, measure)
        cursor.execute(part("sums.keep").format(bins=bins.sql), dict(bins.parameters))

    def quantiles(self, order: str = "", limit: int | None = None, whole: bool = False) -> list[Row]:
        """`n` calls that have the measure, and p50, p95, ... of ms or of quality; the largest of the column
        `order` first. `whole`: of all groups together.
        """
        value = "(min(bin) FILTER (upto >= share_of(total, {share}))) / 100.0"
        if self._measure != "quality":
            value = "ms_of(min(bin) FILTER (upto >= share_of(total, {share})))"
        columns = ", ".join(f"{value.format(share=q / 100)} AS p{q}" for q in QUANTILES[self._measure])
        names = [] if whole else _names(self._asked)
        sql = part("sums.quantiles").format(
            **self._by(names), quantiles=columns, partition=", ".join(names) or "NULL"
        )
        if order:
            sql += f"\nORDER BY {order} DESC{_ties(self._asked)}"
        return _limited(self._cursor, sql, ANYTHING, limit)

    def low_share(self, below: float, whole: bool = False) -> list[Row]:
        """Share of the judged calls whose quality is below a hundredth."""
        names = [] if whole else _names(self._asked)
        sql = part("sums.below").format(**self._by(names), below=round(below * 100))
        return rows_of(self._cursor, sql, {})

    @property
    def adds_up(self) -> bool:
        """Whether all groups together are the whole: a call counts under each of its tags."""
        return "tag" not in self._asked.groups

    def _by(self, names: list[str]) -> dict[str, str]:
        groups = "".join(f"{name}, " for name in names)
        return {
            "groups": groups,
            "bins": part("sums.binned").format(groups=groups),
            "by": ", ".join(names) or "()",
        }


def quantiles(
    cursor: duckdb.DuckDBPyConnection,
    asked: Asked,
    measure: Measure,
    order: str = "",
    limit: int | None = None,
) -> list[Row]:
    """Quantiles of a measure by group and step (`Bins.quantiles`)."""
    return Bins(cursor, asked, measure).quantiles(order, limit)


def models(cursor: duckdb.DuckDBPyConnection, filters: Filters) -> list[Row]:
    """Priced calls, cost and tokens by model."""
    asked = Asked(filters)
    source = _source(cursor, asked)
    return rows_of(cursor, part("sums.models").format(source=source.sql), source.parameters)


def errors(
    cursor: duckdb.DuckDBPyConnection, filters: Filters, groups: Sequence[Group], limit: int
) -> list[Row]:
    """Failed calls by type of error and group, the most frequent first."""
    where = of_calls(filters)
    columns = "".join(f"{part(f'group.{group}')} AS {group}, " for group in groups)
    failed = part("errors.calls").format(where=where.sql)
    ties = "".join(f", {group}" for group in groups)
    sql = part("errors").format(groups=columns, source=_tagged(failed, groups), ties=ties)
    return rows_of(cursor, sql, {**where.parameters, "limit": limit})


def _tagged(source: str, groups: Sequence[Group]) -> str:
    return part("facts.tagged").format(source=source) if "tag" in groups else source


def only(filters: Filters, groups: Sequence[Group], rows: Iterable[Row]) -> Filters:
    """The filters narrowed to the values that these rows have, where groups are filters too."""
    taken = {field.name for field in fields(Filters)}
    values: dict[str, Any] = {
        group: tuple(sorted({str(row[group]) for row in rows}))
        for group in groups
        if group in taken and group not in ("tag", "model", "quality_reason")
    }
    return replace(filters, **{name: value for name, value in values.items() if value})


def _limited(cursor: duckdb.DuckDBPyConnection, sql: str, source: Condition, limit: int | None) -> list[Row]:
    if limit is None:
        return rows_of(cursor, sql, source.parameters)
    return rows_of(cursor, f"{sql}\nLIMIT $limit", {**source.parameters, "limit": limit})


def _grouped(sql: str, asked: Asked, source: str) -> str:
    columns = [f"{part(f'group.{group}')} AS {group}" for group in asked.groups]
    if asked.step_ns is not None:
        columns.append(f"(start_ns // {int(asked.step_ns)}) * {int(asked.step_ns)} AS start_ns")
    by = "ALL" if columns else "()"
    return sql.format(groups="".join(f"{column}, " for column in columns), source=source, by=by)


def _names(asked: Asked) -> list[str]:
    return [*asked.groups, *(["start_ns"] if asked.step_ns is not None else [])]


def _ties(asked: Asked) -> str:
    return "".join(f", {group}" for group in asked.groups)


def _bins(cursor: duckdb.DuckDBPyConnection, asked: Asked, measure: Measure) -> Condition:
    """How many calls lie in each bin of a measure, by group and step."""
    raw, rolled = _halves(cursor, asked, judged=measure == "quality")
    pieces = []
    parameters: dict[str, object] = {}
    if raw is not None:
        pieces.append(part("bins.of_calls").format(measure=measure, source=raw.sql))
        parameters |= raw.parameters
    if rolled is not None:
        pieces.append(part("bins.of_rolled").format(measure=measure, source=rolled.sql))
        parameters |= rolled.parameters
    source = _tagged(" UNION ALL BY NAME ".join(pieces), asked.groups)
    return Condition(_grouped(part("sums.bins"), asked, source), parameters)


def _source(cursor: duckdb.DuckDBPyConnection, asked: Asked, judged: bool = False) -> Condition:
    """The rows to sum up."""
    halves = [half for half in _halves(cursor, asked, judged) if half is not None]
    parameters: dict[str, object] = {}
    for half in halves:
        parameters |= half.parameters
    source = _tagged(" UNION ALL BY NAME ".join(half.sql for half in halves), asked.groups)
    return Condition(source, parameters)


def _halves(
    cursor: duckdb.DuckDBPyConnection, asked: Asked, judged: bool
) -> tuple[Condition | None, Condition | None]:
    """Calls to be read one by one, and rolled-up rows; None where there is nothing to read so."""
    filters = asked.filters
    first = filters.since or 0
    last = MAX_NS if filters.until is None else filters.until - 1
    runs = _runs(cursor, first, last) if _can_roll(asked) else []
    gaps = _gaps(runs, first, last)
    raw = None
    if gaps or not runs:
        where = of_calls(filters)
        within = _ranges(gaps, "gap")
        facts = facts_of(where.sql, within.sql, judged)
        raw = Condition(facts, {**where.parameters, **within.parameters})
    if not runs:
        return raw, None
    narrowed = of_calls(replace(filters, since=None, until=None))
    within = _ranges(runs, "run")
    sql = part("rolled.rows").format(where=f"{narrowed.sql} AND {within.sql}")
    return raw, Condition(sql, {**narrowed.parameters, **within.parameters})


def _can_roll(asked: Asked) -> bool:
    """Whether the roll-up has all that is asked for."""
    nothing = Filters()
    narrowed = {
        field.name
        for field in fields(Filters)
        if getattr(asked.filters, field.name) != getattr(nothing, field.name)
    }
    aligned = asked.step_ns is None or asked.step_ns % STEP_NS == 0
    return aligned and narrowed <= _ROLLED | {"since", "until"} and set(asked.groups) <= _ROLLED


def _runs(cursor: duckdb.DuckDBPyConnection, first: int, last: int) -> list[tuple[int, int]]:
    """Stretches of time (both ends included) that are rolled up without a gap, the longest ones."""
    begin = -(-first // STEP_NS) * STEP_NS
    end = last - STEP_NS + 1
    found = cursor.execute(part("rolled.between"), {"first_ns": begin, "last_ns": end}).fetchall()
    runs: list[tuple[int, int]] = []
    for (bucket,) in found:
        if runs and runs[-1][1] + 1 == bucket:
            runs[-1] = (runs[-1][0], bucket + STEP_NS - 1)
        else:
            runs.append((bucket, bucket + STEP_NS - 1))
    longest = sorted(runs, key=lambda run: run[0] - run[1])[:MOST_RUNS]
    return sorted(longest)


def _gaps(runs: list[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """The time that is left, both ends included."""
    gaps = []
    at = first
    for begin, end in runs:
        if at < begin:
            gaps.append((at, begin - 1))
        at = end + 1
    if at <= last:
        gaps.append((at, last))
    return gaps


def _ranges(ranges: list[tuple[int, int]], name: str) -> Condition:
    """That a call began in one of these times."""
    if not ranges:
        return Condition("false", {})
    parameters: dict[str, object] = {}
    pieces = []
    for number, (first, last) in enumerate(ranges):
        pieces.append(f"start_ns BETWEEN ${name}_{number}_first AND ${name}_{number}_last")
        parameters |= {f"{name}_{number}_first": first, f"{name}_{number}_last": last}
    return Condition(f"({' OR '.join(pieces)})", parameters)
