"""`lumina.settings`, read without a consumer group: every process knows all of it before it does its work.
Another compacted topic of small records is read in the same way (`lumina.series`).

A group would give each record to one worker alone, and an agent would begin with the settings that happen to
have come. This reads every partition to its end, then follows it; whoever asks for a kind is told its whole
content, at first and after each change.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError

from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import TopicFacts, describe
from lumina_schemas.topics import SETTINGS, Topic
from lumina_streams.metrics import Metrics

log = structlog.get_logger()

LOOK_S = 5.0
"""How often the topic is asked whether it is still the one that is read."""

ANSWER_S = 10.0
RETRY_S = 1.0
FETCH_MS = 500

Changed = Callable[[Mapping[str, bytes]], None]
"""Is told all values of a kind, by key."""

Followed = Callable[[Mapping[str, bytes | None]], None]
"""Is told what has changed, by key; None: removed."""


class SettingsReader:
    """Holds the last value of each key. `values` is complete once `caught_up` has returned.

    A key has one partition, Kafka's own choice for it (murmur2). A record that lies elsewhere has no order
    with those of its key: it is ignored, and said so.
    """

    def __init__(self, settings: Settings, metrics: Metrics, topic: Topic = SETTINGS) -> None:
        self.settings = settings
        self.metrics = metrics
        self.name = topic.name
        self.topic = settings.topic(topic)
        self.values: dict[str, bytes] = {}
        self._caught_up = asyncio.Event()
        self._watchers: list[tuple[str, Changed]] = []
        self._followers: list[Followed] = []
        self._trouble = ""
        metrics.gauge(self.name, lambda: float(len(self.values)))

    def watch(self, kind: str, changed: Changed) -> None:
        """Have `changed` told the values whose keys begin with `kind`, once all are read and then whenever
        one of them has changed. It runs between two runs of an agent, never inside one.
        """
        self._watchers.append((kind, changed))

    def follow(self, changed: Followed) -> None:
        """Have `changed` told each change, at first all that is there; when, as with `watch`."""
        self._followers.append(changed)

    async def caught_up(self) -> None:
        """Wait until everything that lay in the topic is known."""
        await self._caught_up.wait()

    @property
    def why(self) -> str:
        """Why its process cannot work yet; "" once it can, for good: settings once read stay in force while
        Kafka is away.
        """
        if self._caught_up.is_set():
            return ""
        return self._trouble or f"reading {self.topic}"

    async def run(self) -> None:
        """Read and follow, without end. Kafka's troubles are waited out."""
        while True:
            try:
                await self._follow()
            except (KafkaError, OSError, TimeoutError) as error:
                if not self._trouble:  # once an outage, not once an attempt
                    log.warning(
                        "a topic is not followed for now, what is known of it stays in force",
                        topic=self.topic,
                        error=repr(error),
                    )
                self._trouble = f"{self.topic} cannot be read ({error!r})"
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        """One attachment: from the beginning to the end, then on until the topic is another one."""
        facts = await self._describe()
        consumer = AIOKafkaConsumer(
            **client_options(self.settings, "lumina-settings"),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_MS,
        )
        try:
            await asyncio.wait_for(consumer.start(), ANSWER_S)
            partitions = [TopicPartition(self.topic, number) for number in range(facts.partitions)]
            consumer.assign(partitions)
            begins = await consumer.beginning_offsets(partitions)
            ends = await consumer.end_offsets(partitions)
            for partition, begin in begins.items():
                consumer.seek(partition, begin)
            found: dict[str, bytes] = {}
            todo = {partition for partition in partitions if begins[partition] < ends[partition]}
            while todo:
                await self._read(consumer, facts, found)
                todo = {one for one in todo if await consumer.position(one) < ends[one]}
            self._replace(found)
            loop = asyncio.get_running_loop()
            look_at = loop.time() + LOOK_S
            while True:
                self._tell(await self._read(consumer, facts, self.values))
                if loop.time() > look_at:
                    if await self._describe() != facts:
                        log.warning("the topic is another one now: it is read anew", topic=self.topic)
                        return
                    look_at = loop.time() + LOOK_S
        finally:
            await consumer.stop()

    async def _describe(self) -> TopicFacts:
        options = client_options(self.settings, "lumina-settings")
        facts = await asyncio.wait_for(describe(options, [self.topic]), ANSWER_S)
        if self.topic not in facts:
            raise OSError(f"topic {self.topic} does not exist, or has no leader")
        return facts[self.topic]

    async def _read(self, consumer: AIOKafkaConsumer, facts: TopicFacts, into: dict[str, bytes]) -> set[str]:
        """Put what comes within a moment into `into`; returns the keys whose value is another one now."""
        changed: set[str] = set()
        for records in (await consumer.getmany(timeout_ms=FETCH_MS)).values():
            for record in records:
                key = self._key(record, facts)
                if key is None or into.get(key) == record.value:
                    continue
                changed.add(key)
                if record.value is None:
                    into.pop(key, None)
                else:
                    into[key] = record.value
        return changed

    def _key(self, record: ConsumerRecord, facts: TopicFacts) -> str | None:
        """The key of a record; None where there is none, or where it lies on another key's partition."""
        self.metrics.add(f"{self.name}_records")
        try:
            key = (record.key or b"").decode()
        except UnicodeDecodeError:
            key = ""
        if key and partition_of(key, facts.partitions) == record.partition:
            return key
        self.metrics.add(f"bad_{self.name}")
        log.error(
            "a record is ignored: its key is none, or lies on a partition that is not its own. Write it "
            "with the partitioner murmur2, Kafka's default (kcat: -X topic.partitioner=murmur2)",
            topic=self.topic,
            key=key[:100],
            partition=record.partition,
            offset=record.offset,
        )
        return None

    def _replace(self, found: dict[str, bytes]) -> None:
        """Take what was read from the beginning: keys that went meanwhile may have left no trace."""
        changed = {key for key in found.keys() | self.values.keys() if found.get(key) != self.values.get(key)}
        first = not self._caught_up.is_set()
        self.values = found
        self._trouble = ""
        self._tell(changed, everybody=first)
        self._caught_up.set()

    def _tell(self, changed: set[str], everybody: bool = False) -> None:
        if changed:
            for follower in self._followers:
                follower({key: self.values.get(key) for key in changed})
        for kind, watcher in self._watchers:
            if everybody or any(key.startswith(kind) for key in changed):
                watcher({key: value for key, value in self.values.items() if key.startswith(kind)})
