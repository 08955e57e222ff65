"""router: the public door `lumina.commands` in, control messages in the log of their series out."""

import msgspec
import structlog
from faust.types import EventT, StreamT

from lumina_schemas.control import COMMAND, Command, SeriesCommand, problem_of
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.topic_facts import describe
from lumina_schemas.topics import COMMANDS, DLQ, SPANS, TYPE_HEADER
from lumina_streams.agents import dlq
from lumina_streams.agents.outbox import Outbox
from lumina_streams.app import WorkerApp
from lumina_streams.metrics import Metrics
from lumina_streams.transport.failure import fatal
from lumina_streams.transport.run import runs

log = structlog.get_logger()

_decode = msgspec.json.Decoder(Command).decode
_encode = msgspec.json.Encoder().encode


class Router:
    """Forwards each command to the partition of its series.

    Why detect does not read the topic itself: two topics into one state have no common order, and a replay
    would meet a command at another place among the calls than the first run (seen: up to 200 calls early).
    """

    def __init__(self, app: WorkerApp, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self._epoch = ""

    def forget(self) -> None:
        """Ask for the topic's id again: it may have been recreated."""
        self._epoch = ""

    async def process(self, run: list[EventT[bytes]]) -> None:
        """Forward the commands of one run and see them onto Kafka."""
        name = self.settings.topic(COMMANDS)
        if not self._epoch:
            self._epoch = (await describe(client_options(self.settings), [name]))[name].epoch
        outbox = Outbox()
        for event in run:
            self._forward(event, outbox)
        await outbox.deliver(self.app.producer)

    def _forward(self, event: EventT[bytes], outbox: Outbox) -> None:
        message = event.message
        value = message.value or b""
        try:
            command = _decode(value)
            problem = problem_of(command)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            problem = str(error)
        if problem:
            self.metrics.add("dlq_messages")
            origin = dlq.Origin(message.topic, message.partition, message.offset)
            limit = self.settings.max_message_bytes
            letter = dlq.letter(origin, "control", f"not a command: {problem}", value, limit)
            outbox.add(self.settings.topic(DLQ), letter.value, key=letter.key, headers=letter.headers)
            return
        fields = {name: getattr(command, name) for name in Command.__struct_fields__}
        src = Source(self._epoch, "control", message.partition, message.offset, 0)
        outbox.add(
            self.settings.topic(SPANS),
            _encode(SeriesCommand(src=src, **fields)),
            partition=partition_of(command.series_id, self.settings.partitions),
            headers=[(TYPE_HEADER, COMMAND)],
        )
        self.metrics.add("commands")


def register(app: WorkerApp, settings: Settings, metrics: Metrics) -> None:
    """Add the router to the app."""
    router = Router(app, settings, metrics)
    source = app.topic(
        settings.topic(COMMANDS), value_type=bytes, value_serializer="raw", key_serializer="raw"
    )

    @app.on_partitions_revoked.connect(weak=False)
    async def on_revoked(*_: object, **__: object) -> None:
        router.forget()

    @app.agent(source, name="router")
    async def router_agent(stream: StreamT[bytes]) -> None:
        async for run in runs(stream):
            with fatal("router"):
                await router.process(run)
