"""projects: the log of every project in, alerts of budgets and of the trace limit out.

In the actor app, whose id and group stay when the topics of the series grow: its table and its offsets belong
to `lumina.projects`, which does not. It waits for nothing but Kafka.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import structlog
from faust.types import EventT, StreamT

from lumina_schemas.alert import Alert
from lumina_schemas.budget import BudgetChange
from lumina_schemas.control import COMMAND, TICK, SeriesCommand, problem_of
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.project import BUDGET, SPEND, TRACES, Spend, Traces
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.topic_facts import describe
from lumina_schemas.topics import ALERTS, DLQ, PROJECTS, PROJECTS_CHANGELOG, TYPE_HEADER
from lumina_streams.agents import dlq
from lumina_streams.agents.doors import UNREADABLE
from lumina_streams.agents.outbox import Outbox
from lumina_streams.app import WorkerApp
from lumina_streams.core.project.state import ProjectState
from lumina_streams.core.project.step import Message, TooManyBudgetsError, step
from lumina_streams.metrics import Metrics
from lumina_streams.transport.failure import fatal
from lumina_streams.transport.lease import moment
from lumina_streams.transport.run import runs
from lumina_streams.transport.table import SeriesTable

log = structlog.get_logger()

STATES = 1_000
"""Projects at hand. The packed ones are all in the table."""

TICK_S = 1.0
AGAIN_S = 15.0
"""A tick that came too early by the broker's clock, or was not read yet, is sent again after so long."""

KEY = b"p|"

Told = Spend | Traces | SeriesCommand

_encode = msgspec.json.Encoder().encode
_decode_change = msgspec.json.Decoder(BudgetChange).decode
_DECODERS: dict[bytes, Callable[[bytes], Told]] = {
    SPEND: msgspec.json.Decoder(Spend).decode,
    TRACES: msgspec.json.Decoder(Traces).decode,
    COMMAND: msgspec.json.Decoder(SeriesCommand).decode,
}


def key_of(project: str) -> bytes:
    """Table key of a project."""
    return KEY + project.encode()


@dataclass
class Owned:
    """What is kept of a partition while this worker owns it."""

    budgets: dict[str, set[str]] = field(default_factory=dict)
    """Projects by the budgets that they hold."""
    due_ms: dict[str, int] = field(default_factory=dict)
    """When there is something to do for a project."""
    ticked: float = float("-inf")
    """When this worker sent the last tick (a `moment`)."""

    def expect(self, state: ProjectState) -> None:
        """Note when a project, as it is now, will have something to do."""
        due = state.due_ms
        if due is None:
            self.due_ms.pop(state.project, None)
        else:
            self.due_ms[state.project] = due

    def note(self, state: ProjectState) -> None:
        """Note the budgets of a project that was read."""
        for budget_id in state.budgets:
            self.budgets.setdefault(budget_id, set()).add(state.project)


class Run:
    """What one run has changed so far, and what it sends."""

    def __init__(self) -> None:
        self.outbox = Outbox()
        self.changed: dict[str, tuple[int, ProjectState]] = {}
        self.detected_at = datetime.now(UTC).isoformat(timespec="milliseconds")


