"""Whatever dies, comes twice or is cut otherwise: the same sums, the same alerts, each threshold once."""

from collections import defaultdict
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from lumina_schemas.project import Spend
from lumina_schemas.source import Place, Source
from lumina_streams.core.project.spending import Spending
from lumina_streams.core.project.state import ProjectState
from lumina_streams.core.project.step import step
from lumina_streams.core.series.call import Call
from streams.core.project_log import BEGIN_MS, DAY, HOUR_MS, WALL, Log

DAY_NS = 86_400_000_000_000
SERIES = 3
PARTITIONS = 2
BUDGETS = {"all": ("", 60.0), "one": ("s1", 25.0)}


def call(series: int, cost: float | None, day: int = DAY) -> Call:
    return Call(
        src=Source("otlp", "otlp", 0, 0, 0),
        series_id=f"{series}",
        project="acme",
        service=f"s{series % 2}",
        endpoint=f"e{series}",
        trace_id="t",
        span_id="s",
        start_ns=day * DAY_NS + 1,
        duration_ms=1.0,
        kind="llm",
        priced=cost is not None,
        cost_usd=cost,
    )


calls = st.builds(
    call, st.integers(0, SERIES - 1), st.sampled_from([None, 0.1, 0.3, 1.7, 4.0, 11.0]), st.just(DAY)
)
logs = st.lists(
    st.lists(st.lists(calls, min_size=1, max_size=4), max_size=8),
    min_size=PARTITIONS,
    max_size=PARTITIONS,
)


class Detect:
    """One partition's detect, as far as spend goes: positions by series, told before they are written."""

    def __init__(self, messages: list[list[Call]], epoch: str, partition: int) -> None:
        self.messages = messages
        self.epoch = epoch
        self.partition = partition
        self.applied: dict[str, int] = {}
        self.committed = 0
        self.copies: dict[int, tuple[Place, ...]] = {}

    def run(self, length: int, written: int | None) -> list[Spend]:
        """A run from the committed offset on. `written`: the worker dies after so many states."""
        end = min(self.committed + length, len(self.messages))
        spending, states = Spending(), dict(self.applied)
        for offset in range(self.committed, end):
            if copies := self.copies.get(offset):
                spending.copied(self.partition, offset, copies)
            for one in self.messages[offset]:
                if self.applied.get(one.series_id, -1) < offset:
                    spending.count(self.partition, offset, one)
                    states[one.series_id] = offset
        told = [
            msgspec.json.decode(value, type=Spend)
            for _, value in spending.messages({self.partition: self.epoch}, 400)
        ]
        for series in sorted(states)[:written]:
            self.applied[series] = states[series]
        if written is None:
            self.committed = end
        return told


def truth(logs_: list[list[list[Call]]]) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for log in logs_:
        for message in log:
            for one in message:
                for service in ("", one.service):
                    sums[service] += one.cost_usd or 0.0
    return sums


def finish(state: ProjectState, told: list[Spend], draw: Any) -> tuple[ProjectState, list[Any]]:
    """Apply a log with a worker that dies: its alerts were sent, its state was not, or only an older one."""
    published: list[Any] = []
    stored = state.pack()
    position = 0
    while position < len(told):
        state = ProjectState.unpack(stored)
        end = position + draw(st.integers(1, 4))
        for offset, spend in enumerate(told[:end]):
            if state.arrive("projects", 100 + offset, BEGIN_MS + HOUR_MS):
                published += step(state, spend, WALL)
        if draw(st.integers(0, 2)):
            stored = state.pack()
            position = end
    return ProjectState.unpack(stored), published


def levels(published: list[Any]) -> dict[tuple[str, int], set[tuple[str, str, float]]]:
    found = defaultdict(set)
    for alert in published:
        found[alert.id, alert.rev].add((alert.state, alert.severity, alert.signals[0].value))
    return found


