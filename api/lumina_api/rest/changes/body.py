"""Bodies of requests: JSON into records, held to all their bounds; what does not fit is named by field."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from fastapi import Depends, Request
from msgspec import Struct
from msgspec.structs import fields

from lumina_api.rest.problem import Problem

JSON = "application/json"
_WHERE = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

T = TypeVar("T", bound=Struct)
Object = dict[str, Any]


async def object_of(request: Request) -> Object:
    """The body as a JSON object. Raises Problem: 415 for other types, 422 for what is no object."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Problem(415, f"The body must be JSON: send it with `Content-Type: {JSON}`.")
    try:
        found = msgspec.json.decode(await request.body())
    except _UNREADABLE as error:
        raise wrong("body", f"is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise wrong("body", "must be a JSON object")
    return found


Body = Annotated[Object, Depends(object_of)]


def record_of(body: Mapping[str, Any], record: type[T], version: int | None = None) -> T:
    """The body as a record. `version`: what its `v` must be, absent or the same.

    Raises Problem 422, naming the field: unknown, missing, or beyond its bounds.
    """
    given = dict(body)
    if version is not None and given.setdefault("v", version) != version:
        raise wrong("v", f"this release knows version {version}")
    for name in unknown(given, record):
        there = ", ".join(each.encode_name for each in fields(record) if each.name != "v")
        raise wrong(name, f"there is no such field here; there are {there}")
    for name, value in _numbers(given):
        if not math.isfinite(value):
            raise wrong(name, "must be a finite number")
    try:
        return msgspec.convert(given, record)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _WHERE.search(text)
        name = found["path"] if found else _missing(text)
        raise wrong(name, text[: found.start()] if found else text) from error
    except (ValueError, OverflowError, RecursionError) as error:  # a time or a number out of all bounds
        raise wrong("body", str(error)) from error


def wrong(field: str, detail: str) -> Problem:
    """A field whose value cannot be used."""
    return Problem(422, f"{field}: {detail}", [(field, detail)])


def schema_of(record: type[Struct], *, without: tuple[str, ...] = ()) -> Object:
    """JSON Schema of a record as a body, in one piece: OpenAPI has its definitions elsewhere."""
    whole = msgspec.json.schema(record)
    schema: Object = _inlined(whole, whole.get("$defs", {}))
    if without:
        schema["properties"] = {k: v for k, v in schema["properties"].items() if k not in without}
        schema["required"] = [name for name in schema.get("required", []) if name not in without]
    return schema | {"additionalProperties": False}


def documented(
    record: type[Struct], examples: Mapping[str, Object], without: tuple[str, ...] = ("v",)
) -> Object:
    """`openapi_extra` of a route that takes a record."""
    content = {
        "schema": schema_of(record, without=without),
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": True, "content": {JSON: content}}}


def unknown(given: Mapping[str, Any], record: type[Struct], prefix: str = "") -> Iterator[str]:
    """Names that mean nothing, within records inside it too: a slip of the pen must not be a wide rule."""
    hints = get_type_hints(record)
    known = {each.encode_name: hints[each.name] for each in fields(record)}
    for name, value in given.items():
        if name not in known:
            yield prefix + name
            continue
        inner = _struct_in(known[name])
        for part in value if isinstance(value, list) else [value]:
            if inner is not None and isinstance(part, dict):
                yield from unknown(part, inner, f"{prefix}{name}.")


def _struct_in(annotation: Any) -> type[Struct] | None:
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return annotation
    if get_origin(annotation) is None:
        return None
    return next(filter(None, map(_struct_in, get_args(annotation))), None)


def _numbers(value: Any, path: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _numbers(part, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for part in value:
            yield from _numbers(part, path)


def _missing(text: str) -> str:
    """The field that msgspec misses: it names it in its words only."""
    found = re.search(r"field `([^`]*)`", text)
    return found[1] if found else "body"


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_inlined(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if reference := schema.get("$ref"):
        return _inlined(definitions[reference.rpartition("/")[2]], definitions)
    return {name: _inlined(part, definitions) for name, part in schema.items() if name != "$defs"}
