"""The way of REST to Kafka's public doors: one record at a time, acknowledged, or no in time."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from lumina_api.kafka import discard
from lumina_api.views.freshness import LogPosition
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topics import Topic

log = structlog.get_logger(__name__)

WAIT_S = 1.5
"""How long a record waits for Kafka: whoever asks has an answer within 2 s, also where Kafka hangs."""

CONNECT_S = 10.0
"""A stopped broker accepts connections and never answers: then another attempt is made."""

STOP_S = 3.0


class NotWritten(RuntimeError):
    """Kafka did not take a record in time; the message says what that means and what to do."""


class Writer:
    """An idempotent producer, connected in the background and replaced when it fails.

    Such a producer never gives a record up: one that was not acknowledged in time would be written some day,
    long after its sender was told no. So the producer is dropped then, with what it holds.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connecting: asyncio.Task[AIOKafkaProducer] | None = None
        self._discards: set[asyncio.Task[None]] = set()
        self._stopped = True

    async def start(self) -> None:
        """Begin to connect; returns at once."""
        self._stopped = False
        self._connect()

    async def stop(self) -> None:
        """Disconnect. What is under way is waited for by its sender alone."""
        self._stopped = True
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            await self._drop(connecting)
        if self._discards:
            await asyncio.wait(self._discards, timeout=STOP_S)

    async def write(
        self, topic: Topic, key: str, value: bytes | None, headers: Sequence[tuple[str, bytes]] = ()
    ) -> LogPosition:
        """Write a record, on the partition that Kafka's own clients choose for its key, and return when all
        in-sync replicas have it. Raises NotWritten within 1.5 s.
        """
        if self._stopped:
            raise NotWritten("This process is not connected to Kafka: nothing was written. Try again.")
        connecting = self._connect()
        name = self._settings.topic(topic)
        sending = False
        try:
            async with asyncio.timeout(WAIT_S):
                producer = await asyncio.shield(connecting)
                partition = partition_of(key, len(await producer.partitions_for(name)))
                sending = True
                done = await producer.send_and_wait(
                    name, value, key=key.encode(), partition=partition, headers=list(headers)
                )
        except MessageSizeTooLargeError as error:
            raise NotWritten(
                f"Kafka takes no record of this size on {name}: nothing was written. Raise the topic's "
                "max.message.bytes, or write less."
            ) from error
        except TimeoutError as error:
            if connecting.done():
                self._lose(connecting)
            raise NotWritten(self._said("does not answer", name, sending)) from error
        except (KafkaError, KafkaSettingsError, OSError) as error:
            self._lose(connecting)
            raise NotWritten(self._said(f"refuses ({type(error).__name__})", name, sending)) from error
        return LogPosition(topic.name, done.partition, done.offset)

    def _said(self, what: str, name: str, sending: bool) -> str:
        servers = self._settings.kafka_bootstrap_servers or f"port {self._settings.kafka_port}"
        written = (
            "It may or may not have been written: look, or send it again"
            if sending
            else ("Nothing was written, send it again")
        )
        return f"Kafka at {servers} {what}, topic {name}. {written} when Kafka is back."

    def _connect(self) -> asyncio.Task[AIOKafkaProducer]:
        known = self._connecting
        if known is not None and known.done() and (known.cancelled() or known.exception() is not None):
            known = None
        if known is None:
            known = self._connecting = asyncio.create_task(self._connected(), name="writer-connect")
            known.add_done_callback(lambda task: task.cancelled() or task.exception())  # looked at
        return known

    async def _connected(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **client_options(self._settings, "lumina-writer"),
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_request_size=self._settings.max_message_bytes + 1_000,
            request_timeout_ms=10_000,
            metadata_max_age_ms=60_000,
        )
        try:
            async with asyncio.timeout(CONNECT_S):
                await producer.start()
        except BaseException:
            await discard(producer)
            raise
        return producer

    def _lose(self, connecting: asyncio.Task[AIOKafkaProducer]) -> None:
        """Drop a producer; the next record makes another."""
        if connecting is not self._connecting:
            return
        log.warning("kafka lost: what is written through REST is refused until it is back")
        self._connecting = None
        task = asyncio.create_task(self._drop(connecting), name="writer-discard")
        self._discards.add(task)
        task.add_done_callback(self._discards.discard)

    async def _drop(self, connecting: asyncio.Task[AIOKafkaProducer]) -> None:
        if not connecting.done():
            connecting.cancel()
        with contextlib.suppress(
            asyncio.CancelledError, KafkaError, KafkaSettingsError, OSError, TimeoutError
        ):
            await discard(await connecting)
