"""Where a record of one generation goes in the next. Pure: records in, records out.

A series lies in one partition before and in one after, so its records keep their order as long as those of
each old partition do.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from msgspec import Struct

from lumina_schemas.control import COMMAND, TICK, SeriesCommand
from lumina_schemas.partition import partition_of
from lumina_schemas.source import Place, Source
from lumina_schemas.topics import COPY_HEADER, TYPE_HEADER

Headers = Sequence[tuple[str, bytes]]


class Routed(NamedTuple):
    """A record for the new topic."""

    partition: int
    value: bytes | None
    key: bytes | None = None


class Route(NamedTuple):
    """Where one old record goes."""

    records: list[Routed]
    shared: tuple[bytes, int] | None = None
    """Value and number of a message that lies in every old partition; its copies have the same. Only for the
    first of them there are records.
    """


class UnknownKey(ValueError):
    """The table holds something that this version cannot place."""


class _Line(Struct):
    series_id: str = ""
    span_id: str = ""


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_command = msgspec.json.Decoder(SeriesCommand).decode
_encode = msgspec.json.Encoder().encode


def copied(headers: Headers, place: Place) -> Headers:
    """The headers of a record that the old workers had not committed, in the next generation.

    What a batch cost may have been told already, by a worker that died before it wrote the states: its place
    in the old log goes along, and the projects know it by that (`ProjectState.count`).
    """
    if any(name == TYPE_HEADER for name, _ in headers):
        return headers
    return [*headers, (COPY_HEADER, _encode(place))]


class LogRouting:
    """The series' log: batches are split by series, control messages follow theirs, ticks stay behind.

    Ticks say how far the landing topics have come in one partition; in a mixture of several that is not
    true. New ones come within seconds.
    """

    def __init__(self, epoch: str, partitions: int) -> None:
        self._epoch = epoch
        self._partitions = partitions
        self._met: dict[int, Counter[bytes]] = defaultdict(Counter)
        self._sent: Counter[bytes] = Counter()

    def route(self, partition: int, offset: int, value: bytes, headers: Headers) -> Route:
        """The new records of one old one. What cannot be read goes along: detect says what is wrong."""
        kind = next((bytes(value) for name, value in headers if name == TYPE_HEADER), None)
        if kind is None:
            return Route(self._batch(partition, value))
        if kind == TICK:
            return Route([])
        if kind == COMMAND:
            return Route([self._command(partition, offset, value)])
        return self._broadcast(partition, value)

    def _batch(self, partition: int, value: bytes) -> list[Routed]:
        lines: dict[int, list[bytes]] = {}
        for line in value.split(b"\n"):
            try:
                read = _decode_line(line)
                home = partition_of(read.series_id or read.span_id, self._partitions)
            except (msgspec.DecodeError, UnicodeError):
                home = partition
            lines.setdefault(home, []).append(line)
        return [Routed(home, b"\n".join(some)) for home, some in lines.items()]

    def _command(self, partition: int, offset: int, value: bytes) -> Routed:
        try:
            command = _decode_command(value)
        except (msgspec.DecodeError, UnicodeError):
            return Routed(partition, value)
        if command.src is None:
            # Its place was its position. It keeps it, so that it counts once wherever it lies.
            place = Source(self._epoch, "control", partition, offset, 0)
            value = _encode(msgspec.structs.replace(command, src=place))
        return Routed(partition_of(command.series_id, self._partitions), value)

    def _broadcast(self, partition: int, value: bytes) -> Route:
        """What concerns no single series (rules, marks): in every old partition, once in every new one."""
        met = self._met[partition]
        met[value] += 1
        shared = (value, met[value])
        if met[value] <= self._sent[value]:
            return Route([], shared)
        self._sent[value] += 1
        return Route([Routed(number, value) for number in range(self._partitions)], shared)


class Starts:
    """Where detect goes on in each new partition: at the first record that the old workers had not done.

    One that was copied once for all old partitions is not done as long as one of them had not done it.
    """

    def __init__(self) -> None:
        self._starts: dict[int, int] = {}
        self._shared: dict[tuple[bytes, int], dict[int, int]] = {}

    def note(self, route: Route, done: bool, end: Callable[[int], int]) -> None:
        """Note an old record that is about to be written; `end(partition)` is the next offset of each."""
        offsets = {record.partition: end(record.partition) for record in route.records}
        if route.shared is not None:
            offsets = self._shared.setdefault(route.shared, offsets)
        if not done:
            for partition, offset in offsets.items():
                self._starts[partition] = min(offset, self._starts.get(partition, offset))

    def of(self, partition: int, end: int) -> int:
        """Where detect goes on in a partition that ends at `end`."""
        return self._starts.get(partition, end)


def route_state(key: bytes, value: bytes | None, before: int, partitions: int) -> list[Routed]:
    """The new records of one record of the table's changelog, which had `before` partitions.

    `h|series` and `c|series|slot` go where their series goes. `p|number` and `r|number` are what a partition
    keeps beside its series: its clock, which names its log's Kafka id, with the projects' active series;
    its rules and marks, the same in all. A new
    one begins with those of an old one. Raises UnknownKey.
    """
    kind, *rest = key.split(b"|")
    if kind in (b"h", b"c") and rest:
        return [Routed(partition_of(rest[0].decode(), partitions), value, key)]
    if kind in (b"p", b"r") and rest and rest[0].isdigit():
        mine = int(rest[0])
        return [
            Routed(number, value, b"%s|%d" % (kind, number))
            for number in range(partitions)
            if number % before == mine
        ]
    raise UnknownKey(
        f"The table of the series has a key {key!r}, which this version of Lumina does not know. Use the "
        "version that the workers had."
    )
