"""normalise: raw OTLP batches in, priced spans out, on the partition of their series."""

from collections import defaultdict

import structlog
from faust.types import TP, EventT, StreamT

from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.span import Line
from lumina_schemas.topic_facts import TopicFacts, describe
from lumina_schemas.topics import DLQ, PROJECT_HEADER, SPANS
from lumina_streams.agents import dlq
from lumina_streams.agents.landing import LandingTopic, landing_topics
from lumina_streams.agents.outbox import Outbox
from lumina_streams.app import WorkerApp
from lumina_streams.core.content.logs import normalise_logs
from lumina_streams.core.content.memory import ContentMemory
from lumina_streams.core.otlp import Undecodable, decode_logs, decode_traces
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.lines import encode_line
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.metrics import Metrics
from lumina_streams.transport.failure import fatal
from lumina_streams.transport.run import runs

log = structlog.get_logger()

MESSAGE_OVERHEAD = 1_000
"""Bytes of a Kafka record beside its value, generously."""


class Normaliser:
    """The agent's state: prices, the landing topics' ids, content that came before its span."""

    def __init__(self, app: WorkerApp, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.topics = landing_topics(settings)
        self.prices = PriceBook()
        self.memory = ContentMemory()
        self.limit = settings.max_message_bytes - MESSAGE_OVERHEAD
        self.spans_topic = settings.topic(SPANS)
        self.dlq_topic = settings.topic(DLQ)
        self.times_ms: dict[TP, int] = {}
        """Append time of the last message that was worked on, by partition."""
        self._facts: dict[str, TopicFacts] = {}

    def forget(self) -> None:
        """Ask again before the next run: a topic may have been recreated, and starts again at offset 0."""
        self._facts.clear()
        self.times_ms.clear()

    async def landing_facts(self) -> dict[str, TopicFacts]:
        """Kafka's id and the partitions of every landing topic."""
        if not self._facts:
            facts = await describe(client_options(self.settings), list(self.topics))
            if missing := self.topics.keys() - facts.keys():
                raise RuntimeError(f"Landing topics are gone: {', '.join(sorted(missing))}.")
            self._facts = facts
        return self._facts

    async def process(self, run: list[EventT[bytes]]) -> None:
        """Normalise the messages of one run and see their spans onto Kafka."""
        facts = await self.landing_facts()
        outbox = Outbox()
        lines: dict[int, list[bytes]] = defaultdict(list)
        for event in run:
            for line in self._lines(event, facts[event.message.topic].epoch, outbox):
                # Content whose span is not known yet has no series: any partition does, the views merge it.
                partition = partition_of(line.series_id or line.span_id, self.settings.partitions)
                lines[partition].append(encode_line(line, self.limit))
        for partition, batch in lines.items():
            for value in packed(batch, self.limit):
                outbox.add(self.spans_topic, value, partition=partition)
        await outbox.deliver(self.app.producer)
        for event in run:
            self.times_ms[event.message.tp] = int((event.message.timestamp or 0) * 1000)

    def _lines(self, event: EventT[bytes], epoch: str, outbox: Outbox) -> list[Line]:
        """The lines that one landed message becomes; what fails goes to the outbox as dead letters."""
        message = event.message
        where = (message.topic, message.partition, message.offset)
        body = message.value or b""
        self.metrics.add("otlp_messages")
        try:
            topic = self.topics[message.topic]
            landing = self._landing(topic, epoch, event)
            if topic.signal == "logs":
                contents = normalise_logs(decode_logs(body), landing)
                return [content.line(self.memory.add(content)) for content in contents]
            normalised = normalise(decode_traces(body), landing, self.prices, self.limit)
        except Undecodable as error:
            self._reject(outbox, where, body, str(error))
            return []
        except Exception as error:
            # A bug of ours must not stop the partition. An error's text may quote a prompt: its type only.
            log.error(
                "normalise failed on a message; it is kept in the dlq", at=where, error=type(error).__name__
            )
            self._reject(outbox, where, body, f"internal error: {type(error).__name__}")
            return []
        for rejected in normalised.rejected:
            self.metrics.add("rejected_spans", rejected.spans)
            self._reject(outbox, where, rejected.body, rejected.reason, rejected.spans)
        self.metrics.add("spans", len(normalised.spans))
        return [self.memory.joined(span) for span in normalised.spans]

    def _landing(self, topic: LandingTopic, epoch: str, event: EventT[bytes]) -> Landing:
        message = event.message
        return Landing(
            epoch=epoch,
            origin="otlp" if topic.signal == "traces" else "otlp-logs",
            partition=message.partition,
            offset=message.offset,
            project=project_of(message.headers) or topic.project,
        )

    def _reject(
        self,
        outbox: Outbox,
        where: tuple[str, int, int],
        body: bytes,
        reason: str,
        spans: int | None = None,
    ) -> None:
        self.metrics.add("dlq_messages")
        headers = dlq.headers(*where, "normalise", reason, spans)
        if len(body) > self.limit:
            # Somebody else's landing topic may take larger messages than ours. A dead letter that Kafka
            # refused would end this worker, and its successor, on the same message for ever.
            headers.append((dlq.CUT_FROM, str(len(body)).encode()))
            body = body[: self.limit]
        outbox.add(self.dlq_topic, body, headers=headers)


def project_of(headers: object) -> str | None:
    """The project that the gateway stamped on a landed message."""
    for name, value in headers or ():  # type: ignore[attr-defined]
        if name == PROJECT_HEADER:
            return bytes(value).decode("utf-8", "replace") or None
    return None


def packed(lines: list[bytes], limit: int) -> list[bytes]:
    """NDJSON values of at most `limit` bytes, in order; every line fits by itself."""
    values: list[bytes] = []
    start = size = 0
    for index, line in enumerate(lines):
        if size and size + len(line) + 1 > limit:
            values.append(b"\n".join(lines[start:index]))
            start, size = index, 0
        size += len(line) + 1
    values.append(b"\n".join(lines[start:]))
    return values


def register(app: WorkerApp, settings: Settings, metrics: Metrics) -> Normaliser:
    """Add the normalise agent to the app."""
    normaliser = Normaliser(app, settings, metrics)
    source = app.topic(*normaliser.topics, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.on_partitions_revoked.connect(weak=False)
    async def on_revoked(*_: object, **__: object) -> None:
        normaliser.forget()

    @app.agent(source, name="normalise")
    async def normalise_agent(stream: StreamT[bytes]) -> None:
        async for run in runs(stream):
            with fatal("normalise"):
                await normaliser.process(run)

    return normaliser
