"""What calls have cost, before it is told: counted while a run works, then items for the projects' logs."""

from collections.abc import Iterator

import msgspec

from lumina_schemas.project import PROJECT_VERSION, Spend, SpendItem
from lumina_schemas.source import Place
from lumina_streams.core.baseline.sketch import HIGHEST
from lumina_streams.core.series.call import Call

DAY_NS = 86_400_000_000_000

_encode = msgspec.json.Encoder().encode


class Spending:
    """What the calls of one run cost, by message of the log, project, service and day."""

    __slots__ = ("_copies", "_sums")

    def __init__(self) -> None:
        self._sums: dict[tuple[int, str, int, str, int], list[float]] = {}
        self._copies: dict[tuple[int, int], tuple[Place, ...]] = {}

    def count(self, partition: int, offset: int, call: Call) -> None:
        """Add a call that lies in the message at (partition, offset). Takes about a microsecond."""
        key = (partition, call.project, offset, call.service, call.start_ns // DAY_NS)
        sums = self._sums.get(key)
        if sums is None:
            sums = self._sums[key] = [0, 0.0, 0]
        sums[0] += 1
        if call.cost_usd is not None and (call.priced or call.candidate):
            sums[1] += min(max(call.cost_usd / (call.sample_rate or 1.0), 0.0), HIGHEST)
        elif call.status != "error":
            sums[2] += 1

    def copied(self, partition: int, offset: int, places: tuple[Place, ...]) -> None:
        """Note that a message is a copy of those that lay there."""
        self._copies[partition, offset] = places

    def messages(self, epochs: dict[int, str], limit: int) -> Iterator[tuple[str, bytes]]:
        """Project and value of each message for `lumina.projects`, of at most `limit` bytes.

        `epochs` has Kafka's id of `lumina.spans` by partition. One that is too large is cut between two
        offsets: all items of an offset count together or not at all.
        """
        found: dict[tuple[int, str], list[SpendItem]] = {}
        for (partition, project, offset, service, day), (calls, usd, unpriced) in self._sums.items():
            copied = self._copies.get((partition, offset), ())
            item = SpendItem(
                offset=offset,
                service=service,
                day=max(day, 0),
                calls=int(calls),
                usd=usd,
                unpriced=int(unpriced),
                copied=copied,
            )
            found.setdefault((partition, project), []).append(item)
        for (partition, project), items in found.items():
            items.sort(key=lambda item: item.offset)
            spend = Spend(
                v=PROJECT_VERSION,
                project=project,
                epoch=epochs[partition],
                partition=partition,
                items=tuple(items),
            )
            for value in _within(spend, limit):
                yield project, value


def _within(spend: Spend, limit: int) -> Iterator[bytes]:
    value = _encode(spend)
    items = spend.items
    if len(value) <= limit or items[0].offset == items[-1].offset:
        yield value
        return
    middle = items[len(items) // 2].offset
    if middle == items[0].offset:
        middle = next(item.offset for item in items if item.offset > middle)
    for half in (
        tuple(item for item in items if item.offset < middle),
        tuple(item for item in items if item.offset >= middle),
    ):
        yield from _within(msgspec.structs.replace(spend, items=half), limit)
