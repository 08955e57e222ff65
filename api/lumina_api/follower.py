"""A topic read without a consumer group, by every process that needs all of it: to its end, then on.

What is known stays in force while Kafka is away. A topic that was deleted and made again is read anew.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from lumina_api.log import MissingTopic, facts_of
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import TopicFacts
from lumina_schemas.topics import Topic

log = structlog.get_logger(__name__)

LOOK_S = 10.0
"""How often the topic is asked whether it is still the one that is read."""

ANSWER_S = 10.0
RETRY_S = 0.5
FETCH_MS = 500

Since = Callable[[], int]
"""Time of arrival to begin at, Unix ms, asked at each attachment."""


class Reading(Protocol):
    """What becomes of the records. An attachment begins, brings records, is complete, and brings more."""

    def begin(self) -> None:
        """All that is to be read comes now, from the start."""

    def apply(self, records: Sequence[ConsumerRecord]) -> None:
        """Some records, in the order of their partition."""

    def complete(self) -> None:
        """All that lay in the topic has been applied."""


class Follower:
    """Reads one topic for one Reading."""

    def __init__(
        self, settings: Settings, topic: Topic, reading: Reading, since: Since | None = None
    ) -> None:
        self.name = settings.topic(topic)
        self._settings = settings
        self._reading = reading
        self._since = since
        self._caught_up = asyncio.Event()
        self._trouble = ""

    async def caught_up(self) -> None:
        """Wait until everything that lay in the topic is known. What is known once stays in force."""
        await self._caught_up.wait()

    @property
    def why(self) -> str:
        """Why not all is known yet; "" from then on, for good."""
        if self._caught_up.is_set():
            return ""
        return self._trouble or f"Topic {self.name} is being read."

    async def run(self) -> None:
        """Follow without end. Kafka's troubles are waited out."""
        while True:
            try:
                await self._follow()
            except (MissingTopic, KafkaSettingsError) as error:
                self._stopped(str(error), log.warning)
            except (KafkaError, OSError) as error:  # TimeoutError is an OSError
                # That Kafka is away is told by those who write to it and by the views, once.
                self._stopped(f"Topic {self.name} cannot be read ({type(error).__name__}).", log.debug)
            await asyncio.sleep(RETRY_S)

    def _stopped(self, trouble: str, tell: Callable[..., object]) -> None:
        if not self._trouble:  # once an outage, not once an attempt
            tell("a topic is not followed for now, what is known of it stays in force", why=trouble)
        self._trouble = trouble

    async def once(self) -> None:
        """Read to the end, and no further. Raises MissingTopic, KafkaError, OSError."""
        await self._follow(on=False)

    async def _follow(self, on: bool = True) -> None:
        """One attachment: to the end, then on until the topic is another one."""
        facts = await self._facts()
        consumer = AIOKafkaConsumer(
            **client_options(self._settings, "lumina-follower"),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_MS,
        )
        try:
            await asyncio.wait_for(consumer.start(), ANSWER_S)
            partitions = [TopicPartition(self.name, number) for number in range(facts.partitions)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            begins = await self._begins(consumer, partitions, ends)
            for partition, begin in begins.items():
                consumer.seek(partition, begin)
            self._reading.begin()
            todo = {partition for partition in partitions if begins[partition] < ends[partition]}
            while todo:
                await self._read(consumer)
                todo = {one for one in todo if await consumer.position(one) < ends[one]}
            self._reading.complete()
            self._trouble = ""
            self._caught_up.set()
            loop = asyncio.get_running_loop()
            look_at = loop.time() + LOOK_S
            while on:
                await self._read(consumer)
                if loop.time() > look_at:
                    if await self._facts() != facts:
                        log.warning("the topic is another one now: it is read anew", topic=self.name)
                        return
                    look_at = loop.time() + LOOK_S
        finally:
            await consumer.stop()

    async def _facts(self) -> TopicFacts:
        return await asyncio.wait_for(facts_of(self._settings, self.name), ANSWER_S)

    async def _begins(
        self, consumer: AIOKafkaConsumer, partitions: list[TopicPartition], ends: dict[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        if self._since is None:
            begins: dict[TopicPartition, int] = await consumer.beginning_offsets(partitions)
            return begins
        since_ms = self._since()
        found = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
        return {one: at.offset if (at := found[one]) is not None else ends[one] for one in partitions}

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        for records in (await consumer.getmany(timeout_ms=FETCH_MS)).values():
            self._reading.apply(records)
