"""The table's store: partitions, revisions, terms."""

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from lumina_streams.core.series.revision import Revision, is_newer, payload_of, revised, revision_of
from lumina_streams.transport.store import Store


def new_store() -> Store:
    topic = SimpleNamespace(get_topic_name=lambda: "changelog")
    app: Any = SimpleNamespace(loop=None)
    table: Any = SimpleNamespace(name="t", changelog_topic=topic)
    return Store("memory://", app, table, table_name="t")


@pytest.fixture
def store() -> Store:
    return new_store()


def payloads(store: Store) -> dict[bytes, bytes]:
    return {key: payload_of(stored) for key, stored in store.data.items()}


async def test_a_revoked_partition_leaves_nothing_behind(store: Store) -> None:
    store.write(0, b"a", b"1")
    store.write(1, b"b", b"2")
    await store.on_rebalance({TP("changelog", 0)}, {TP("changelog", 1)}, set())
    assert payloads(store) == {b"a": b"1"}
    assert store.keys_of(1) == []


async def test_a_new_partition_starts_empty_and_is_recovered(store: Store) -> None:
    store.write(1, b"old", b"0")
    await store.on_rebalance({TP("changelog", 1)}, set(), {TP("changelog", 1)})
    store.restore(1, b"b", revised(b"1", Revision(1, 1)))
    store.restore(1, b"b", revised(b"2", Revision(1, 2)))
    store.restore(1, b"c", revised(b"1", Revision(1, 1)))
    store.restore(1, b"c", None)
    assert payloads(store) == {b"b": b"2"}


async def test_other_topics_partitions_do_not_matter(store: Store) -> None:
    store.write(1, b"b", b"2")
    await store.on_rebalance(set(), {TP("spans", 1)}, set())
    assert payloads(store) == {b"b": b"2"}


def test_a_stale_writer_does_not_win_by_coming_last(store: Store) -> None:
    former = new_store()
    changelog = [former.write(0, b"k", b"848")]
    heir = new_store()
    for stored in changelog:
        heir.restore(0, b"k", stored)
    changelog.append(heir.write(0, b"k", b"4926"))
    # It was stopped, and has written often, but in its own term.
    changelog += [former.write(0, b"k", b"849"), former.write(0, b"k", b"850")]
    for stored in changelog:
        store.restore(0, b"k", stored)
    assert payloads(store) == {b"k": b"4926"}
    assert revision_of(store.write(0, b"k", b"4927")).term == 3


@given(st.data())
def test_the_last_owner_wins_whatever_the_order_of_records(data: st.DataObject) -> None:
    """Owners one after the other; each may write on after it was replaced. Any mixture that keeps the order
    of each owner's records gives the last owner's last write of each key.
    """
    records: list[list[tuple[bytes, bytes]]] = []
    for owner in range(data.draw(st.integers(1, 4))):
        store = new_store()
        for written in records:
            for key, stored in written:
                store.restore(0, key, stored)
        keys = data.draw(st.lists(st.sampled_from([b"a", b"b"]), min_size=1, max_size=5))
        records.append([(key, store.write(0, key, b"%d/%d" % (owner, n))) for n, key in enumerate(keys)])
    expected: dict[bytes, bytes] = {}
    for written in records:
        expected |= {key: payload_of(stored) for key, stored in written}
    order = data.draw(st.permutations([owner for owner, written in enumerate(records) for _ in written]))
    queues = [iter(written) for written in records]
    store = new_store()
    for owner in order:
        store.restore(0, *next(queues[owner]))
    assert payloads(store) == expected


@given(st.binary(), st.integers(0, 2**24 - 1), st.integers(0, 2**40 - 1))
def test_a_stored_value_is_its_payload_and_its_revision(payload: bytes, term: int, count: int) -> None:
    stored = revised(payload, Revision(term, count))
    assert (payload_of(stored), revision_of(stored)) == (payload, Revision(term, count))
    assert is_newer(stored, None)
    assert not is_newer(stored, stored)
