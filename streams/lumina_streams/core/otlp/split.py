"""A request cut into requests that each fit a Kafka message."""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor

from lumina_streams.core.otlp.errors import TooComplex, Undecodable, explained
from lumina_streams.core.otlp.shrink import shrunk
from lumina_streams.core.otlp.signals import Signal
from lumina_streams.core.otlp.wire import LENGTH, MAX_ITEMS, chunks, length_delimited

_FRAME = 12  # at most: tag and length of an element

_FEW_BYTES = 2 * MAX_ITEMS  # an element has two bytes at least: this has no more than so many


def split(signal: Signal, body: bytes, limit: int) -> list[bytes]:
    """Encoded requests of at most `limit` bytes each that hold, in order, what the encoded `body` holds.

    Resource and scope are repeated where their spans are spread. A span that is too large by itself is
    shortened (see `shrink`), never lost. Raises Undecodable, TooComplex. `limit` of 4,000 and more.
    """
    if len(body) <= min(limit, _FEW_BYTES):
        return [body]
    levels = []
    message = signal.descriptor
    for name in (signal.groups, signal.scopes, signal.items):
        field = message.fields_by_name[name]
        levels.append((message, field.number))
        assert field.message_type is not None
        message = field.message_type
    try:
        return list(_Split(body, levels, message).parts(0, len(body), 0, limit))
    except Undecodable as error:
        raise explained(error, signal.descriptor.name, "protobuf") from error


class _Split:
    def __init__(self, data: bytes, levels: list[tuple[Descriptor, int]], item: Descriptor) -> None:
        self._data = data
        self._levels = levels
        self._item = item
        self._left = MAX_ITEMS

    def parts(self, start: int, stop: int, depth: int, limit: int) -> Iterator[bytes]:
        """Encodings of at most `limit` bytes of the message at data[start:stop], `depth` levels down."""
        data = self._data
        if stop - start <= limit:
            if stop - start > _FEW_BYTES:
                self._count(start, stop, depth)
            yield data[start:stop]
            return
        if depth == len(self._levels):
            yield shrunk(data[start:stop], self._item, limit)
            return
        message, number = self._levels[depth]
        head, elements = self._separated(start, stop, number)
        head = shrunk(head, message, limit // 4)
        room = limit - len(head)
        batch: list[bytes] = []
        size = 0
        for first, last in elements:
            for part in self.parts(first, last, depth + 1, room - _FRAME):
                element = length_delimited(number, part)
                if size + len(element) > room:
                    yield head + b"".join(batch)
                    batch, size = [], 0
                batch.append(element)
                size += len(element)
        if batch:
            yield head + b"".join(batch)

    def _count(self, start: int, stop: int, depth: int) -> None:
        """Refuse what would become too many messages in memory, before any is built."""
        if depth == len(self._levels):
            return
        _, number = self._levels[depth]
        for chunk in chunks(self._data, start, stop):
            self._less()
            if chunk.number == number and chunk.wire_type == LENGTH:
                self._count(chunk.body, chunk.stop, depth + 1)

    def _less(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooComplex(f"The request has more than {MAX_ITEMS} elements: send smaller batches.")

    def _separated(self, start: int, stop: int, number: int) -> tuple[bytes, list[tuple[int, int]]]:
        """The message's own fields, and where its elements are."""
        head: list[bytes] = []
        elements: list[tuple[int, int]] = []
        for chunk in chunks(self._data, start, stop):
            self._less()
            if chunk.number == number and chunk.wire_type == LENGTH:
                elements.append((chunk.body, chunk.stop))
            else:
                head.append(self._data[chunk.start : chunk.stop])
        return b"".join(head), elements
