"""What a series has applied already: the highest position per source partition.

A landing topic's partition is read in order, so one head says it all. Dead letters are re-driven selectively
and in any order: each of them is a source of its own.
"""

from typing import Self

from lumina_schemas.dead_letter import PARTITION_BITS
from lumina_schemas.source import Source

EPOCHS = (
    64  # landing topics, recreated ones included, whose positions are remembered per origin; the oldest goes
)
LETTERS = 256
"""Dead letters whose ordinals are remembered. An older one is done: all its spans came in one run, so only
that it was there is kept."""

BLOCK = 64  # dead letters of one partition that are done, a bit each
BLOCKS = 1024
"""Blocks that are remembered, the oldest goes: at least so many letters of one series count once however
often they are re-driven, and 65,536 where they lie close together."""

DONE = "dlq-done"
"""Where the blocks are kept, beside the origins: {epoch: {block << 16 | partition: [bits]}}."""

Heads = dict[str, dict[str, dict[int, list[int]]]]


class Positions:
    """Highest (offset, ordinal) per (epoch, origin, partition).

    Sources are contiguous: whatever is not newer than the head of its partition was applied before. For
    origin `dlq` the place of the partition is taken by the letter, as offset << 16 | partition.
    """

    __slots__ = ("heads",)

    def __init__(self, heads: Heads | None = None) -> None:
        self.heads: Heads = {} if heads is None else heads
        """{origin: {epoch: {partition: [offset, ordinal]}}}, packable as it is."""

    def advance(self, src: Source) -> bool:
        """Take a position. True: it is newer, apply its span; False: it was applied already, drop it."""
        epoch, origin, partition, offset, ordinal = src
        if origin == "dlq":
            return self._advance_letter(src)
        try:
            head = self.heads[origin][epoch][partition]
        except KeyError:
            self._enter(origin, epoch)[partition] = [offset, ordinal]
            return True
        if offset < head[0] or (offset == head[0] and ordinal <= head[1]):
            return False
        head[0] = offset
        head[1] = ordinal
        return True

    def _advance_letter(self, src: Source) -> bool:
        epoch, _, partition, offset, ordinal = src
        letters = self._enter("dlq", epoch)
        letter = offset << PARTITION_BITS | partition
        head = letters.get(letter)
        if head is not None:
            if ordinal <= head[1]:
                return False
            head[1] = ordinal
            return True
        block, bit = _place(letter)
        done = self.heads.get(DONE, {}).get(epoch, {}).get(block)
        if done is not None and done[0] & bit:
            return False
        letters[letter] = [offset, ordinal]
        if len(letters) > LETTERS:
            oldest = next(iter(letters))
            del letters[oldest]
            self._finish(epoch, oldest)
        return True

    def _finish(self, epoch: str, letter: int) -> None:
        """Keep no more of a letter than that it is done."""
        blocks = self._enter(DONE, epoch)
        block, bit = _place(letter)
        if block not in blocks and len(blocks) >= BLOCKS:
            del blocks[next(iter(blocks))]
        blocks.setdefault(block, [0])[0] |= bit

    def _enter(self, origin: str, epoch: str) -> dict[int, list[int]]:
        """What is known of one epoch, entered where it is new."""
        epochs = self.heads.setdefault(origin, {})
        if epoch not in epochs and len(epochs) >= EPOCHS:
            del epochs[next(iter(epochs))]
        return epochs.setdefault(epoch, {})

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


def _place(letter: int) -> tuple[int, int]:
    """A letter's block, and its bit there."""
    partition = letter & ((1 << PARTITION_BITS) - 1)
    block, place = divmod(letter >> PARTITION_BITS, BLOCK)
    return block << PARTITION_BITS | partition, 1 << place
