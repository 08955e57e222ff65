"""A series' name and partition are the same for every producer, in every language."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumina_schemas.partition import murmur2, partition_of, series_id

# From Apache Kafka's own UtilsTest.testMurmur2 (signed 32-bit there).
KAFKA_VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("data", "signed"), KAFKA_VECTORS.items())
def test_murmur2_is_kafkas(data: bytes, signed: int) -> None:
    assert murmur2(data) == signed & 0xFFFFFFFF


@given(st.binary(max_size=80))
def test_murmur2_is_the_clients(data: bytes) -> None:
    from aiokafka.partitioner import murmur2 as clients

    assert murmur2(data) == clients(data) & 0xFFFFFFFF


@given(st.text(), st.text(), st.text(), st.integers(1, 64))
def test_a_series_lives_on_one_partition(project: str, service: str, endpoint: str, partitions: int) -> None:
    series = series_id(project, service, endpoint)
    assert len(series) == 16
    assert 0 <= partition_of(series, partitions) < partitions
    assert series == series_id(project, service, endpoint)


def test_parts_do_not_run_into_each_other() -> None:
    names = {
        series_id("a", "bc", ""),
        series_id("ab", "c", ""),
        series_id("", "abc", ""),
        series_id("a", "b", "c"),
    }
    assert len(names) == 4


def test_series_spread_over_partitions() -> None:
    used = {partition_of(series_id("p", "s", str(n)), 32) for n in range(1000)}
    assert used == set(range(32))
