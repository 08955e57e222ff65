"""router: the public doors in, control messages in the logs of the series and of the projects out."""

import structlog
from faust.types import EventT, StreamT

from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.topic_facts import TopicFacts, describe
from lumina_schemas.topics import DLQ, PROJECTS, TYPE_HEADER
from lumina_streams.agents import dlq
from lumina_streams.agents.doors import COUNTED_AS, DOORS, Door, Entry, Logs
from lumina_streams.agents.outbox import Outbox
from lumina_streams.app import WorkerApp
from lumina_streams.metrics import Metrics
from lumina_streams.transport.failure import fatal
from lumina_streams.transport.run import runs

log = structlog.get_logger()


class Router:
    """Forwards what comes through one door to where it concerns a series, or a project.

    Why detect does not read the topic itself: two topics into one state have no common order, and a replay
    would meet a command at another place among the calls than the first run (seen: up to 200 calls early).
    """

    def __init__(self, app: WorkerApp, settings: Settings, metrics: Metrics, door: Door) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.door = door
        self._facts: TopicFacts | None = None
        self._logs = Logs(settings.partitions, 0)

    def forget(self) -> None:
        """Ask for the topic's id again: it may have been recreated."""
        self._facts = None

    async def process(self, run: list[EventT[bytes]]) -> None:
        """Forward what one run brought and see it onto Kafka."""
        if self._facts is None:
            name, projects = self.settings.topic(self.door.topic), self.settings.topic(PROJECTS)
            facts = await describe(client_options(self.settings), [name, projects])
            self._logs = Logs(self.settings.partitions, facts[projects].partitions)
            self._facts = facts[name]
        outbox = Outbox()
        for event in run:
            self._forward(event, self._facts, outbox)
        await outbox.deliver(self.app.producer)

    def _forward(self, event: EventT[bytes], facts: TopicFacts, outbox: Outbox) -> None:
        message = event.message
        src = Source(facts.epoch, "control", message.partition, message.offset, 0)
        try:
            passing = self.door.open(
                Entry(message.key or b"", message.value, src, facts.partitions), self._logs
            )
        except ValueError as error:
            self.metrics.add("dlq_messages")
            log.warning(
                "what came through a public door cannot pass; it is kept in the dlq",
                topic=message.topic,
                partition=message.partition,
                offset=message.offset,
                reason=str(error),
            )
            origin = dlq.Origin(message.topic, message.partition, message.offset)
            limit = self.settings.max_message_bytes
            letter = dlq.letter(origin, "control", str(error), message.value or b"", limit)
            outbox.add(self.settings.topic(DLQ), letter.value, key=letter.key, headers=letter.headers)
            return
        for control in passing:
            outbox.add(
                self.settings.topic(control.topic),
                control.value,
                key=control.key,
                partition=control.partition,
                headers=[(TYPE_HEADER, control.header)],
            )
        if passing:
            self.metrics.add(COUNTED_AS[passing[0].header])


def register(app: WorkerApp, settings: Settings, metrics: Metrics) -> None:
    """Add a router for each door to the app."""
    for door in DOORS:
        _register(app, settings, metrics, door)


def _register(app: WorkerApp, settings: Settings, metrics: Metrics, door: Door) -> None:
    router = Router(app, settings, metrics, door)
    source = app.topic(
        settings.topic(door.topic), value_type=bytes, value_serializer="raw", key_serializer="raw"
    )

    @app.on_partitions_revoked.connect(weak=False)
    async def on_revoked(*_: object, **__: object) -> None:
        router.forget()

    @app.agent(source, name=f"router-{door.topic.name}")
    async def router_agent(stream: StreamT[bytes]) -> None:
        async for run in runs(stream):
            with fatal("router"):
                await router.process(run)