def check(state: ProjectState, published: list[Any], expected: dict[str, float]) -> None:
    for service in ("", "s0", "s1"):
        assert abs(state.sum_of(service, "day", DAY).usd - expected[service]) < 1e-6
    found = levels(published)
    assert all(len(records) == 1 for records in found.values()), "a revision says one thing"
    ids = {alert_id for alert_id, _ in found}
    reached = {}
    for name, (service, usd) in BUDGETS.items():
        percent = expected[service] * 100 / usd
        reached[name] = max((one for one in (50, 80, 100) if percent >= one - 1e-9), default=0)
    assert len(ids) == sum(1 for level in reached.values() if level)
    now = {raised.subject: raised for raised in state.raised}
    assert {name: raised.level for name, raised in now.items()} == {
        name: level for name, level in reached.items() if level
    }
    for raised in state.raised:
        severities = [
            next(iter(records))[1]
            for (alert_id, _), records in sorted(found.items())
            if alert_id == raised.track.alert.id
        ]
        assert len(severities) == len(set(severities)), "each threshold once"


@given(logs, st.data())
@settings(deadline=None)
def test_any_interleaving_and_any_death(messages: list[list[list[Call]]], data: st.DataObject) -> None:
    detects = [Detect(log, "a" * 32, number) for number, log in enumerate(messages)]
    told: list[Spend] = []
    deaths = 6
    while open_ := [one for one in detects if one.committed < len(one.messages)]:
        one = data.draw(st.sampled_from(open_))
        dies = deaths > 0 and data.draw(st.booleans())
        deaths -= dies
        news = one.run(data.draw(st.integers(1, 5)), data.draw(st.integers(0, SERIES)) if dies else None)
        if dies and not one.applied:  # nothing was written: perhaps not all was sent either
            news = news[: data.draw(st.integers(0, len(news)))]
        told += news
    log = Log()
    for name, (service, usd) in BUDGETS.items():
        log.budget(usd, 0.5, name=name, service=service)
    state, published = finish(log.state, told, data.draw)
    check(state, published, truth(messages))


@given(logs, st.data())
@settings(deadline=None)
def test_what_was_told_before_the_topics_grew_does_not_count_again(
    messages: list[list[list[Call]]], data: st.DataObject
) -> None:
    olds = [Detect(log, "a" * 32, number) for number, log in enumerate(messages)]
    told: list[Spend] = []
    for old in olds:
        told += old.run(data.draw(st.integers(0, 4)), None)
        told += old.run(data.draw(st.integers(0, 8)), data.draw(st.integers(0, SERIES)))  # and dies
    # Each series goes to a partition of its own: the message of one partition is cut into several.
    news = [Detect([], "b" * 32, number) for number in range(SERIES)]
    for old in olds:
        for offset in range(old.committed, len(old.messages)):
            for number, new in enumerate(news):
                lines = [one for one in old.messages[offset] if one.series_id == str(number)]
                kept = [one for one in lines if old.applied.get(one.series_id, -1) < offset]
                if lines:
                    new.copies[len(new.messages)] = (Place(old.epoch, old.partition, offset),)
                    new.messages.append(kept)  # the others' positions are in the copied states
    for new in news:
        while new.committed < len(new.messages):
            told += new.run(data.draw(st.integers(1, 5)), None)
    log = Log()
    for name, (service, usd) in BUDGETS.items():
        log.budget(usd, 0.5, name=name, service=service)
    state, published = finish(log.state, told, data.draw)
    check(state, published, truth(messages))


def test_a_message_that_is_too_large_is_cut_between_offsets() -> None:
    spending = Spending()
    for offset in range(50):
        for series in range(3):
            spending.count(2, offset, call(series, 0.5))
    values = [value for _, value in spending.messages({2: "a" * 32}, 1_000)]
    told = [msgspec.json.decode(value, type=Spend) for value in values]
    assert len(values) > 4 and all(len(value) <= 1_000 for value in values)
    offsets = [{item.offset for item in spend.items} for spend in told]
    assert sum(len(one) for one in offsets) == len(set().union(*offsets)) == 50
    assert sum(item.calls for spend in told for item in spend.items) == 150


def test_sampled_calls_stand_for_those_that_were_not_sent() -> None:
    spending = Spending()
    spending.count(0, 0, msgspec.structs.replace(call(0, 0.5), sample_rate=0.1))
    spending.count(0, 0, call(0, None))
    spending.count(0, 0, msgspec.structs.replace(call(0, None), status="error"))
    ((_, value),) = spending.messages({0: "a" * 32}, 1_000)
    (item,) = msgspec.json.decode(value, type=Spend).items
    assert (item.usd, item.calls, item.unpriced) == (5.0, 3, 1)
