"""The rows of the views, derived from the records: which field is a plain column and which is JSON text.

A line is decoded straight into its row. What is nested stays the JSON that it came as (`msgspec.Raw`): it
is checked but never built, which makes decoding five times cheaper than that of the whole record.
"""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import msgspec
import pyarrow as pa
from msgspec import Meta, Raw, Struct, defstruct
from msgspec.structs import fields

from lumina_schemas.span import Content, Span

# What fits a BIGINT; a larger number makes the line unreadable rather than the batch.
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

# Unix time in ns, until 2262. OTLP has no time before 1970.
Moment = Annotated[int, Meta(ge=0, le=2**63 - 1)]

ABSENT = Raw(b"")

SourceRow = tuple[str, str, Int64, Int64, Int64]
"""A `Source` of any origin: a reader takes what a later writer adds."""

_SCALARS: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


class Row(Struct):
    """What rows of spans and contents have in common: their identity."""

    src: SourceRow
    series_id: str
    trace_id: str
    span_id: str
    project: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Names the span that the row is of, or belongs to."""
        return self.project, self.trace_id, self.span_id


class _Timed(Row):
    start_ns: Moment


class Column(NamedTuple):
    """One column of a view: a field of the record."""

    name: str
    type: pa.DataType
    json: bool


def _column(name: str, annotation: Any) -> Column:
    optional = get_origin(annotation) in (Union, UnionType)
    kinds = set(get_args(annotation)) - {NoneType} if optional else {annotation}
    kind = kinds.pop() if len(kinds) == 1 else None
    if get_origin(kind) is Literal:
        kind = str  # a later writer's new literal is no reason to lose its line
    if kind in _SCALARS:
        return Column(name, _SCALARS[kind], json=False)
    return Column(name, pa.string(), json=True)


def _columns(record: type[Struct]) -> tuple[Column, ...]:
    hints = get_type_hints(record)
    return tuple(_column(name, hints[name]) for name in record.__struct_fields__ if name not in ("v", "src"))


def _row(name: str, base: type[Row], record: type[Struct], columns: tuple[Column, ...]) -> Any:
    """A struct like `record`, with its JSON columns left raw and its literals open."""
    python: dict[pa.DataType, Any] = {
        pa.string(): str,
        pa.int64(): Int64,
        pa.float64(): float,
        pa.bool_(): bool,
    }
    originals = {field.name: field for field in fields(record)}
    own: list[Any] = []
    for column in columns:
        original = originals[column.name]
        kind = python[column.type]
        if column.name in base.__struct_fields__:
            continue
        if column.json:
            own.append((column.name, Raw, ABSENT))
        elif original.required:
            own.append((column.name, kind))
        elif original.default is None:
            own.append((column.name, kind | None, None))
        else:
            own.append((column.name, kind, original.default))
    tag = record.__struct_config__.tag
    return defstruct(name, own, bases=(base,), tag_field="type", tag=tag, kw_only=True, gc=False)


def array_length(array: Raw | str | None) -> int:
    """Elements of a JSON array; anything else has none."""
    try:
        return len(msgspec.json.decode(array or b"[]", type=list[Raw]))
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        return 0


SPAN_COLUMNS = _columns(Span)
CONTENT_COLUMNS = _columns(Content)
SpanRow = _row("SpanRow", _Timed, Span, SPAN_COLUMNS)
ContentRow = _row("ContentRow", Row, Content, CONTENT_COLUMNS)
