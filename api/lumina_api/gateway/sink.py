"""The way to Kafka: sends, waits for acknowledgement, says no in time, comes back by itself."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, ProducerClosed

from lumina_api.gateway.budget import Budget
from lumina_api.gateway.refusal import unavailable
from lumina_api.kafka import discard
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import OTLP, OTLP_LOGS

log = structlog.get_logger()

Headers = Sequence[tuple[str, bytes]]
Delivery = asyncio.Future[object]

CONNECT_DEADLINE_S = 5.0
"""A stopped broker accepts connections and never answers."""

BACK_OFF_S = (0.1, 0.2, 0.5, 1.0)
"""Pauses between attempts to connect, the last one repeated."""

STOP_DEADLINE_S = 3.0

# aiokafka's default of 16 KiB gives each larger message a request and a round trip of its own; more than this
# would let a batch of several messages exceed a topic's max.message.bytes.
BATCH_BYTES = 1024 * 1024

# lz4 is fixed at level 9 in aiokafka: 2.6 ms for 240 kB; zstd takes 0.35 ms and packs closer.
COMPRESSION = "zstd"


class Sink:
    """A producer that is replaced when it dies or when Kafka stalls.

    An idempotent aiokafka producer never gives a message up. When nothing has been acknowledged for
    `produce_timeout_s` the sink drops the producer with all that it holds (those requests have been answered
    503, their senders keep the data) and is not ready until a new one has reached the topics.
    """

    def __init__(self, settings: Settings) -> None:
        self.budget = Budget(settings.max_body_bytes)
        self._settings = settings
        self._topics = (settings.topic(OTLP), settings.topic(OTLP_LOGS))
        self._producer: AIOKafkaProducer | None = None
        self._reason = "The gateway has not been started."
        self._lost = asyncio.Event()
        self._last_ack = 0.0
        self._task: asyncio.Task[None] | None = None
        self._discards: set[asyncio.Task[None]] = set()

    @property
    def ready(self) -> bool:
        """Whether messages can be sent now, as far as is known."""
        return self._producer is not None

    @property
    def reason(self) -> str:
        """Why the sink is not ready; empty where it is."""
        return "" if self._producer else self._reason

    async def start(self) -> None:
        """Begin to connect, in the background."""
        self._reason = "The gateway is connecting to Kafka."
        self._task = asyncio.create_task(self._run(), name="gateway-sink")

    async def stop(self) -> None:
        """Let messages under way arrive for a moment, then disconnect."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        producer, self._producer = self._producer, None
        self._reason = "The gateway is stopping."
        if producer:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(producer.flush(), STOP_DEADLINE_S)
            await discard(producer)
        if self._discards:
            await asyncio.wait(self._discards)

    def check(self) -> None:
        """Raises Refusal (503) where sending is known to fail."""
        if self._producer is None:
            raise unavailable(f"{self._reason} Nothing was kept: send it again.", retry_after_s=2)

    async def send(self, topic: str, bodies: Sequence[bytes], headers: Headers = ()) -> None:
        """Return when all in-sync replicas have every message. Raises Refusal (503) otherwise, in time."""
        self.check()
        producer = self._producer
        assert producer is not None
        began = _now()
        sent: dict[Delivery, int] = {}
        try:
            async with asyncio.timeout(self._settings.produce_timeout_s):
                for body in bodies:
                    sent[await producer.send(topic, body, headers=list(headers))] = len(body)
                await asyncio.wait(sent, return_when=asyncio.FIRST_EXCEPTION)
            for delivery in filter(asyncio.Future.done, sent):
                delivery.result()
        except TimeoutError:
            raise self._not_acknowledged(producer, began) from None
        except (KafkaError, OSError) as error:
            raise self._failed(producer, topic, error) from error
        finally:
            for delivery, size in sent.items():
                self._leave(delivery, size)
        self._last_ack = _now()

    def _leave(self, delivery: Delivery, size: int) -> None:
        """A message that nobody waits for any more fills memory until Kafka has it or it is dropped."""

        def settled(delivery: Delivery) -> None:
            self.budget.give_back(size)
            if not delivery.cancelled() and not delivery.exception():
                self._last_ack = _now()

        if delivery.done():
            delivery.cancelled() or delivery.exception()  # looked at, or asyncio complains of it
        else:
            self.budget.keep(size)
            delivery.add_done_callback(settled)

    def _not_acknowledged(self, producer: AIOKafkaProducer, began: float) -> Exception:
        if self._last_ack < began:
            self._lose(producer, "Kafka acknowledges nothing.")
        return unavailable(
            f"Kafka did not acknowledge within {self._settings.produce_timeout_s:g} s. Send it again."
        )

    def _failed(self, producer: AIOKafkaProducer, topic: str, error: BaseException) -> Exception:
        name = type(error).__name__
        if isinstance(error, MessageSizeTooLargeError):
            log.error(
                "Kafka takes no message of the size that LUMINA_MAX_MESSAGE_BYTES allows. Raise the topic's "
                "max.message.bytes or lower the setting; until then senders are told to try again.",
                topic=topic,
            )
        elif not isinstance(error, ProducerClosed):
            self._lose(producer, f"Kafka refused a message ({name}).")
        return unavailable(f"Kafka did not take the request ({name}). Send it again.")

    def _lose(self, producer: AIOKafkaProducer, reason: str) -> None:
        """Drop a producer; another one is built."""
        if producer is not self._producer:
            return
        log.warning("kafka lost", reason=reason)
        self._producer, self._reason = None, reason
        task = asyncio.create_task(discard(producer), name="gateway-discard")
        self._discards.add(task)
        task.add_done_callback(self._discards.discard)
        self._lost.set()

    async def _run(self) -> None:
        while True:
            self._lost.clear()
            self._producer = await self._connected()
            log.info("kafka ready", topics=self._topics)
            await self._lost.wait()

    async def _connected(self) -> AIOKafkaProducer:
        """A producer that has reached Kafka and knows the topics, after as many attempts as it takes."""
        attempt = 0
        told: set[str] = set()  # each reason once an outage: attempts come every second
        while True:
            try:
                return await self._attempt()
            except TimeoutError:
                pass  # the reason tells how far it came
            except KafkaSettingsError as error:
                self._reason = str(error)
            except Exception as error:
                servers = self._settings.kafka_bootstrap_servers or f"port {self._settings.kafka_port}"
                self._reason = f"Kafka at {servers} cannot be reached ({type(error).__name__})."
            if self._reason not in told:
                told.add(self._reason)
                log.warning("kafka not ready", reason=self._reason)
            await asyncio.sleep(BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)])
            attempt += 1

    async def _attempt(self) -> AIOKafkaProducer:
        """A producer that has reached Kafka and knows the topics, or whatever keeps it from there."""
        producer = self._new_producer()
        try:
            async with asyncio.timeout(CONNECT_DEADLINE_S):
                await producer.start()
                for topic in self._topics:
                    self._reason = f"Kafka is there, but topic {topic} is not."
                    await producer.partitions_for(topic)
        except BaseException:
            await discard(producer)
            raise
        return producer

    def _new_producer(self) -> AIOKafkaProducer:
        limit = self._settings.max_message_bytes
        return AIOKafkaProducer(
            **client_options(self._settings, "lumina-gateway"),
            acks="all",
            enable_idempotence=True,
            compression_type=COMPRESSION,
            linger_ms=0,
            max_batch_size=min(BATCH_BYTES, limit),
            max_request_size=limit + 1_000,
            request_timeout_ms=10_000,
            metadata_max_age_ms=60_000,
        )


def _now() -> float:
    return asyncio.get_running_loop().time()
