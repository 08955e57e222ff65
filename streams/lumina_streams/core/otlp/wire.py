"""Protobuf's wire format, read without building messages.

Used where building them is not possible (strings that are no UTF-8) or not affordable (requests larger than
a Kafka message). Format: protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from lumina_streams.core.otlp.errors import Undecodable

MAX_DEPTH = 100
"""Nesting that protobuf's own parsers accept."""

MAX_ITEMS = 250_000
"""Elements (groups, scopes, spans) of one request. SDKs send 512 spans at once, Collectors 8,192."""

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)


class Chunk(NamedTuple):
    """One field as it stands in the bytes: data[start:stop] is all of it, data[body:stop] its value."""

    number: int
    wire_type: int
    start: int
    body: int
    stop: int


class Field(NamedTuple):
    """What a message's descriptor says about a length-delimited field; plain numbers are not described."""

    name: str
    repeated: bool
    text: bool
    message: Descriptor | None


@cache
def fields_of(message: Descriptor) -> dict[int, Field]:
    """Text, bytes and message fields of a message type by number."""
    return {
        field.number: Field(
            field.name,
            field.is_repeated,
            field.type == FieldDescriptor.TYPE_STRING,
            field.message_type,
        )
        for field in message.fields
        if field.type
        in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES, FieldDescriptor.TYPE_MESSAGE)
    }


def chunks(data: bytes, pos: int, end: int) -> Iterator[Chunk]:
    """The fields of the message in data[pos:end], in order. Raises Undecodable where it is no message."""
    while pos < end:
        start = pos
        tag, pos = read_varint(data, pos, end)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 1 << 29:
            raise Undecodable("a field number is out of range")
        body = pos
        if wire_type == LENGTH:
            size, body = read_varint(data, pos, end)
            pos = body + size
        else:
            pos = _skip(data, pos, end, wire_type)
        if pos > end:
            raise Undecodable("a field reaches beyond the end of its message")
        yield Chunk(number, wire_type, start, body, pos)


def read_varint(data: bytes, pos: int, end: int) -> tuple[int, int]:
    """The variable-length integer at `pos` and the position after it."""
    value = shift = 0
    while pos < end:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, pos
        shift += 7
        if shift > 63:
            raise Undecodable("a variable-length integer has more than 10 bytes")
    raise Undecodable("the bytes end inside of a field")


def varint(value: int) -> bytes:
    """A non-negative integer as a variable-length integer."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def length_delimited(number: int, body: bytes) -> bytes:
    """A field of text, bytes or a message."""
    return varint(number << 3 | LENGTH) + varint(len(body)) + body


def _skip(data: bytes, pos: int, end: int, wire_type: int) -> int:
    """Position after a value that is not length-delimited."""
    if wire_type == VARINT:
        return read_varint(data, pos, end)[1]
    if wire_type == FIXED64:
        return pos + 8
    if wire_type == FIXED32:
        return pos + 4
    if wire_type != GROUP:
        raise Undecodable("a field has an unknown wire type or closes a group that was never opened")
    depth = 1  # groups are of another age: nobody sends them, parsers still skip them
    while depth:
        tag, pos = read_varint(data, pos, end)
        inner = tag & 7
        if inner == GROUP:
            depth += 1
        elif inner == END_GROUP:
            depth -= 1
        elif inner == LENGTH:
            size, pos = read_varint(data, pos, end)
            pos += size
        else:
            pos = _skip(data, pos, end, inner)
    return pos
