"""The records of `lumina.calls`: a priced call a message, every plain field of its span and no content.

For ksqlDB, Flink and Connect, which want one flat record a message. Derived from `Span`, so that a field has
one home: names, numbers and flags are taken over; what is structured or holds text of prompts and answers is
not, nor what a later span gains of that kind.
"""

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Struct, defstruct
from msgspec.structs import fields

from lumina_schemas.source import Source
from lumina_schemas.span import Span

CONTENT = frozenset({"system", "retrieval_query"})
"""Plain fields of a span that hold content."""

MAX_CHARS = 1_000
"""Texts are cut here: a span's name may hold anything, and a message must stay small."""

_PLAIN = {str, int, float, bool}


def _is_plain(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return all(_is_plain(each) for each in get_args(annotation) if each is not NoneType)
    return annotation in _PLAIN or get_origin(annotation) is Literal


_HINTS = get_type_hints(Span, include_extras=True)
_FIELDS = tuple(
    field
    for field in fields(Span)
    if field.name not in CONTENT and _is_plain(get_type_hints(Span)[field.name])
)
PLAIN = tuple(field.name for field in _FIELDS)
"""The fields of a span that its call has."""


def _member(field: Any) -> Any:
    hint = _HINTS[field.name]
    return (field.name, hint) if field.required else (field.name, hint, field.default)


Call: type[Struct] = defstruct(
    "Call",
    [
        ("src", Source),
        *map(_member, _FIELDS),
        ("finish_reasons", tuple[str, ...], ()),
        ("tags", tuple[str, ...], ()),
        ("error_type", str, ""),  # an error's text may quote the prompt
    ],
    namespace={"__doc__": "One priced call: all plain fields of its span. `src` tells one that comes twice."},
    module=__name__,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag="call",
)


def call_of(span: Span) -> Struct:
    """The call of a priced span."""
    values = {name: getattr(span, name) for name in PLAIN}
    for name, value in values.items():
        if isinstance(value, str) and len(value) > MAX_CHARS:
            values[name] = value[:MAX_CHARS]
    return Call(
        src=span.src,
        finish_reasons=span.finish_reasons,
        tags=span.tags,
        error_type=span.error.type if span.error is not None else "",
        **values,
    )
