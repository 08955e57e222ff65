"""A statement from outside, judged by DuckDB's own parse of it, before DuckDB binds or runs any of it."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import duckdb
import msgspec

from lumina_api.query.vocabulary import (
    EXPRESSIONS,
    FUNCTIONS,
    NODES,
    TABLE_FUNCTIONS,
    TABLES,
    TYPES,
)
from lumina_schemas.views import part

MOST_CHARS = 20_000

# A parse of this depth is far from what DuckDB's own recursion takes; people write 20.
MOST_PARENTHESES = 200

_NAME = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII | re.IGNORECASE)
_MINE: tuple[list[str], ...] = ([], ["main"], ["views"], ["views", "main"])


class Refused(ValueError):
    """The statement is not run; the message says why, and what to write instead."""


def check(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Raise Refused unless the text is one SELECT over the views, with nothing but what is known to be
    harmless.
    """
    if len(sql) > MOST_CHARS or sql.count("(") + sql.count("[") + sql.count("{") > MOST_PARENTHESES:
        raise Refused(
            f"The statement is too long: at most {MOST_CHARS:,} characters and {MOST_PARENTHESES} "
            f"parentheses."
        )
    if "\0" in sql:
        raise Refused("The statement holds a NUL character.")
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise Refused(_first(error)) from error
    if len(statements) != 1:
        raise Refused(f"One SELECT at a time: these are {len(statements)} statements.")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise Refused("Only SELECT (or WITH ... SELECT) is run here: the views are read, never written.")
    ((text,),) = cursor.execute(part("query.parse"), {"sql": sql}).fetchall()
    try:
        parsed = msgspec.json.decode(text)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Refused("The statement is nested too deeply.") from error
    if parsed.get("error"):
        raise Refused(str(parsed.get("error_message") or "The statement cannot be parsed."))
    if len(parsed["statements"]) != 1:
        raise Refused("One SELECT at a time.")
    ((names,),) = cursor.execute(part("query.names")).fetchall()
    nodes = list(_nodes(parsed["statements"][0]["node"]))
    own = frozenset(_own(nodes, frozenset(names)))
    for node, of_table in nodes:
        _judge(node, own, of_table)


def _nodes(root: Any) -> Iterator[tuple[dict[str, Any], bool]]:
    """Every object of the parse, and whether it is the function of a table function."""
    waiting: list[tuple[Any, bool]] = [(root, False)]
    while waiting:
        value, of_table = waiting.pop()
        if isinstance(value, list):
            waiting += [(each, False) for each in value]
        elif isinstance(value, dict):
            yield value, of_table
            is_table = value.get("type") == "TABLE_FUNCTION" and "class" not in value
            waiting += [(each, is_table and key == "function") for key, each in value.items()]


def _own(nodes: Iterable[tuple[dict[str, Any], bool]], taken: frozenset[str]) -> Iterator[str]:
    """Names that the statement gives to queries of its own (WITH).

    They hold everywhere in it for this check, though not for DuckDB: so they may not be the name of anything
    that
    is there already, nor look like a file's.
    """
    for node, _ in nodes:
        for entry in (node.get("cte_map") or {}).get("map", ()):
            yield _own_name(str(entry["key"]), taken)
        if name := node.get("cte_name") or node.get("ctename"):
            yield _own_name(str(name), taken)


def _own_name(name: str, taken: frozenset[str]) -> str:
    if not _NAME.fullmatch(name) or name.lower() in taken:
        raise Refused(
            f"Name the query {name[:60]!r} of your WITH otherwise: a name of its own, in plain letters."
        )
    return name.lower()


def _judge(node: dict[str, Any], own: frozenset[str], of_table: bool) -> None:
    kind, expression = node.get("type"), node.get("class")
    if expression == "PARAMETER":
        raise Refused("Parameters are not taken: write the value into the statement.")
    if expression is not None and expression not in EXPRESSIONS:
        raise Refused(f"{str(expression).lower()} expressions are not taken here.")
    if expression is None and isinstance(kind, str) and kind not in NODES:
        raise Refused(f"{kind.lower().replace('_', ' ')} is not taken here: only SELECT over the views.")
    if expression is None and kind == "BASE_TABLE":
        _judge_table(node, own)
    if (
        expression is None
        and kind == "SHOW_REF"
        and not (node.get("query") and node.get("show_type") == "DESCRIBE")
    ):
        raise Refused("Of SHOW, SUMMARIZE and DESCRIBE only `DESCRIBE <table>` is taken.")
    if "function_name" in node:
        _judge_function(node, of_table)
    if "type_name" in node and str(node["type_name"]).upper() not in TYPES:
        raise Refused(f"A value cannot be cast to {str(node['type_name'])[:60]} here.")


def _judge_table(node: dict[str, Any], own: frozenset[str]) -> None:
    *place, name = [str(each) for each in node["qualified_name"]["path"]]
    known = name.lower() in TABLES and [each.lower() for each in place] in _MINE
    if not known and not (name.lower() in own and not place):
        shown = ".".join((*place, name))[:100]
        raise Refused(f"There is no table {shown!r} here. Tables: {', '.join(sorted(TABLES))}.")


def _judge_function(node: dict[str, Any], of_table: bool) -> None:
    *place, name = [
        str(each) for each in (node.get("qualified_name") or {}).get("path") or [node["function_name"]]
    ]
    if place:
        raise Refused(
            f"Write {name[:60]}(...) with its arguments in the parentheses, without a dot before it."
        )
    allowed = TABLE_FUNCTIONS if of_table else FUNCTIONS | ({"unnest"})
    if name.lower() not in allowed:
        raise Refused(
            f"The function {name[:60]!r} is not taken here{' behind FROM' if of_table else ''}: it may "
            f"reach beyond "
            "the views or make more than memory holds. docs/rest.md lists those that are."
        )


def _first(error: BaseException) -> str:
    return str(error).strip().split("\n\n")[0][:1000]
