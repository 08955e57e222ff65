"""Looks at Kafka every few seconds, so that whoever asks is answered out of memory, also while it is away."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from lumina_api.dead_letters import DeadLetter, newest
from lumina_api.kafka import admin_client, partition_counts
from lumina_api.pipeline.sample import Group, History, Offsets, Sample
from lumina_schemas.generation import members_of, offsets_of
from lumina_schemas.kafka import KafkaSettingsError, client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DLQ

log = structlog.get_logger(__name__)

EVERY_S = 5.0
LOOK_S = 10.0
"""One look must end by then: a stopped broker accepts connections and never answers."""

STALE_S = 20.0
"""What is older is not shown as the present."""

FIRST_S = 1.5
"""How long a question waits for the first look after the start."""

LETTERS = 10
"""Newest dead letters of each partition that are looked at."""

CLIENT = "lumina-pipeline"


class PipelineAway(RuntimeError):
    """Nothing recent is known of Kafka; the message says why and what to do."""


class _Clients(NamedTuple):
    admin: AIOKafkaAdminClient
    consumer: AIOKafkaConsumer


class Pipeline:
    """The latest look at the topics under the prefix, those that applications land on, and their readers.

    Memory: a minute of end offsets, thirteen numbers a partition, and the headers of some dead letters.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.history = History()
        self._trouble = "This process does not look at Kafka: it has not been started."
        self._looked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look, in the background."""
        self._trouble = "Kafka is being asked for the first time. Ask again."
        self._task = asyncio.create_task(self._run(), name="pipeline")

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def latest(self) -> Sample:
        """The latest sample, some seconds old. Raises PipelineAway within 2 s where there is none."""
        if self._task is not None and not self._looked.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_S):
                    await self._looked.wait()
        sample = self.history.latest
        if sample is None or self._trouble:
            raise PipelineAway(self._trouble)
        if time.monotonic() - sample.moment_s > STALE_S:
            raise PipelineAway(self._away("does not answer"))
        return sample

    async def _run(self) -> None:
        while True:
            try:
                async with self._clients() as clients:
                    while True:
                        async with asyncio.timeout(LOOK_S):
                            self.history.add(await self._look(clients))
                        self._trouble = ""
                        self._looked.set()
                        await asyncio.sleep(EVERY_S)
            except KafkaSettingsError as error:
                self._trouble = str(error)
            except TimeoutError:
                self._trouble = self._away(f"does not answer within {LOOK_S:g} s")
            except (KafkaError, OSError) as error:
                self._trouble = self._away(f"cannot be used ({type(error).__name__})")
            except Exception as error:
                log.exception("looking at the pipeline failed")
                self._trouble = f"Looking at Kafka failed ({error!r}); the log of this process says more."
            self._looked.set()
            await asyncio.sleep(EVERY_S)

    def _away(self, what: str) -> str:
        servers = client_options(self.settings)["bootstrap_servers"]
        return (
            f"Kafka at {servers} {what}: nothing recent is known of its topics. Check that its brokers run "
            "and KAFKA_BOOTSTRAP_SERVERS is right; `lumina doctor` says more."
        )

    @asynccontextmanager
    async def _clients(self) -> AsyncIterator[_Clients]:
        options = client_options(self.settings, CLIENT)
        async with asyncio.timeout(LOOK_S) as starting:
            async with admin_client(options) as admin:
                consumer = AIOKafkaConsumer(
                    **options, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=100
                )
                try:
                    await consumer.start()
                    starting.reschedule(None)
                    yield _Clients(admin, consumer)
                finally:
                    await consumer.stop()

    async def _look(self, clients: _Clients) -> Sample:
        own = {*self.settings.landing_topics, *self.settings.landing_logs_topics}
        counts = {
            name: count
            for name, count in (await partition_counts(clients.admin)).items()
            if name.startswith(self.settings.topic_prefix) or name in own
        }
        partitions = [TopicPartition(name, n) for name, count in counts.items() for n in range(count)]
        if not partitions:
            return Sample(time.time_ns(), time.monotonic(), {}, {})
        begins = await clients.consumer.beginning_offsets(partitions)
        groups = await self._groups(clients.admin)
        moment_s, ends = time.monotonic(), await clients.consumer.end_offsets(partitions)
        letters = await self._letters(clients.consumer, begins, ends)
        return Sample(time.time_ns(), moment_s, begins, ends, groups, letters)

    async def _groups(self, admin: AIOKafkaAdminClient) -> tuple[Group, ...]:
        """Groups under the prefix; those of others may be many, and are none of ours."""
        names = sorted(name for name, *_ in await admin.list_consumer_groups())
        return tuple(
            [
                Group(name, len(await members_of(admin, name)), await offsets_of(admin, name))
                for name in names
                if name.startswith(self.settings.topic_prefix)
            ]
        )

    async def _letters(
        self, consumer: AIOKafkaConsumer, begins: Offsets, ends: Offsets
    ) -> tuple[DeadLetter, ...]:
        """The newest dead letters; read again only where there are others than at the last look."""
        topic = self.settings.topic(DLQ)
        there = {partition: end for partition, end in ends.items() if partition.topic == topic}
        if not there:
            return ()
        before = self.history.latest
        if before is None or any(before.ends.get(partition) != end for partition, end in there.items()):
            return tuple(await newest(self.settings, consumer, there, LETTERS))
        kept = (TopicPartition(topic, letter.partition) for letter in before.letters)
        return tuple(
            letter
            for letter, partition in zip(before.letters, kept, strict=True)
            if letter.offset >= begins[partition]
        )
