"""The file of prices that `LUMINA_PRICES_FILE` names: TOML, a table `[prices.<id>]` an entry.

TOML, because people keep it: it has comments (whose contract, which page), dates of its own, refuses an id
that comes twice, and names the line of what it cannot read; Python reads it without a further package.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import fields

from lumina_schemas.price import MAX_ID_CHARS, Price, PriceTier, TokenPrices, problem_of

ID = re.compile(r"[A-Za-z0-9._-]+")
_WHERE = re.compile(r" - at `\$(?P<path>[^`]*)`$")


class PriceFileError(ValueError):
    """The price file cannot be used; the text says where, what is wrong and what to do."""


def read(path: Path | None) -> dict[str, Price]:
    """The prices of a file by id; none where no file is named. Raises PriceFileError."""
    if path is None:
        return {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PriceFileError(
            f"LUMINA_PRICES_FILE {str(path)!r} cannot be read: {error}. Name a file that this process may "
            "read, or unset it."
        ) from error
    return parse(text, str(path))


def parse(text: str, name: str) -> dict[str, Price]:
    """The prices of a file's text by id. Raises PriceFileError, naming line or entry."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PriceFileError(f"{name} is no TOML: {error}. Mend the line that it names.") from error
    if unknown := sorted(document.keys() - {"prices"}):
        raise PriceFileError(
            f"{name}: {unknown[0]!r}{_line(text, unknown[0])} is not known here. "
            "Every entry is a table of its own: [prices.<id>]."
        )
    tables = document.get("prices", {})
    if not isinstance(tables, dict):
        raise PriceFileError(f"{name}: `prices` must hold tables: [prices.<id>].")
    return {id: _price(id, table, text, name) for id, table in tables.items()}


def _price(id: str, table: Any, text: str, name: str) -> Price:
    where = f"{name}, prices.{id}{_line(text, id)}"
    if not isinstance(table, dict):
        raise PriceFileError(f"{where}: an entry is a table with `model` and `input`, [prices.{id}].")
    if not ID.fullmatch(id) or len(id) > MAX_ID_CHARS:
        raise PriceFileError(f"{where}: an id has letters, digits, `.`, `_`, `-`, at most {MAX_ID_CHARS}.")
    if unknown := _unknown(table):
        raise PriceFileError(f"{where}: `{unknown}` is no field of a price. There are {_names(Price)}.")
    try:
        price = msgspec.convert(table, Price)
    except msgspec.ValidationError as error:
        raise PriceFileError(f"{where}: {_said(error)}.") from error
    if problem := problem_of(price):
        raise PriceFileError(f"{where}: {problem}")
    return price


def _unknown(table: dict[str, Any]) -> str:
    """A name that means nothing: a slip of the pen must not price tokens as something else."""
    found: list[tuple[dict[str, Any], type[msgspec.Struct], str]] = [(table, Price, "")]
    found += [(tier, PriceTier, "tiers.") for tier in _dicts(table.get("tiers"))]
    batch = table.get("batch")
    if isinstance(batch, dict):
        found.append((batch, TokenPrices, "batch."))
        found += [(tier, PriceTier, "batch.tiers.") for tier in _dicts(batch.get("tiers"))]
    for one, record, prefix in found:
        if names := sorted(one.keys() - {each.encode_name for each in fields(record)}):
            return prefix + names[0]
    return ""


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _names(record: type[msgspec.Struct]) -> str:
    return ", ".join(each.encode_name for each in fields(record) if each.name != "v")


def _said(error: msgspec.ValidationError) -> str:
    """msgspec's words with the field first."""
    text = str(error)
    found = _WHERE.search(text)
    return f"`{found['path'].lstrip('.')}`: {text[: found.start()]}" if found else text


def _line(text: str, id: str) -> str:
    """Where the file has it: tomllib keeps no lines."""
    head = re.compile(rf"\s*(\[+\s*(prices\s*\.\s*)?)?[\"']?{re.escape(id)}[\"']?\s*[\].=]")
    for number, line in enumerate(text.splitlines(), 1):
        if head.match(line):
            return f" (line {number})"
    return ""
