"""What a series has applied already: the highest position per source partition."""

from typing import Self

from lumina_schemas.source import Source

EPOCHS = (
    64  # landing topics, recreated ones included, whose positions are remembered per origin; the oldest goes
)

Heads = dict[str, dict[str, dict[int, list[int]]]]


class Positions:
    """Highest (offset, ordinal) per (epoch, origin, partition).

    Sources are contiguous: whatever is not newer than the head of its partition was applied before.
    """

    __slots__ = ("heads",)

    def __init__(self, heads: Heads | None = None) -> None:
        self.heads: Heads = {} if heads is None else heads
        """{origin: {epoch: {partition: [offset, ordinal]}}}, packable as it is."""

    def advance(self, src: Source) -> bool:
        """Take a position. True: it is newer, apply its span; False: it was applied already, drop it."""
        epoch, origin, partition, offset, ordinal = src
        try:
            head = self.heads[origin][epoch][partition]
        except KeyError:
            self._enter(src)
            return True
        if offset < head[0] or (offset == head[0] and ordinal <= head[1]):
            return False
        head[0] = offset
        head[1] = ordinal
        return True

    def _enter(self, src: Source) -> None:
        epochs = self.heads.setdefault(src.origin, {})
        if src.epoch not in epochs and len(epochs) >= EPOCHS:
            del epochs[next(iter(epochs))]
        epochs.setdefault(src.epoch, {})[src.partition] = [src.offset, src.ordinal]

    def copy(self) -> Self:
        """An independent copy."""
        return type(self)(
            {
                origin: {
                    epoch: {number: list(head) for number, head in partitions.items()}
                    for epoch, partitions in epochs.items()
                }
                for origin, epochs in self.heads.items()
            }
        )
