"""A views' file of another release: brought into the present shape, so that present statements run on it.

Columns that it lacks are added, with neutral values in the rows that are there; what it has beyond is left
alone. Tables that it lacks are filled from now on and not shown, since their past is not in them: whoever
asks for those is told to wait. So it answers and follows until the new file has been built from the log.
"""

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import duckdb
import structlog

from lumina_api.views.file import FORMER_MEMORY, ViewsFile, attach, locked
from lumina_schemas.views import part

log = structlog.get_logger(__name__)

IN_PLACE = ("spans", "scores", "corrections", "contents")
"""Large tables that all statements name the columns of: what they lack is added behind. Others are copied."""

RECOVERABLE = ("calls_5m", "rolled", "erased_traces", "retention_run")
"""Tables that may begin empty: what is not in them is read from the calls, or has not been yet."""

HIDDEN = "lacking"
"""Schema of the tables that the file lacked."""

_NEUTRAL = {
    "VARCHAR": "''",
    "BOOLEAN": "false",
    "DOUBLE": "0",
    "BIGINT": "0",
    "INTEGER": "0",
    "UINTEGER": "0",
}


class Unfit(RuntimeError):
    """The file cannot be brought into the present shape; the message says why."""


class _Column(NamedTuple):
    name: str
    type: str
    nullable: bool


def open_former(path: Path) -> ViewsFile:
    """Open a file of another release. Raises Unfit where it will not do, Unusable where that may pass."""
    if not path.is_file():
        raise Unfit("The file of another release is gone.")
    lock = locked(path)
    try:
        connection = attach(path, FORMER_MEMORY)
        try:
            adapt(connection)
        except BaseException:
            connection.close()
            raise
    except duckdb.Error as error:
        lock.close()
        raise Unfit(f"The file of another release cannot be used by this one: {error}") from error
    except BaseException:
        lock.close()
        raise
    return ViewsFile(path, connection, lock)


def adapt(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring the file that is in use into the present shape. Raises duckdb.Error where it has another one
    that cannot be mended. May be done again.
    """
    with duckdb.connect(":memory:") as present:
        present.execute(part("schema"))
        wanted, definitions = _columns(present, "memory", "main"), _definitions(present, "memory")
    found = _columns(connection, "views", "main")
    hidden = _columns(connection, "views", HIDDEN)
    connection.begin()
    try:
        connection.execute(part("former.hide").format(schema=HIDDEN))
        for table, columns in wanted.items():
            if table in found:
                _mend(connection, table, found[table], columns, definitions[table])
            elif table in RECOVERABLE:
                connection.execute(definitions[table])
            elif table not in hidden:
                shown = f"CREATE TABLE {table}("
                connection.execute(definitions[table].replace(shown, f"CREATE TABLE {HIDDEN}.{table}(", 1))
        for statement in _views_and_macros():
            connection.execute(statement)
        connection.commit()
    except BaseException:
        with suppress(duckdb.Error):
            connection.rollback()
        raise
    connection.execute(part("former.search").format(schema=HIDDEN))
    log.info("the former views file answers", lacks=sorted(wanted.keys() - found.keys()))


def _mend(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    found: list[_Column],
    wanted: list[_Column],
    definition: str,
) -> None:
    def do(what: str, **marks: str) -> None:
        connection.execute(part(f"former.{what}").format(table=table, **marks))

    names = {column.name: column for column in found}
    if table in IN_PLACE:
        for column in wanted:
            if column.name not in names:
                default = "NULL" if column.nullable else _NEUTRAL.get(column.type, "NULL")
                do("add", column=column.name, type=column.type, default=default)
            elif names[column.name].type != column.type:
                do("retype", column=column.name, type=column.type)
        for column in found:
            if not column.nullable and column.name not in {one.name for one in wanted}:
                do("free", column=column.name)
    elif found != wanted:
        do("copy")
        connection.execute(definition)
        columns = (
            f'"{column.name}"'
            if column.name in names
            else f'{"NULL" if column.nullable else _NEUTRAL.get(column.type, "[]")} AS "{column.name}"'
            for column in wanted
        )
        do("fill", columns=", ".join(columns))


def _columns(connection: duckdb.DuckDBPyConnection, database: str, schema: str) -> dict[str, list[_Column]]:
    place = {"database": database, "schema": schema}
    tables: dict[str, list[_Column]] = {}
    for table, *column in connection.execute(part("former.columns"), place).fetchall():
        tables.setdefault(table, []).append(_Column(*column))
    return tables


def _definitions(connection: duckdb.DuckDBPyConnection, database: str) -> dict[str, str]:
    """What makes each table."""
    return dict(connection.execute(part("former.tables"), {"database": database}).fetchall())


def _views_and_macros() -> list[str]:
    """What makes those of the schema in place of former ones."""
    made: list[str] = []
    for statement in part("schema").split(";\n"):
        text = "\n".join(line for line in statement.splitlines() if not line.startswith("--")).strip()
        if text.startswith(("CREATE MACRO ", "CREATE VIEW ")):
            made.append(text.replace("CREATE", "CREATE OR REPLACE", 1))
    return made
