from collections import Counter
from random import Random
from unittest.mock import patch

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from lumina_schemas.dead_letter import MAX_OFFSET, PARTITION_BITS
from lumina_schemas.source import Source
from lumina_streams.core.series import positions as module
from lumina_streams.core.series.positions import BLOCK, BLOCKS, DONE, EPOCHS, LETTERS, Heads, Positions


def at(offset: int, ordinal: int = 0, partition: int = 0, epoch: str = "e") -> Source:
    return Source(epoch, "otlp", partition, offset, ordinal)


def test_only_newer_positions_are_taken() -> None:
    positions = Positions()
    assert positions.advance(at(5, 1))
    assert not positions.advance(at(5, 1))
    assert not positions.advance(at(5, 0))
    assert not positions.advance(at(4, 9))
    assert positions.advance(at(5, 2))
    assert positions.advance(at(6))


def test_partitions_origins_and_epochs_are_apart() -> None:
    positions = Positions()
    assert positions.advance(at(9))
    assert positions.advance(at(1, partition=1))
    assert positions.advance(at(1, epoch="recreated"))
    assert positions.advance(Source("e", "dlq", 0, 1, 0))
    assert not positions.advance(at(9))


def test_the_oldest_epoch_makes_room() -> None:
    positions = Positions()
    for epoch in range(EPOCHS + 1):
        positions.advance(at(1, epoch=str(epoch)))
    assert list(positions.heads["otlp"]) == [str(epoch) for epoch in range(1, EPOCHS + 1)]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 20), st.integers(0, 5))))
def test_each_position_counts_once_in_any_replay(steps: list[tuple[int, int, int]]) -> None:
    log = sorted({at(offset, ordinal, partition) for partition, offset, ordinal in steps})
    positions = Positions()
    assert all(positions.advance(src) for src in log)
    twin = positions.copy()
    assert not any(twin.advance(src) for src in log)
    assert twin.heads == positions.heads


def letter(offset: int, ordinal: int = 0, partition: int = 0, epoch: str = "e") -> Source:
    return Source(epoch, "dlq", partition, offset, ordinal)


def test_dead_letters_count_once_in_whatever_order_they_come_back() -> None:
    positions = Positions()
    assert positions.advance(letter(7))
    assert positions.advance(letter(3, 0))
    assert positions.advance(letter(3, 2))
    assert positions.advance(letter(7, partition=1))
    assert positions.advance(letter(7, epoch="recreated"))
    for src in (letter(7), letter(3, 0), letter(3, 1), letter(3, 2), letter(7, partition=1)):
        assert not positions.advance(src)
    assert positions.advance(letter(3, 3))


LETTER = st.tuples(st.integers(0, 3), st.integers(0, 400), st.integers(1, 4))


@given(st.lists(LETTER, unique_by=lambda each: each[:2]), st.randoms(), st.sampled_from([1, 3, LETTERS]))
def test_each_span_of_each_letter_counts_once(
    letters: list[tuple[int, int, int]], rng: Random, remembered: int
) -> None:
    """Any selection, in any order, as often as one likes, with the state stored and read in between."""
    with patch.object(module, "LETTERS", remembered):
        positions = Positions()
        counted: Counter[Source] = Counter()
        for _ in range(3):
            for partition, offset, spans in rng.sample(letters, rng.randint(0, len(letters))):
                for ordinal in range(spans):
                    src = letter(offset, ordinal, partition)
                    counted[src] += positions.advance(src)
            stored = msgspec.msgpack.encode(positions.heads)
            positions = Positions(msgspec.msgpack.decode(stored, type=Heads))
    assert set(counted.values()) <= {1}


def test_ten_thousand_letters_re_driven_twice_count_once() -> None:
    """An hour of failures of one series, re-driven whole, and again from the start."""
    positions = Positions()
    everything = [letter(offset, 0, partition) for partition in range(4) for offset in range(2_500)]
    assert all(positions.advance(src) for src in everything)
    assert not any(positions.advance(src) for src in everything)
    assert len(msgspec.msgpack.encode(positions.heads)) < 6_000


def test_what_is_remembered_of_letters_is_bounded() -> None:
    positions = Positions()
    for offset in range(LETTERS + 2 * BLOCKS):
        positions.advance(letter(offset * BLOCK))
    assert len(positions.heads["dlq"]["e"]) == LETTERS
    assert len(positions.heads[DONE]["e"]) == BLOCKS
    assert len(msgspec.msgpack.encode(positions.heads)) < 25_000
    assert positions.advance(letter(0))  # the oldest made room
    assert not positions.advance(letter((LETTERS + 2 * BLOCKS - 1) * BLOCK))


def test_the_highest_position_that_a_header_can_name_fits() -> None:
    positions = Positions()
    highest = letter(MAX_OFFSET, 2**31, 2**PARTITION_BITS - 1)
    assert positions.advance(highest)
    assert not positions.advance(highest)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(positions.heads), type=Heads) == positions.heads
