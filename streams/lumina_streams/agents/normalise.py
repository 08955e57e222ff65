"""normalise: raw OTLP batches in, priced spans out, on the partition of their series."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import structlog
from faust.types import TP, EventT, Message, StreamT

from lumina_schemas.dead_letter import REDRIVEN_HEADER, REDRIVEN_STAGE_HEADER, Redriven, Stage
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Line, Span
from lumina_schemas.topic_facts import TopicFacts, describe
from lumina_schemas.topics import CALLS, DLQ, PROJECT_HEADER, SERIES, SPANS
from lumina_streams.agents import dlq
from lumina_streams.agents.landing import LandingTopic, landing_topics
from lumina_streams.agents.outbox import Outbox
from lumina_streams.agents.packing import packed
from lumina_streams.agents.places import Places
from lumina_streams.agents.prices import PriceWatch
from lumina_streams.app import WorkerApp
from lumina_streams.core.content.logs import normalise_logs
from lumina_streams.core.content.memory import ContentMemory
from lumina_streams.core.otlp import Undecodable, decode_logs, decode_traces
from lumina_streams.core.span.lines import MESSAGE_OVERHEAD, encode_call, encode_line, moved
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.core.span.rejection import Rejected
from lumina_streams.metrics import Metrics
from lumina_streams.transport.failure import fatal
from lumina_streams.transport.run import runs
from lumina_streams.transport.settings_reader import SettingsReader

log = structlog.get_logger()

LOG_APPEND_TIME = 1
"""Kafka's `TimestampType` of a topic whose records bear the broker's time."""


class Normaliser:
    """The agent's state: prices, the places of series, the landing topics' ids, content that came before its
    span.
    """

    def __init__(self, app: WorkerApp, settings: Settings, metrics: Metrics) -> None:
        self.app = app
        self.settings = settings
        self.metrics = metrics
        self.topics = landing_topics(settings)
        self.prices = PriceWatch(settings, metrics)
        self.places = Places(settings, metrics)
        self.memory = ContentMemory()
        self.limit = settings.max_message_bytes - MESSAGE_OVERHEAD
        self.spans_topic = settings.topic(SPANS)
        self.calls_topic = settings.topic(CALLS) if settings.uses(CALLS) else None
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
            for partition, line in self._lines(event, facts[event.message.topic].epoch, outbox):
                lines[partition].append(line)
        for partition, batch in lines.items():
            for value in packed(batch, self.limit):
                outbox.add(self.spans_topic, value, partition=partition)
        await self.places.note(self.app.producer)
        await outbox.deliver(self.app.producer)
        for event in run:
            self.times_ms[event.message.tp] = int((event.message.timestamp or 0) * 1000)

    def _lines(self, event: EventT[bytes], epoch: str, outbox: Outbox) -> list[tuple[int, bytes]]:
        """The lines that one landed message becomes, each with its partition; what fails goes to the outbox
        as dead letters.
        """
        message = event.message
        topic = self.topics[message.topic]
        origin = dlq.Origin(
            message.topic,
            message.partition,
            message.offset,
            topic.signal,
            project_of(message.headers) or topic.project,
        )
        body = message.value or b""
        stage: Stage = "normalise"
        self.metrics.add("otlp_messages")
        self.places.registry.begin(int((message.timestamp or 0) * 1000))
        try:
            redriven, stage = redriven_of(message.headers)
            origin = replace(origin, redriven=redriven)
            landing = self._landing(topic, epoch, origin, appended_ms(message))
            found, rejections = self._read(topic, stage, landing, body)
            # Content whose span is not known yet has no series: any partition does, the views merge it.
            lines = [
                (
                    partition_of(line.series_id or line.span_id, self.settings.partitions),
                    encode_line(line, self.limit),
                )
                for line in found
            ]
        except Undecodable as error:
            self._reject(outbox, dlq.letter(origin, stage, str(error), body, self.settings.max_message_bytes))
            return []
        except Exception as error:
            # A bug of ours must not stop the partition. An error's text may quote a prompt: its type only.
            reason = f"internal error: {type(error).__name__}"
            log.error(
                "normalise failed on a message; it is kept in the dlq",
                at=(message.topic, message.partition, message.offset),
                error=type(error).__name__,
            )
            self._reject(outbox, dlq.letter(origin, stage, reason, body, self.settings.max_message_bytes))
            return []
        # A line of detect was a call before it was refused there: its call is on the topic.
        if self.calls_topic is not None and stage == "normalise":
            for line in found:
                if isinstance(line, Span) and line.priced:
                    outbox.add(self.calls_topic, encode_call(line), key=line.series_id.encode())
                    self.metrics.add("calls")
        for rejected in rejections:
            self.metrics.add("rejected_spans", rejected.spans)
            letter = dlq.letter(
                origin,
                stage,
                rejected.reason,
                rejected.body,
                self.settings.max_message_bytes,
                rejected.spans,
            )
            self._reject(outbox, letter)
        return lines

    def _read(
        self, topic: LandingTopic, stage: Stage, landing: Landing, body: bytes
    ) -> tuple[Sequence[Line], list[Rejected]]:
        """The records in a body, and what of it cannot be one."""
        if stage == "detect":
            position = Source(landing.epoch, landing.origin, landing.partition, landing.offset, 0)
            return [moved(body, position)], []
        if topic.signal == "logs":
            contents = normalise_logs(decode_logs(body), landing)
            return [content.line(self.memory.add(content)) for content in contents], []
        registry = self.places.registry
        normalised = normalise(decode_traces(body), landing, self.prices.book, self.limit, registry)
        self.metrics.add("spans", len(normalised.spans))
        if overflow := sum(1 for span in normalised.spans if span.endpoint_overflow):
            self.metrics.add("overflow_spans", overflow)
        return [self.memory.joined(span) for span in normalised.spans], normalised.rejected

    def _landing(
        self, topic: LandingTopic, epoch: str, origin: dlq.Origin, appended_ms: int | None
    ) -> Landing:
        """The position that spans carry: the message's, or that of the dead letter that it is."""
        if origin.redriven is not None:
            self.metrics.add("redriven_messages")
            letter = origin.redriven
            return Landing(letter.epoch, "dlq", letter.partition, letter.offset, origin.project, appended_ms)
        return Landing(
            epoch=epoch,
            origin="otlp" if topic.signal == "traces" else "otlp-logs",
            partition=origin.partition,
            offset=origin.offset,
            project=origin.project,
            appended_ms=appended_ms,
        )

    def _reject(self, outbox: Outbox, letter: dlq.Letter) -> None:
        self.metrics.add("dlq_messages")
        outbox.add(self.dlq_topic, letter.value, key=letter.key, headers=letter.headers)


