"""What this gateway took is told to the others, and thresholds to the log of the project.

A producer of its own: what goes wrong with it keeps no span from Kafka.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import msgspec
import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from lumina_api.kafka import HeldProducer
from lumina_api.usage.tally import Tally
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.project import PROJECT_VERSION, Traces
from lumina_schemas.project import TRACES as REACHED
from lumina_schemas.settings import Settings
from lumina_schemas.topics import PROJECTS, TYPE_HEADER, USAGE
from lumina_schemas.usage import TRACES, UsedTraces

log = structlog.get_logger(__name__)

LOOK_S = 0.5
"""How often it is looked whether something is due that is not urgent."""

SEND_DEADLINE_S = 5.0
RETRY_S = 1.0
STOP_DEADLINE_S = 2.0


class Sharing:
    """Tells what a tally has to tell, in the background."""

    def __init__(self, settings: Settings, tally: Tally, now: Callable[[], float]) -> None:
        self._settings = settings
        self._tally = tally
        self._now = now
        self._usage, self._projects = settings.topic(USAGE), settings.topic(PROJECTS)
        self._wake = asyncio.Event()
        self._trouble = False
        self._producer = HeldProducer(self._made)

    def hurry(self) -> None:
        """Something urgent is to be told."""
        self._wake.set()

    async def run(self, before: Awaitable[None]) -> None:
        """Tell without end, once `before` has come: until all is known, thresholds are not."""
        await before
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK_S)
            self._wake.clear()
            if not await self.tell():
                await asyncio.sleep(RETRY_S)

    async def stop(self) -> None:
        """Tell the rest, as far as Kafka takes it, and disconnect."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.tell(everything=True), STOP_DEADLINE_S)
        await self._producer.drop()

    async def tell(self, everything: bool = False) -> bool:
        """Tell what is due, or all. False where Kafka has not taken it: it is due again then."""
        records = list(self._tally.shareable(self._now(), everything))
        reached = [self._reached(*found) for found in self._tally.reached()]
        if not records and not reached:
            return True
        try:
            async with asyncio.timeout(SEND_DEADLINE_S):
                await self._send(records, reached)
        except (KafkaError, KafkaSettingsError, OSError) as error:
            self._untold(records, reached)
            if not self._trouble:
                log.warning(
                    "what this gateway took cannot be told to the others: until it can, the limits of all "
                    "together may be exceeded",
                    topic=self._usage,
                    error=repr(error),
                )
            self._trouble = True
            await self._producer.drop()
            return False
        except asyncio.CancelledError:
            self._untold(records, reached)  # `stop` tells it
            raise
        self._trouble = False
        return True

    def _untold(self, records: list[UsedTraces], reached: list[Traces]) -> None:
        for record in records:
            self._tally.untold(record, self._now())
        for message in reached:
            self._tally.forget(message.project)

    async def _send(self, records: list[UsedTraces], reached: list[Traces]) -> None:
        producer = await self._producer.get()
        deliveries: list[asyncio.Future[object]] = []
        try:
            for topic, kind, values in ((self._usage, TRACES, records), (self._projects, REACHED, reached)):
                for value in values:
                    body, key = msgspec.json.encode(value), value.project.encode()
                    deliveries.append(await producer.send(topic, body, key, headers=[(TYPE_HEADER, kind)]))
            await asyncio.gather(*deliveries)
        finally:
            for delivery in deliveries:
                if delivery.done() and not delivery.cancelled():
                    delivery.exception()  # looked at, or asyncio complains of it
                else:
                    delivery.cancel()

    def _made(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            **client_options(self._settings, "lumina-usage"),
            acks="all",
            enable_idempotence=True,
            max_request_size=self._settings.max_message_bytes + 1_000,
            request_timeout_ms=int(SEND_DEADLINE_S * 1_000),
        )

    def _reached(self, project: str, percent: int, traces: int, limit: int) -> Traces:
        return Traces(
            v=PROJECT_VERSION,
            project=project,
            day=self._tally.day,
            percent=percent,
            traces=traces,
            limit=limit,
            at_ms=int(self._now() * 1_000),
        )
