"""A message made to fit: its longest texts are shortened first, then elements are left out and counted."""

from google.protobuf.descriptor import Descriptor

from lumina_streams.core.otlp.edit import edited
from lumina_streams.core.otlp.wire import (
    VARINT,
    Chunk,
    Field,
    chunks,
    fields_of,
    length_delimited,
    read_varint,
    varint,
)

SHORTEST = 64
"""Bytes below which no text is shortened: ids, names and keys stay whole."""

_MARKER_ROOM = 40


def shrunk(data: bytes, message: Descriptor, limit: int) -> bytes:
    """An encoding of at most `limit` bytes of the message in `data`; texts in it that were cut say so.

    Where many small elements are the trouble, the last ones are dropped and added to the message's
    `dropped_..._count`. `limit` must leave room for the singular fields, SHORTEST bytes each.
    """
    if len(data) <= limit:
        return data
    sizes: list[int] = []

    def measure(_: bytes, start: int, stop: int, field: Field) -> None:
        sizes.append(stop - start)

    edited(data, message, measure)
    cut = _longest(sizes, limit - (len(data) - sum(sizes)))

    def shorten(data: bytes, start: int, stop: int, field: Field) -> bytes | None:
        if stop - start <= cut:
            return None
        return _text(data, start, stop, cut) if field.text else data[start : start + cut]

    data = edited(data, message, shorten) or data
    return data if len(data) <= limit else _thinned(data, message, limit)


def _longest(sizes: list[int], room: int) -> int:
    """The length to which all longer values are cut so that together they need at most `room` bytes."""
    sizes = sorted(sizes)
    for index, size in enumerate(sizes):
        share = room // (len(sizes) - index)
        if size > share:
            return max(share, SHORTEST)
        room -= size
    return max(sizes, default=SHORTEST)


def _text(data: bytes, start: int, stop: int, size: int) -> bytes:
    """At most `size` bytes of UTF-8 that begin the text in data[start:stop] and say how much is missing."""
    room = size - _MARKER_ROOM
    head = data[start : start + room].decode("utf-8", "replace").encode()
    # Replacing may lengthen; and a character that was cut in two has become U+FFFD.
    head = head[:room].decode("utf-8", "ignore").removesuffix("\ufffd").encode()
    return head + f"…[truncated {stop - start - len(head)} bytes]".encode()


def _thinned(data: bytes, message: Descriptor, limit: int) -> bytes:
    """The message without the elements that are over the limit."""
    fields = fields_of(message)
    counters = {field.number: field.name for field in message.fields if field.name.startswith("dropped_")}
    dropped = dict.fromkeys(counters.values(), 0)
    single: dict[int, Chunk] = {}
    many: list[Chunk] = []
    known = {field.number for field in message.fields}
    for chunk in chunks(data, 0, len(data)):
        if chunk.number in counters and chunk.wire_type == VARINT:
            dropped[counters[chunk.number]] = read_varint(data, chunk.body, chunk.stop)[0]
        elif chunk.number in known and (chunk.number not in fields or _plain(fields[chunk.number])):
            single[chunk.number] = chunk  # of a singular field sent twice the last counts
        else:
            many.append(chunk)
    out = [data[chunk.start : chunk.stop] for chunk in single.values()]
    room = limit - sum(map(len, out)) - 8 * len(counters)
    for chunk in many:
        field = fields.get(chunk.number)
        piece = data[chunk.start : chunk.stop]
        if len(piece) > room and field and field.message and not field.repeated and room > 16 * SHORTEST:
            inner = shrunk(data[chunk.body : chunk.stop], field.message, room - 12)
            piece = length_delimited(chunk.number, inner)
        if len(piece) <= room:
            out.append(piece)
            room -= len(piece)
        elif field and f"dropped_{field.name}_count" in dropped:
            dropped[f"dropped_{field.name}_count"] += 1
    for number, name in counters.items():
        if dropped[name]:
            out.append(varint(number << 3 | VARINT) + varint(min(dropped[name], 0xFFFFFFFF)))
    return b"".join(out)


def _plain(field: Field) -> bool:
    return field.message is None and not field.repeated
