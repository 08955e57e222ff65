"""Who is told what, with which id, and what becomes of those who do not keep up."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.views.span_lines import Log, alert, span
from lumina_api.live import hub as hubs
from lumina_api.live.events import Wanted
from lumina_api.live.hub import Full, Hub, Watcher
from lumina_api.live.positions import read, written
from lumina_api.views.batch import LogRecord, batch_of

ALL = frozenset({"alerts", "traces"})


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["alerts", "spans"]), st.integers(0, 99_999)), st.integers(0, 10**18 - 1)
    )
)
def test_an_id_is_read_as_it_was_written(vector: dict[tuple[str, int], int]) -> None:
    assert read(written(vector)) == vector


@given(st.text(st.sampled_from("alertspn:=,;019 x"), max_size=40))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        assert isinstance(read(text), dict)
    except ValueError as error:
        assert "event id" in str(error)  # noqa: PT017


def commit(hub: Hub, *records: LogRecord) -> None:
    hub.committed(records, batch_of(records).positions)


def events(watcher: Watcher) -> list[tuple[str, str, bytes] | None]:
    found: list[tuple[str, str, bytes] | None] = []
    while not watcher.queue.empty():
        event = watcher.queue.get_nowait()
        found.append((event.kind, event.id, event.data) if event is not None else None)
    return found


async def test_each_revision_is_told_with_the_place_behind_it() -> None:
    hub, log = Hub(), Log()
    watcher = hub.watch(ALL, Wanted(), {})
    commit(hub, log.alert(alert(1)), log.alert(alert(1, rev=2), partition=1), log.alert(alert(1, rev=3)))
    told = events(watcher)
    assert [event[1] for event in told if event] == ["alerts:0=1", "alerts:0=1,1=1", "alerts:0=2,1=1"]
    assert [b'"rev":%d' % rev in event[2] for rev, event in enumerate(told, 1) if event] == [True] * 3


async def test_what_they_know_is_not_told_again_and_filters_hold() -> None:
    hub, log = Hub(), Log()
    behind = hub.watch(ALL, Wanted(), {("alerts", 0): 1})
    mail = hub.watch(ALL, Wanted(project=("mail",)), {})
    commit(hub, log.alert(alert(1)), log.alert(alert(2)), log.alert(alert(3, project="mail")))
    assert [event and event[1] for event in events(behind)] == ["alerts:0=2", "alerts:0=3"]
    assert [event and event[1] for event in events(mail)] == ["alerts:0=3"]


async def test_traces_are_told_together_with_a_count_of_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "TRACES_EVERY_S", 0.01)
    hub, log = Hub(), Log()
    watcher = hub.watch(ALL, Wanted(), {})
    other = hub.watch(ALL, Wanted(project=("mail",)), {})
    for start in range(0, 50, 10):
        commit(hub, log.spans([span(number) for number in range(start, start + 10)]))
    commit(hub, log.spans([b"{}"], headers=(("lumina-type", b"tick"),)))
    await asyncio.sleep(0.05)
    ((kind, at, data),) = [event for event in events(watcher) if event]
    assert (kind, at) == ("traces", "spans:0=6")
    assert data.count(b'"trace_id"') == 20
    assert data.endswith(b'"left_out":30}')
    assert events(other) == []


async def test_a_slow_watcher_is_let_go_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubs, "QUEUED", 5)
    hub, log = Hub(), Log()
    slow, quick = (hub.watch(ALL, Wanted(), {}) for _ in range(2))
    for number in range(10):
        commit(hub, log.alert(alert(number)))
        assert len(events(quick)) == 1
    told = events(slow)
    assert len(told) == 6
    assert told[-1] is None
    hub.close()
    assert events(quick) == [None]


async def test_no_more_watch_than_may() -> None:
    hub = Hub(most=2)
    first, _ = hub.watch(ALL, Wanted(), {}), hub.watch(ALL, Wanted(), {})
    with pytest.raises(Full):
        hub.watch(ALL, Wanted(), {})
    hub.leave(first)
    hub.watch(ALL, Wanted(), {})
