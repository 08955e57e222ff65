"""OTLP/JSON: a JSON document into the same message that the protobuf encoding gives.

Rules of OTLP's JSON encoding: ids in hexadecimal, enums as integers, 64-bit integers as numbers or strings,
lowerCamelCase keys, unknown keys ignored. Beyond them, what senders are known to do is taken as well: enum
names, snake_case keys, null for absent. An id that is no hexadecimal text spoils its span alone.
"""

import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from lumina_streams.core.otlp.errors import TooComplex, Undecodable
from lumina_streams.core.otlp.wire import MAX_DEPTH, MAX_ITEMS

MAX_VALUES = 1_000_000
"""JSON values of one document, estimated by its brackets and commas; each may cost 100 bytes of memory."""

IDS = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
"""Bytes of the fields that are written in hexadecimal."""

_URL_SAFE = str.maketrans("-_", "+/")

Read = Callable[[Any, int], Any]

_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(1 << 31), 1 << 31),
    FieldDescriptor.TYPE_SINT32: (-(1 << 31), 1 << 31),
    FieldDescriptor.TYPE_SFIXED32: (-(1 << 31), 1 << 31),
    FieldDescriptor.TYPE_UINT32: (0, 1 << 32),
    FieldDescriptor.TYPE_FIXED32: (0, 1 << 32),
    FieldDescriptor.TYPE_INT64: (-(1 << 63), 1 << 63),
    FieldDescriptor.TYPE_SINT64: (-(1 << 63), 1 << 63),
    FieldDescriptor.TYPE_SFIXED64: (-(1 << 63), 1 << 63),
    FieldDescriptor.TYPE_UINT64: (0, 1 << 64),
    FieldDescriptor.TYPE_FIXED64: (0, 1 << 64),
}


def message_of(body: bytes, request: Any) -> Any:
    """The message of type `request` that a JSON document describes. Raises Undecodable, TooComplex."""
    document = _parsed(body)
    try:
        return request(**_read_message(request.DESCRIPTOR, document, 1))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        if isinstance(error, Undecodable):
            raise
        raise Undecodable(f"the document does not describe a {request.DESCRIPTOR.name}") from error


def _parsed(body: bytes) -> Any:
    if body.count(b"{") + body.count(b"[") + body.count(b",") > MAX_VALUES:
        raise TooComplex(
            f"The JSON document has more than {MAX_VALUES} values: send smaller batches, or protobuf."
        )
    try:
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise Undecodable("the JSON document is nested too deep") from error
    except (msgspec.MsgspecError, UnicodeError):
        pass
    # Lone surrogates and bytes that are no UTF-8 are replaced, as in protobuf; the rest is still an error.
    try:
        return json.loads(body.decode("utf-8-sig", "replace"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Undecodable(f"the body is no JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise Undecodable("the JSON document is nested too deep") from error
    except ValueError as error:
        raise Undecodable("the body is no JSON: a number in it cannot be read") from error


def _no_constant(name: str) -> None:
    raise ValueError(name)


@cache
def _readers(message: Descriptor) -> dict[str, tuple[str, Read]]:
    """For each key of a message's object: the field's name and what reads its value."""
    readers: dict[str, tuple[str, Read]] = {}
    for field in message.fields:
        read = _repeated(field, _reader(field)) if field.is_repeated else _reader(field)
        readers[field.name] = readers[field.camelcase_name] = (field.name, read)
    return readers


def _read_message(message: Descriptor, value: Any, depth: int) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Undecodable(f"{message.name} must be an object, not {_kind(value)}")
    if depth > MAX_DEPTH:
        raise Undecodable(f"values are nested deeper than {MAX_DEPTH}")
    readers = _readers(message)
    fields = {}
    for key, item in value.items():
        reader = readers.get(key)
        if reader is not None and item is not None:
            fields[reader[0]] = reader[1](item, depth)
    return fields


def _repeated(field: FieldDescriptor, read: Read) -> Read:
    empty: Any = {} if field.message_type else None

    def read_all(value: Any, depth: int) -> list[Any]:
        if not isinstance(value, list):
            raise Undecodable(f"{field.camelcase_name} must be an array, not {_kind(value)}")
        if len(value) > MAX_ITEMS:
            raise TooComplex(
                f"{field.camelcase_name} has more than {MAX_ITEMS} elements: send smaller batches."
            )
        if None in value:
            value = [empty if item is None else item for item in value]
        return [read(item, depth) for item in value]

    return read_all


def _reader(field: FieldDescriptor) -> Read:
    """What turns a JSON value into one value of the field."""
    name = field.camelcase_name
    message = field.message_type
    if message is not None:
        return lambda value, depth: _read_message(message, value, depth + 1)
    if field.name in IDS and field.type == FieldDescriptor.TYPE_BYTES:
        size = IDS[field.name]
        return lambda value, _: _id(name, value, size)
    if field.type == FieldDescriptor.TYPE_STRING:
        return lambda value, _: _text(name, value)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value, _: _bytes(name, value)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return lambda value, _: _bool(name, value)
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return lambda value, _: _float(name, value)
    if field.enum_type is not None:
        numbers = {value.name: value.number for value in field.enum_type.values}
        return lambda value, _: _integer(name, numbers.get(value, value), -(1 << 31), 1 << 31)
    low, high = _INTEGERS[field.type]
    return lambda value, _: _integer(name, value, low, high)


def _id(name: str, value: Any, size: int) -> bytes:
    """The id's bytes; of what is no hexadecimal text, the text itself, at a length that no valid id has."""
    if not isinstance(value, str):
        raise Undecodable(f"{name} must be a hexadecimal text, not {_kind(value)}")
    try:
        # fromhex passes over spaces.
        if value.isalnum() or not value:
            return bytes.fromhex(value)
    except ValueError:
        pass
    raw = value.encode("utf-8", "replace")
    return raw + b"?" if len(raw) == size else raw


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Undecodable(f"{name} must be a text, not {_kind(value)}")
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _bytes(name: str, value: Any) -> bytes:
    if isinstance(value, str):
        try:
            text = value.translate(_URL_SAFE).rstrip("=")
            return b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (Base64Error, ValueError):
            pass
    raise Undecodable(f"{name} must be bytes in base64")


def _bool(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise Undecodable(f"{name} must be true or false, not {_kind(value)}")
    return value


def _float(name: str, value: Any) -> float:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    raise Undecodable(f"{name} must be a number, not {_kind(value)}")


def _integer(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int:
        try:
            if isinstance(value, str) or (isinstance(value, float) and value.is_integer()):
                value = int(value)
        except ValueError:
            pass
    if type(value) is not int:
        raise Undecodable(f"{name} must be an integer, not {_kind(value)}")
    if not low <= value < high:
        raise Undecodable(f"{name} is out of range: it must be at least {low} and below {high}")
    return value


def _kind(value: Any) -> str:
    """What JSON calls a value. Never the value: it may be a prompt."""
    if value is None:
        return "null"
    kinds = {bool: "true or false", str: "a text", dict: "an object", list: "an array"}
    return kinds.get(type(value), "a number")
