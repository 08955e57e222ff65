"""The table's store knows the partition of every key, so that what leaves with a partition is gone."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from lumina_streams.table import Store


@pytest.fixture
def store() -> Store:
    topic = SimpleNamespace(get_topic_name=lambda: "changelog")
    app: Any = SimpleNamespace(loop=None)
    table: Any = SimpleNamespace(name="t", changelog_topic=topic)
    return Store("memory://", app, table, table_name="t")


def record(partition: int, key: bytes, value: bytes | None) -> Any:
    return SimpleNamespace(message=SimpleNamespace(key=key, value=value, partition=partition))


async def test_a_revoked_partition_leaves_nothing_behind(store: Store) -> None:
    store.write(0, b"a", b"1")
    store.write(1, b"b", b"2")
    await store.on_rebalance({TP("changelog", 0)}, {TP("changelog", 1)}, set())
    assert store.data == {b"a": b"1"}


async def test_a_new_partition_starts_empty_and_is_recovered(store: Store) -> None:
    store.write(1, b"old", b"0")
    await store.on_rebalance({TP("changelog", 1)}, set(), {TP("changelog", 1)})
    store.apply_changelog_batch(
        [record(1, b"b", b"1"), record(1, b"b", b"2"), record(1, b"c", b"3"), record(1, b"c", None)],
        None,
        None,
    )
    assert store.data == {b"b": b"2"}


async def test_other_topics_partitions_do_not_matter(store: Store) -> None:
    store.write(1, b"b", b"2")
    await store.on_rebalance(set(), {TP("spans", 1)}, set())
    assert store.data == {b"b": b"2"}


async def test_a_recovered_key_that_was_deleted_and_written_again_is_there(store: Store) -> None:
    store.apply_changelog_batch(
        [record(0, b"k", b"1"), record(0, b"k", None), record(0, b"k", b"2")], None, None
    )
    assert store.data == {b"k": b"2"}
