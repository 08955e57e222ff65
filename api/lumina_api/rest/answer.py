"""Rows of the views as JSON answers. Stored JSON goes out as it is, neither parsed nor built again."""

from collections.abc import Mapping

import msgspec
from fastapi import Response
from msgspec import Raw

from lumina_api.rest.moment import rfc3339
from lumina_api.views.columns import SPAN_COLUMNS
from lumina_api.views.contents import SCORE
from lumina_api.views.queries import Row

_JSON_COLUMNS = {column.name: b"[]" for column in SPAN_COLUMNS if column.json} | {
    "error": b"null",
    "attributes": b"{}",
    "resource": b"{}",
}

_ENCODER = msgspec.json.Encoder()


def answer(body: Mapping[str, object]) -> Response:
    """A JSON answer. Numbers that JSON does not have come out as null."""
    return Response(_ENCODER.encode(body), media_type="application/json")


def raw(text: str) -> Raw:
    """Stored JSON text, to be put into an answer."""
    return Raw(text.encode())


def span_item(row: Row) -> dict[str, object]:
    """A span as REST shows it: all fields of the record, without its source position, and its score."""
    item: dict[str, object] = {}
    for column in SPAN_COLUMNS:
        value = row[column.name]
        if column.json:
            item[column.name] = raw(value) if isinstance(value, str) else Raw(_JSON_COLUMNS[column.name])
        else:
            item[column.name] = value
    item |= {name: row[name] for name in SCORE}
    item["start"] = moment_of(row)
    item["model"] = row["model"]
    return item


def trace_item(row: Row) -> dict[str, object]:
    """A trace as lists show it."""
    shown = {name: value for name, value in row.items() if name != "priced_calls"}
    return shown | {
        "start": moment_of(row),
        "coverage": coverage(row["priced_calls"], row["call_count"]),
    }


def moment_of(row: Row) -> str:
    """`start_ns` of a row as RFC 3339."""
    start_ns = row["start_ns"]
    assert isinstance(start_ns, int)
    return rfc3339(start_ns)


def optional_moment(ns: int | None) -> str | None:
    """RFC 3339, or null."""
    return None if ns is None else rfc3339(ns)


def coverage(priced: object, calls: object) -> float | None:
    """Share of calls whose cost is known; None without calls."""
    assert isinstance(priced, int)
    assert isinstance(calls, int)
    return priced / calls if calls else None