def redriven_of(headers: object) -> tuple[Redriven | None, Stage]:
    """Which dead letter a landed message is, if any, and whose input its body is.

    Raises Undecodable where the headers say something else: whoever can write to the topic can write those.
    """
    redriven: Redriven | None = None
    stage: Stage = "normalise"
    for name, value in headers or ():  # type: ignore[attr-defined]
        if name == REDRIVEN_HEADER:
            try:
                redriven = Redriven.parse(bytes(value or b""))
            except ValueError as error:
                raise Undecodable(f"The header {name} cannot be read: {error}.") from error
        elif name == REDRIVEN_STAGE_HEADER:
            if value not in (b"normalise", b"detect"):
                raise Undecodable(f"The header {name} names no stage.")
            stage = "detect" if value == b"detect" else "normalise"
    if redriven is None and stage == "detect":
        raise Undecodable(f"The header {REDRIVEN_STAGE_HEADER} stands without {REDRIVEN_HEADER}.")
    return redriven, stage


def appended_ms(message: Message) -> int | None:
    """When the broker took a landed message, in ms since 1970. None where its topic keeps the time that the
    producer wrote, which may be as wrong as any sender's.
    """
    if message.timestamp_type != LOG_APPEND_TIME or not message.timestamp:
        return None
    return int(message.timestamp * 1000 + 0.5)


def project_of(headers: object) -> str | None:
    """The project that the gateway stamped on a landed message."""
    for name, value in headers or ():  # type: ignore[attr-defined]
        if name == PROJECT_HEADER:
            return bytes(value or b"").decode("utf-8", "replace") or None
    return None


def register(app: WorkerApp, settings: Settings, metrics: Metrics) -> Normaliser:
    """Add the normalise agent to the app."""
    normaliser = Normaliser(app, settings, metrics)
    reader = app.settings_reader = SettingsReader(settings, metrics)
    normaliser.prices.follow(reader)
    series = app.series_reader = SettingsReader(settings, metrics, SERIES)
    normaliser.places.follow(series)
    source = app.topic(*normaliser.topics, value_type=bytes, value_serializer="raw", key_serializer="raw")

    @app.on_partitions_revoked.connect(weak=False)
    async def on_revoked(*_: object, **__: object) -> None:
        normaliser.forget()

    @app.task
    async def follow_settings() -> None:
        with fatal("settings"):
            await reader.run()

    @app.task
    async def follow_series() -> None:
        with fatal("series"):
            await series.run()

    @app.agent(source, name="normalise")
    async def normalise_agent(stream: StreamT[bytes]) -> None:
        async for run in runs(stream):
            with fatal("normalise"):
                await reader.caught_up()
                await series.caught_up()
                await normaliser.process(run)

    return normaliser
