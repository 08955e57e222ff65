"""What people decide, as rows of the views: settings of any kind, marks, the audit log.

Nothing here fails on a record: what cannot be read is said, and left out by the caller.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import duckdb
import msgspec
from msgspec import Struct

from lumina_schemas.audit import AuditEntry
from lumina_schemas.control import SeriesMark
from lumina_schemas.views import part
from lumina_streams.core.baseline.moment import ns_of

MAX_NS = 2**63 - 1
MS = 1_000_000

SettingKey = tuple[str, str]
"""Kind and id."""


class SettingRow(NamedTuple):
    """A setting as it lies on its topic."""

    kind: str
    id: str
    project: str
    value: str
    written_ns: int
    partition: int
    offset: int


class MarkRow(NamedTuple):
    """A mark, and where in the spans it was met."""

    id: str
    project: str
    at_ns: int
    src_partition: int
    src_offset: int
    partition: int
    offset: int
    record: str


class AuditRow(NamedTuple):
    """One change that somebody made."""

    id: str
    at_ns: int
    by: str
    action: str
    target: str
    project: str
    record: str


class _Placed(Struct):
    project: str = ""


_PLACED = msgspec.json.Decoder(_Placed)
_MARK = msgspec.json.Decoder(SeriesMark)
_AUDIT = msgspec.json.Decoder(AuditEntry)


def setting_key(key: bytes | None) -> SettingKey:
    """Kind and id of a key. Raises ValueError for one that is no text, or has no kind."""
    kind, slash, id = (key or b"").decode().partition("/")
    if not kind or not slash:
        raise ValueError(f"{kind!r} is no kind/id")
    return kind, id


def setting_row(key: SettingKey, value: bytes, timestamp_ms: int, partition: int, offset: int) -> SettingRow:
    """The row of a setting. Raises msgspec.MsgspecError, UnicodeDecodeError, RecursionError for what is no
    JSON.
    """
    kind, id = key
    text = value.decode()
    msgspec.json.decode(value)
    try:
        project = _PLACED.decode(value).project
    except msgspec.ValidationError:
        project = ""  # a kind of somebody else's making
    written_ns = min(max(timestamp_ms, 0) * MS, MAX_NS)  # a producer may say any time
    return SettingRow(kind, id, id if kind == "projects" else project, text, written_ns, partition, offset)


def mark_row(value: bytes, partition: int, offset: int) -> MarkRow:
    """The row of a mark in the spans. Raises msgspec.MsgspecError, UnicodeDecodeError, RecursionError,
    ValueError.
    """
    mark = _MARK.decode(value)
    value.decode()
    fields = {
        name: getattr(mark, name) for name in SeriesMark.__struct_fields__ if name not in ("src", "type")
    }
    record = msgspec.json.encode({"type": "mark"} | fields).decode()
    src = mark.src
    return MarkRow(
        mark.id, mark.project, _ns(ns_of(mark.at)), src.partition, src.offset, partition, offset, record
    )


def audit_row(value: bytes) -> AuditRow:
    """The row of an audit entry. Raises what `mark_row` does."""
    entry = _AUDIT.decode(value)
    return AuditRow(
        entry.id,
        _ns(ns_of(entry.at)),
        entry.by,
        entry.action,
        entry.target,
        entry.project,
        value.decode(),
    )


def write(
    connection: duckdb.DuckDBPyConnection,
    settings: Mapping[SettingKey, SettingRow | None],
    marks: Iterable[MarkRow],
    audit: Iterable[AuditRow],
) -> None:
    """Write them, within the caller's transaction. A setting that is None is removed; of marks and entries of
    one id the first stays.
    """
    for (kind, id), setting in settings.items():
        if setting is None:
            connection.execute(part("remove_setting"), {"kind": kind, "id": id})
        else:
            connection.execute(part("set_setting"), setting._asdict())
    for mark in marks:
        connection.execute(part("insert_mark"), mark._asdict())
    for entry in audit:
        connection.execute(part("insert_audit"), entry._asdict())


def _ns(at_ns: int) -> int:
    if not 0 <= at_ns <= MAX_NS:
        raise ValueError("a time that the views cannot hold")
    return at_ns
