from hypothesis import given
from hypothesis import strategies as st

from lumina_schemas.source import Source
from lumina_streams.core.series.positions import EPOCHS, Positions


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
