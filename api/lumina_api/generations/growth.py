"""Growing the series' topics: the log and the states of the series go into a new generation.

The states are copied, not computed again from the log. The log is kept for some days: made from it, a
baseline would lack all that is older, an alert that is open for longer would never be resolved, and what fell
due by ticks would fall due elsewhere. Copied, a series is in the new generation what it was in the old one,
and detect has only to apply what the old worker had not come to.

Nothing of the old generation is changed. Whatever an interrupted copy left is made anew.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import for_code

from lumina_api.generations import groups
from lumina_api.generations.merge import Stalled, merged
from lumina_api.generations.routing import LogRouting, Starts, UnknownKey, copied, route_state
from lumina_api.generations.writer import Writer
from lumina_api.kafka import admin_client, partition_counts
from lumina_api.provision import ProvisionError, create, series_partitions
from lumina_schemas.generation import is_whole, obstacle, offsets_of
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.source import Place
from lumina_schemas.topic_facts import describe
from lumina_schemas.topics import ACTOR, ARRIVAL, DETECT_CHANGELOG, SPANS, STREAM

ADMIN_S = 30.0
PROGRESS_S = 2.0
FETCH_BYTES = 1_000_000
BATCH_BYTES = 1_000_000

Say = Callable[[str], None]


class GrowthError(RuntimeError):
    """The topics cannot be grown; what to do about it."""


@dataclass(frozen=True)
class Grown:
    """A new generation: its number, its partitions, records copied (0 where it was there already)."""

    generation: int
    partitions: int
    log_records: int = 0
    state_records: int = 0


async def grow(settings: Settings, to: int, say: Say) -> Grown:
    """Make the next generation with `to` partitions. Raises GrowthError, or aiokafka's KafkaError."""
    new = settings.in_generation(settings.generation + 1)
    async with admin_client(client_options(settings, "lumina-partitions")) as admin:
        counts = await partition_counts(admin)
        before = _partitions(counts, settings)
        if new.topic(SPANS) in counts and await is_whole(admin, new):
            if counts[new.topic(SPANS)] == to:
                return Grown(new.generation, to)
            raise GrowthError(
                f"Generation {new.generation} is made already, with {counts[new.topic(SPANS)]} partitions. "
                f"Set LUMINA_GENERATION={new.generation} and grow from there, or delete it: "
                f"`lumina partitions --delete {new.generation}`."
            )
        if why := await obstacle(settings, counts):
            raise GrowthError(why)
        if to <= before:
            raise GrowthError(
                f"{settings.topic(SPANS)} has {before} partitions: it can only grow, so --to takes "
                f"{before + 1} or more."
            )
        idle = [settings.app_id(STREAM), settings.app_id(ACTOR), new.app_id(STREAM)]
        if working := await groups.until_empty(admin, idle, settings, say):
            raise GrowthError(
                f"Workers are running: {', '.join(working)}. What they process would be missing in the copy. "
                "Stop all stream and actor workers (`lumina down`, or scale them to 0), then run this "
                "again. Gateway and api may go on."
            )
        try:
            return await _Copy(admin, settings, new, before, to, say).run(idle)
        except (ProvisionError, Stalled, UnknownKey) as error:
            raise GrowthError(str(error)) from error


def _partitions(counts: Mapping[str, int], settings: Settings) -> int:
    """Partitions of the generation in use; raises GrowthError where it is not whole."""
    names = [settings.topic(topic) for topic in (SPANS, DETECT_CHANGELOG)]
    if missing := [name for name in names if name not in counts]:
        raise GrowthError(
            f"There is nothing to grow from: {', '.join(missing)} do not exist. Check LUMINA_GENERATION "
            "and LUMINA_TOPIC_PREFIX; `lumina topics --create` makes a first generation."
        )
    try:
        return series_partitions(dict(counts), settings)
    except ProvisionError as error:
        raise GrowthError(str(error)) from error