class Projects:
    """The agent's state: the table, and its most recently used projects unpacked."""

    def __init__(self, app: WorkerApp, table: SeriesTable, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.table = table
        self.settings = settings
        self.metrics = metrics
        self.topic = settings.topic(PROJECTS)
        self.alerts_topic = settings.topic(ALERTS)
        self.dlq_topic = settings.topic(DLQ)
        self.epoch = ""
        self.partitions = 0
        self._owned: dict[int, Owned] = {}
        self._states: OrderedDict[str, tuple[bytes | None, ProjectState]] = OrderedDict()

    async def process(self, events: list[EventT[bytes]]) -> None:
        """Apply one run: alerts first, acknowledged, then one write per project that changed."""
        run = Run()
        if gained := self.table.take_gained():
            await self._take_over(gained, run)
        for event in events:
            self._apply(event, run)
        await run.outbox.deliver(self.app.producer)
        for project, (partition, state) in run.changed.items():
            key = key_of(project)
            await self.table.write(partition, key, state.pack())
            self._states[project] = (self.table.stored(key), state)
            self._states.move_to_end(project)
            self._owned[partition].expect(state)
        while len(self._states) > STATES:
            self._states.popitem(last=False)
        await self.table.settle()

    async def tick(self) -> None:
        """Where something is due by the wall clock, send a record: its time of arrival decides."""
        now_ms, gained = datetime.now(UTC).timestamp() * 1000, self.table.gained
        outbox = Outbox()
        for tp in list(self.app.progress.done):
            if tp.topic != self.topic:
                continue
            owned = self._owned.get(tp.partition)
            due = owned is not None and any(at_ms <= now_ms for at_ms in owned.due_ms.values())
            if owned is None or tp.partition in gained:
                owned, due = self._owned.setdefault(tp.partition, Owned()), True
            if due and moment() - owned.ticked >= AGAIN_S:
                owned.ticked = moment()
                outbox.add(self.topic, b"{}", partition=tp.partition, headers=[(TYPE_HEADER, TICK)])
        await outbox.deliver(self.app.producer)

    async def _take_over(self, numbers: list[int], run: Run) -> None:
        """Begin with partitions that came to this worker: what is due, and who holds which budget.

        Alerts are sent again as they stand: the last word on the topic may be that of a writer which did not
        know that it had been replaced.
        """
        facts = (await describe(client_options(self.settings), [self.topic]))[self.topic]
        self.epoch, self.partitions = facts.epoch, facts.partitions
        for number in numbers:
            owned = self._owned[number] = Owned()
            for key in self.table.store.keys_of(number):
                state = self._state(key.removeprefix(KEY).decode(), run)
                owned.note(state)
                owned.expect(state)
                self._publish([raised.track.alert for raised in state.raised], run)

    def _apply(self, event: EventT[bytes], run: Run) -> None:
        message = event.message
        owned = self._owned[message.partition]
        kind = next((bytes(value) for name, value in message.headers or () if name == TYPE_HEADER), b"")
        value = message.value or b""
        try:
            if kind == TICK:
                for project in self._due(message.partition, event, run):
                    self._step(event, project, None, run)
            elif kind == BUDGET:
                change = _decode_change(value)
                for project in self._concerned(change, owned, message.partition):
                    self._step(event, project, change, run)
                    owned.note(self._state(project, run))
            elif kind in _DECODERS:
                self._tell(event, kind, _DECODERS[kind](value), run)
            else:
                self.metrics.add("control_messages_skipped")
                log.debug("skipped a message of a type that this version does not know", type=kind)
        except UNREADABLE as error:
            self._reject(event, f"not a message of the log of a project: {error}", run)

    def _tell(self, event: EventT[bytes], kind: bytes, told: Told, run: Run) -> None:
        """Apply what is said of one project, or send it to where that project is."""
        message = event.message
        if isinstance(told, SeriesCommand):
            problem = problem_of(told) or ("" if told.project else "`project` is empty.")
            if problem:
                self._reject(event, f"not a command: {problem}", run)
                return
            if told.src is None:
                src = Source(self.epoch, "control", message.partition, message.offset, 0)
                told = msgspec.structs.replace(told, src=src)
        home = partition_of(told.project, self.partitions)
        if home != message.partition:
            # Written by somebody whose partitioner is not ours. Applied here, it would find no state.
            headers = [(TYPE_HEADER, kind)]
            run.outbox.add(
                self.topic, _encode(told), key=told.project.encode(), partition=home, headers=headers
            )
            self.metrics.add("control_messages_forwarded")
            return
        if isinstance(told, SeriesCommand) and not self._knows(told.project, run):
            # Anybody may write commands: a name that nobody knows is not worth a state.
            self.metrics.add("commands_without_project")
            log.warning("a command names a project that has spent nothing", project=told.project)
            return
        self._step(event, told.project, told, run)

    def _due(self, partition: int, event: EventT[bytes], run: Run) -> list[str]:
        """The projects of a partition that have something to do at the time of a record."""
        owned = self._owned[partition]
        for number, state in run.changed.values():
            if number == partition:
                owned.expect(state)
        at_ms = arrival_ms(event)
        return sorted(project for project, due_ms in owned.due_ms.items() if due_ms <= at_ms)

    def _concerned(self, change: BudgetChange, owned: Owned, partition: int) -> list[str]:
        """Who held a budget so far, and who has it now, of the projects of a partition."""
        concerned = set(owned.budgets.get(change.id, ()))
        if change.budget is not None and partition_of(change.budget.project, self.partitions) == partition:
            concerned.add(change.budget.project)
        return sorted(concerned)

    def _step(self, event: EventT[bytes], project: str, message: Message, run: Run) -> None:
        """Let the core apply a record to a project; alerts go to the outbox."""
        record = event.message
        state = self._state(project, run)
        before = state.pack()
        if not state.arrive(self.epoch, record.offset, arrival_ms(event)):
            self.metrics.add("duplicate_records")
            return
        try:
            alerts = step(state, message, run.detected_at)
        except TooManyBudgetsError as error:
            alerts = []
            self._reject(event, str(error), run)
        except Exception as error:
            # A bug of ours must not stop the partition: the project stays as it is without this record.
            log.error("projects failed on a record; it is kept in the dlq", error=type(error).__name__)
            self._reject(event, f"internal error: {type(error).__name__}", run)
            state, alerts = ProjectState.unpack(before), []
            state.arrive(self.epoch, record.offset, arrival_ms(event))
        run.changed[project] = record.partition, state
        self._publish(alerts, run)

    def _knows(self, project: str, run: Run) -> bool:
        return project in run.changed or self.table.stored(key_of(project)) is not None

    def _state(self, project: str, run: Run) -> ProjectState:
        """A project as this run has left it so far."""
        if project in run.changed:
            return run.changed[project][1]
        key = key_of(project)
        stored = self.table.stored(key)
        remembered = self._states.pop(project, None)  # whoever changes it puts it back
        if remembered is not None and remembered[0] is stored:
            return remembered[1]
        packed = self.table.read(key)
        return ProjectState(project) if packed is None else ProjectState.unpack(packed)

    def _publish(self, alerts: list[Alert], run: Run) -> None:
        for alert in alerts:
            self.metrics.add("alerts")
            run.outbox.add(self.alerts_topic, _encode(alert), key=alert.id.encode())

    def _reject(self, event: EventT[bytes], reason: str, run: Run) -> None:
        message = event.message
        self.metrics.add("dlq_messages")
        origin = dlq.Origin(message.topic, message.partition, message.offset)
        limit = self.settings.max_message_bytes
        letter = dlq.letter(origin, "control", reason, message.value or b"", limit)
        run.outbox.add(self.dlq_topic, letter.value, key=letter.key, headers=letter.headers)


def arrival_ms(event: EventT[bytes]) -> int:
    """When the broker took a record."""
    at_s: float = event.message.timestamp
    return round(at_s * 1000)


def register(app: WorkerApp, settings: Settings, metrics: Metrics) -> None:
    """Add the projects table and agent to the app."""
    table = app.Table("projects", key_type=bytes, value_type=bytes)
    if table.changelog_topic.get_topic_name() != settings.topic(PROJECTS_CHANGELOG):
        raise RuntimeError("The declared changelog and Faust's name for it differ.")
    projects = Projects(app, table, settings, metrics)
    source = app.topic(
        settings.topic(PROJECTS), value_type=bytes, value_serializer="raw", key_serializer="raw"
    )

    @app.agent(source, name="projects")
    async def projects_agent(stream: StreamT[bytes]) -> None:
        async for run in runs(stream):
            with fatal("projects"):
                await projects.process(run)

    @app.timer(interval=TICK_S)
    async def send_ticks() -> None:
        with fatal("projects"):
            if not (app.rebalancing or app.tables.recovery.in_recovery):
                await projects.tick()
