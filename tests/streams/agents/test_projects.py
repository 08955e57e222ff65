"""The agent of the projects over a real Kafka: what it takes, forwards, refuses, and what an heir finds."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP

from lumina_schemas.alert import Alert
from lumina_schemas.budget import Budget, BudgetChange
from lumina_schemas.control import COMMAND, TICK
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.project import BUDGET, SPEND, TRACES, Spend, SpendItem, Traces
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.topics import ALERTS, DLQ, PROJECTS, TYPE_HEADER
from lumina_streams.agents import projects as agent
from lumina_streams.agents.projects import Projects, key_of
from lumina_streams.core.project.state import ProjectState
from lumina_streams.core.project.step import step
from lumina_streams.metrics import Metrics
from streams.agents.sender import Sender
from streams.agents.table import Table
from streams.core.project_log import BEGIN_MS, DAY, EPOCH, HOUR_MS
from topic_log import everything

pytestmark = pytest.mark.kafka

HOME = partition_of("acme", 4)
NEIGHBOUR = next(f"p{n}" for n in range(99) if partition_of(f"p{n}", 4) == HOME)


class Held(Table):
    """A table that knows its keys, and which partition came to it."""

    def __init__(self, *others: Table) -> None:
        super().__init__()
        for other in others:
            self.update(other)
        self.store = SimpleNamespace(keys_of=lambda _: sorted(self))
        self._gained = [HOME]

    @property
    def gained(self) -> frozenset[int]:
        return frozenset(self._gained)


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[Sender]:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        yield Sender(producer)


def projects(settings: Settings, sender: Sender, table: Table) -> Projects:
    progress = SimpleNamespace(done={TP(settings.topic(PROJECTS), HOME): 0})
    app = cast(Any, SimpleNamespace(producer=sender, progress=progress))
    return Projects(app, cast(Any, table), settings, Metrics())


def event(offset: int, kind: bytes, value: Any, hour: float = 1.0) -> Any:
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    message = SimpleNamespace(
        topic="projects",
        partition=HOME,
        offset=offset,
        value=body,
        headers=[(TYPE_HEADER, kind)],
        timestamp=(BEGIN_MS + hour * HOUR_MS) / 1000,
    )
    return SimpleNamespace(message=message)


def budget(offset: int, project: str | None, usd: float = 20) -> BudgetChange:
    given = None if project is None else Budget(v=1, project=project, period="day", usd=usd)
    return BudgetChange(v=1, id="b1", src=Source("s", "control", 0, offset, 0), budget=given)


def spend(offset: int, usd: float, project: str = "acme") -> Spend:
    item = SpendItem(offset=offset, service="shop", day=DAY, calls=1, usd=usd)
    return Spend(v=1, project=project, epoch=EPOCH, partition=0, items=(item,))


async def alerts(settings: Settings) -> list[Alert]:
    records = await everything(settings, settings.topic(ALERTS))
    return [msgspec.json.decode(record.value, type=Alert) for record in records]


async def test_a_budget_that_moves_is_removed_where_it_was(settings: Settings, producer: Sender) -> None:
    table = Held()
    one = projects(settings, producer, table)
    await one.process([event(0, BUDGET, budget(0, "acme")), event(1, SPEND, spend(0, 12))])
    heir = projects(settings, producer, Held(table))  # it knows who holds what from the table alone
    await heir.process([event(2, BUDGET, budget(1, NEIGHBOUR))])
    first, again, over = await alerts(settings)
    assert first == again, "what came to a new owner is sent again as it stands"
    assert (over.id, over.state, over.rev) == (first.id, "resolved", 2)
    held = {name: ProjectState.unpack(heir.table.read(key_of(name)) or b"") for name in ("acme", NEIGHBOUR)}
    assert (list(held["acme"].budgets), list(held[NEIGHBOUR].budgets)) == ([], ["b1"])
    await heir.process([event(3, BUDGET, budget(0, "acme")), event(4, BUDGET, budget(1, NEIGHBOUR))])
    assert len(await alerts(settings)) == 3, "what the door forwards again changes nothing"
    await heir.process([event(5, BUDGET, budget(2, None))])
    assert ProjectState.unpack(heir.table.read(key_of(NEIGHBOUR)) or b"").budgets == {}


async def test_what_cannot_be_read_or_applied_stops_nothing(
    settings: Settings, producer: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def brittle(state: ProjectState, message: Any, at: str) -> Any:
        if isinstance(message, Spend) and message.items[0].usd == 13:
            state.spent.clear()
            raise ZeroDivisionError
        return step(state, message, at)

    monkeypatch.setattr(agent, "step", brittle)
    table = Held()
    one = projects(settings, producer, table)
    command = {"v": 1, "type": "resolve", "alert_id": "a", "series_id": "0" * 16, "by": "ada"}
    await one.process(
        [
            event(0, SPEND, spend(0, 1)),
            event(1, SPEND, b"{"),
            event(2, SPEND, spend(1, 13)),
            event(3, TRACES, {"v": 1}),
            event(4, COMMAND, command),
            event(5, b"of tomorrow", b""),
            event(6, SPEND, spend(2, 2)),
            event(7, COMMAND, command | {"project": NEIGHBOUR}),
        ]
    )
    letters = await everything(settings, settings.topic(DLQ))
    reasons = sorted(dict(record.headers)["lumina-dlq-error"].decode() for record in letters)
    assert reasons[0] == "internal error: ZeroDivisionError"
    assert "`project` is empty" in reasons[1]
    assert all("not a message of the log of a project" in reason for reason in reasons[2:])
    assert len(letters) == 4
    state = ProjectState.unpack(table[key_of("acme")])
    assert (state.sum_of("", "day", DAY).usd, state.offset) == (3.0, 6)
    assert one.metrics["control_messages_skipped"] == 1
    assert one.metrics["commands_without_project"] == 1
    assert list(table) == [key_of("acme")], "a command makes no project"


async def test_what_lies_on_a_wrong_partition_is_forwarded(settings: Settings, producer: Sender) -> None:
    stranger = next(f"p{n}" for n in range(99) if partition_of(f"p{n}", 4) != HOME)
    table = Held()
    told = Traces(v=1, project=stranger, day=DAY, percent=90, traces=9, limit=10, at_ms=0)
    await projects(settings, producer, table).process([event(0, TRACES, told)])
    (record,) = await everything(settings, settings.topic(PROJECTS))
    assert record.partition == partition_of(stranger, 4)
    assert msgspec.json.decode(record.value, type=Traces) == told
    assert dict(record.headers) == {TYPE_HEADER: TRACES} and not table


async def test_a_tick_is_sent_where_something_is_due_and_ends_the_period(
    settings: Settings, producer: Sender
) -> None:
    table = Held()
    one = projects(settings, producer, table)
    await one.tick()
    (ticked,) = await everything(settings, settings.topic(PROJECTS))
    assert (ticked.partition, dict(ticked.headers)) == (HOME, {TYPE_HEADER: TICK}), "to take over what came"
    await one.tick()
    await one.process([event(0, BUDGET, budget(0, "acme")), event(1, SPEND, spend(0, 12))])
    await one.tick()  # by the wall clock that day is over for long
    assert len(await everything(settings, settings.topic(PROJECTS))) == 2
    await one.process([event(2, TICK, b"{}", 23.9)])
    assert len(await alerts(settings)) == 1
    await one.process([event(3, TICK, b"{}", 24), event(4, TICK, b"{}", 24.1)])
    assert [alert.state for alert in await alerts(settings)] == ["open", "resolved"]


async def test_a_record_that_comes_again_is_known(settings: Settings, producer: Sender) -> None:
    one = projects(settings, producer, Held())
    events = [event(0, BUDGET, budget(0, "acme")), event(1, SPEND, spend(0, 12))]
    await one.process(events)
    await one.process(events)
    assert one.metrics["duplicate_records"] == 2
    assert len(await alerts(settings)) == 1