class _Copy:
    def __init__(
        self, admin: AIOKafkaAdminClient, old: Settings, new: Settings, before: int, to: int, say: Say
    ) -> None:
        self._admin = admin
        self._old = old
        self._new = new
        self._before = before
        self._to = to
        self._say = say

    async def run(self, idle: list[str]) -> Grown:
        # In this order: what the old workers had done by these places is surely in what is read below.
        places = await offsets_of(self._admin, self._old.app_id(STREAM))
        await self._make_topics()
        epochs = await self._epochs()
        async with self._reader() as reader, self._writer() as writer:
            old_ends = await self._ends(reader, self._old, self._before)
            states = await self._copy_states(reader, writer)
            lines, starts = await self._copy_log(reader, writer, places)
            await writer.settle()
            await self._check(reader, writer, old_ends, epochs, idle)
        await self._settle_settings()
        landing = {tp: offset for tp, offset in places.items() if tp.topic != self._old.topic(SPANS)}
        await groups.commit(self._new, self._new.app_id(STREAM), landing | starts)
        return Grown(self._new.generation, self._to, lines, states)

    async def _make_topics(self) -> None:
        """The new generation's topics, empty. Half of a copy may lie in them: then they are made anew."""
        names = {self._new.topic(topic) for topic in (SPANS, DETECT_CHANGELOG)}
        try:
            async with asyncio.timeout(ADMIN_S):
                if left := names & set(await self._admin.list_topics()):
                    self._say("Deleting what an interrupted copy left.")
                    await self._admin.delete_topics(sorted(left))
                while names & set(await self._admin.list_topics()):
                    await asyncio.sleep(0.1)
                # The time of arrival is copied as long as the copy goes on; then the broker sets it again.
                arrival = {"message.timestamp.type": "CreateTime"}
                await create(self._admin, [SPANS, DETECT_CHANGELOG], self._new, self._to, arrival)
                while names - (await partition_counts(self._admin)).keys():
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise GrowthError(
                f"Kafka did not make {', '.join(sorted(names))} in {ADMIN_S:.0f} s. Run this again."
            ) from error

    async def _epochs(self) -> dict[str, str]:
        """Kafka's id of each topic of both generations."""
        names = [s.topic(topic) for s in (self._old, self._new) for topic in (SPANS, DETECT_CHANGELOG)]
        facts = await describe(client_options(self._old), names)
        return {name: fact.epoch for name, fact in facts.items()}

    @asynccontextmanager
    async def _reader(self) -> AsyncIterator[AIOKafkaConsumer]:
        async with AIOKafkaConsumer(
            **client_options(self._old, "lumina-partitions"),
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=50,
        ) as reader:
            yield reader

    @asynccontextmanager
    async def _writer(self) -> AsyncIterator[Writer]:
        producer = AIOKafkaProducer(
            **client_options(self._new, "lumina-partitions"),
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            linger_ms=5,
            max_batch_size=BATCH_BYTES,
            max_request_size=self._new.max_message_bytes + 100_000,
        )
        async with producer:
            yield Writer(producer)

    async def _ends(
        self, reader: AIOKafkaConsumer, settings: Settings, partitions: int
    ) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = await reader.end_offsets(
            [
                TopicPartition(settings.topic(topic), number)
                for topic in (SPANS, DETECT_CHANGELOG)
                for number in range(partitions)
            ]
        )
        return ends

    async def _copy_states(self, reader: AIOKafkaConsumer, writer: Writer) -> int:
        """The table's changelog, as it is: recovery keeps the newest of each key by its revision."""
        source, target = self._old.topic(DETECT_CHANGELOG), self._new.topic(DETECT_CHANGELOG)
        progress = _Progress(f"{source}: states of the series", self._say)
        async for record in merged(reader, await self._open(reader, source, progress)):
            for routed in route_state(record.key or b"", record.value, self._before, self._to):
                await writer.send(target, routed, record.timestamp, record.headers)
            progress.next()
        return progress.end()

    async def _copy_log(
        self, reader: AIOKafkaConsumer, writer: Writer, places: Mapping[TopicPartition, int]
    ) -> tuple[int, dict[TopicPartition, int]]:
        """The log, and where detect goes on in it: at the first record that the old workers had not done."""
        source, target = self._old.topic(SPANS), self._new.topic(SPANS)
        facts = await describe(client_options(self._old), [source])
        epoch = facts[source].epoch
        routing = LogRouting(epoch, self._to)
        starts = Starts()
        progress = _Progress(f"{source}: the log of the series", self._say)
        async for record in merged(reader, await self._open(reader, source, progress)):
            done = record.offset < places.get(TopicPartition(source, record.partition), 0)
            route = routing.route(record.partition, record.offset, record.value or b"", record.headers)
            starts.note(route, done, lambda number: writer.ends[target, number])
            headers = record.headers
            if not done:
                headers = copied(headers, Place(epoch, record.partition, record.offset))
            for routed in route.records:
                await writer.send(target, routed, record.timestamp, headers)
            progress.next()
        return progress.end(), {
            TopicPartition(target, number): starts.of(number, writer.ends[target, number])
            for number in range(self._to)
        }

    async def _open(
        self, reader: AIOKafkaConsumer, topic: str, progress: "_Progress"
    ) -> dict[TopicPartition, int]:
        """Have the reader begin with a topic; returns the end of each partition."""
        partitions = [TopicPartition(topic, number) for number in range(self._before)]
        reader.assign(partitions)
        begins = await reader.beginning_offsets(partitions)
        ends: dict[TopicPartition, int] = await reader.end_offsets(partitions)
        for partition, begin in begins.items():
            reader.seek(partition, begin)
        progress.total = sum(ends[tp] - begins[tp] for tp in partitions)
        return ends

    async def _check(
        self,
        reader: AIOKafkaConsumer,
        writer: Writer,
        old_ends: dict[TopicPartition, int],
        epochs: dict[str, str],
        idle: list[str],
    ) -> None:
        """That nobody else had a hand in it. Raises GrowthError; the next run begins anew."""
        trouble = []
        if await self._ends(reader, self._old, self._before) != old_ends:
            trouble.append("somebody wrote to the old topics")
        if working := await groups.members(self._admin, idle):
            trouble.append(f"workers were started: {', '.join(working)}")
        new_ends = await self._ends(reader, self._new, self._to)
        if any(end != writer.ends[tp.topic, tp.partition] for tp, end in new_ends.items()):
            trouble.append("the new topics do not hold what was sent")
        if await self._epochs() != epochs:
            trouble.append("topics were made anew")
        if trouble:
            raise GrowthError(
                f"Meanwhile {' and '.join(trouble)}. Stop all stream and actor workers and any other "
                "`lumina partitions`, then run this again: it begins anew."
            )

    async def _settle_settings(self) -> None:
        """From now on the broker sets the time of arrival, as declared."""
        name = self._new.topic(SPANS)
        declared = SPANS.settings(self._new.max_message_bytes)
        assert ARRIVAL.items() <= declared.items()
        resource = ConfigResource(ConfigResourceType.TOPIC, name, declared)
        for response in await self._admin.alter_configs([resource]):
            for code, message, *_ in response.resources:
                if code:
                    raise GrowthError(
                        f"Kafka refused the settings of topic {name}: {for_code(code).__name__}: "
                        f"{message or 'no reason given'}. Give KAFKA_SASL_USERNAME the right AlterConfigs."
                    )


class _Progress:
    """How far a copy is, said every few seconds."""

    def __init__(self, what: str, say: Say) -> None:
        self.total = 0
        self._what = what
        self._say = say
        self._done = 0
        self._loop = asyncio.get_running_loop()
        self._said = self._loop.time()

    def next(self) -> None:
        """One record more."""
        self._done += 1
        if self._loop.time() - self._said > PROGRESS_S:
            self._said = self._loop.time()
            self._say(f"{self._what}: {self._done:,} of {self.total:,} records")

    def end(self) -> int:
        """All is done; returns how many records there were."""
        self._say(f"{self._what}: {self._done:,} records, all")
        return self._done
