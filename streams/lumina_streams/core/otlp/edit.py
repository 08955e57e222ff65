"""Texts inside an encoded message changed in place: the rest of the bytes stays as it was sent."""

from collections.abc import Callable

from google.protobuf.descriptor import Descriptor

from lumina_streams.core.otlp.errors import TooComplex, Undecodable
from lumina_streams.core.otlp.wire import LENGTH, MAX_DEPTH, Field, chunks, fields_of, varint

MAX_FIELDS = 1_000_000
"""Fields that one edit visits (about a second). 4 MB of ordinary spans have 150,000."""

Leaf = Callable[[bytes, int, int, Field], bytes | None]
"""Given (data, start, stop, field) of a text or bytes value, its new value, or None to leave it."""


def edited(data: bytes, message: Descriptor, leaf: Leaf, *, only_non_ascii: bool = False) -> bytes | None:
    """`data` with each text and bytes value that `leaf` changes, or None where it changes none.

    `only_non_ascii` passes over submessages whose bytes are all ASCII. Raises Undecodable where the bytes are
    no message, TooComplex where they hold more than MAX_FIELDS fields.
    """
    return _Edit(data, leaf, only_non_ascii).message(0, len(data), message, 0)


class _Edit:
    def __init__(self, data: bytes, leaf: Leaf, only_non_ascii: bool) -> None:
        self._data = data
        self._leaf = leaf
        self._only_non_ascii = only_non_ascii
        self._left = MAX_FIELDS

    def message(self, pos: int, end: int, message: Descriptor, depth: int) -> bytes | None:
        if depth >= MAX_DEPTH:
            raise Undecodable(f"messages are nested deeper than {MAX_DEPTH}")
        data, fields = self._data, fields_of(message)
        out: list[bytes] = []
        kept = pos
        for number, wire_type, start, body, stop in chunks(data, pos, end):
            self._left -= 1
            if self._left < 0:
                raise TooComplex(f"A message has more than {MAX_FIELDS} fields: send smaller batches.")
            field = fields.get(number)
            if field is None or wire_type != LENGTH:
                continue
            if field.message is None:
                new = self._leaf(data, body, stop, field)
            elif self._only_non_ascii and data[body:stop].isascii():
                new = None
            else:
                new = self.message(body, stop, field.message, depth + 1)
            if new is not None:
                out += (data[kept:start], varint(number << 3 | LENGTH), varint(len(new)), new)
                kept = stop
        if not out:
            return None
        out.append(data[kept:end])
        return b"".join(out)


def repaired(data: bytes, message: Descriptor) -> bytes | None:
    """`data` with U+FFFD in place of what is no UTF-8 in its texts, or None where nothing had to be replaced.

    A protobuf parser refuses a whole request for one such string (a prompt cut in the middle of a character).
    """
    return edited(data, message, _utf8, only_non_ascii=True)


def _utf8(data: bytes, start: int, stop: int, field: Field) -> bytes | None:
    if not field.text:
        return None
    raw = data[start:stop]
    try:
        raw.decode()
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace").encode()
    return None
