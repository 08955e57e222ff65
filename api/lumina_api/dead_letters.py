"""`lumina.dlq` read and re-driven: what lies there, what of it is one and the same, what lands again.

A redrive never changes the topic. It lands a letter's bytes once more, under the letter's own position; the
stream counts each position once. What can be known only from the topic as a whole is worked out here: copies
of a letter (a worker that died before it committed writes its letters again), and letters that were re-driven
and failed again, whose remains are what is left of them.
"""

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from msgspec import Struct
from msgspec.structs import replace

from lumina_api.log import MissingTopic
from lumina_schemas import dead_letter as header
from lumina_schemas.dead_letter import REDRIVEN_HEADER, REDRIVEN_STAGE_HEADER, Redriven
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import TopicFacts, describe
from lumina_schemas.topics import DLQ, OTLP, OTLP_LOGS, PROJECT_HEADER

Place = tuple[int, int]
"""(partition, offset) in the dlq."""


class DeadLetter(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the headers of a dead letter say; absent where they do not."""

    partition: int
    offset: int
    at_ms: int  # Unix time
    size: int  # bytes
    digest: str  # of the body, to tell copies
    stage: str = ""
    reason: str = ""
    topic: str = ""  # where it came from
    topic_partition: str = ""
    topic_offset: str = ""
    signal: str = ""
    project: str = ""
    spans: int | None = None
    cut_from: int | None = None
    redriven_from: Redriven | None = None  # the letter that this is what is left of
    attempts: int = 0  # redrives that failed

    @property
    def place(self) -> Place:
        """Where it lies in the dlq."""
        return self.partition, self.offset

    @property
    def name(self) -> str:
        """Its place as a user writes it."""
        return f"{self.partition}:{self.offset}"

    @property
    def source(self) -> str:
        """Where it came from, as a user reads it."""
        return f"{self.topic or '?'} {self.topic_partition or '?'}:{self.topic_offset or '?'}"

    @property
    def cannot(self) -> str:
        """Why it cannot be re-driven; "" where it can."""
        if self.cut_from is not None:
            return f"only the first {self.size:,} of its {self.cut_from:,} bytes were kept"
        if self.stage not in ("normalise", "detect"):
            return f"its stage is {self.stage or 'not named'!r}: this version re-drives normalise and detect"
        if self.stage == "normalise" and self.signal not in ("traces", "logs"):
            return f"its topic {self.topic or '(not named)'} is no landing topic of the settings"
        return ""


@dataclass
class Plan:
    """What a redrive of some letters comes to."""

    send: list[DeadLetter] = field(default_factory=list)
    """Each letter that lands, once, in the order in which they were asked for."""
    copies: list[tuple[DeadLetter, DeadLetter]] = field(default_factory=list)
    """(asked for, the first of its copies)."""
    remains: list[tuple[DeadLetter, DeadLetter]] = field(default_factory=list)
    """(re-driven before, what is left of it)."""
    cannot: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """What cannot be re-driven, and why."""


def letter_of(record: ConsumerRecord, settings: Settings) -> DeadLetter:
    """The letter of a record; whoever wrote it, this does not fail."""
    found = {name: bytes(value or b"").decode("utf-8", "replace") for name, value in record.headers}
    body = record.value or b""
    topic = found.get(header.TOPIC, "")
    signal = found.get(header.SIGNAL, "")
    if not signal and topic in settings.landing_topics:
        signal = "traces"
    elif not signal and topic in settings.landing_logs_topics:
        signal = "logs"
    try:
        redriven = Redriven.parse(found[header.FAILED_AGAIN].encode())
    except (KeyError, ValueError):
        redriven = None
    return DeadLetter(
        partition=record.partition,
        offset=record.offset,
        at_ms=record.timestamp,
        size=len(body),
        digest=hashlib.sha256(body).hexdigest(),
        stage=found.get(header.STAGE, ""),
        reason=found.get(header.ERROR, ""),
        topic=topic,
        topic_partition=found.get(header.PARTITION, ""),
        topic_offset=found.get(header.OFFSET, ""),
        signal=signal,
        project=found.get(header.PROJECT, ""),
        spans=_number(found.get(header.SPANS)),
        cut_from=_number(found.get(header.CUT_FROM)),
        redriven_from=redriven,
        attempts=max(redriven.attempt, 1) if redriven else 0,
    )


def chosen(
    letters: Iterable[DeadLetter], stage: str = "", reason: str = "", since_ms: int | None = None
) -> list[DeadLetter]:
    """Letters of a stage, whose reason contains a text, written since then (Unix ms); "" and None: any."""
    return [
        letter
        for letter in letters
        if (not stage or letter.stage == stage)
        and reason in letter.reason
        and letter.at_ms >= (since_ms or 0)
    ]


def planned(letters: Sequence[DeadLetter], wanted: Iterable[DeadLetter], epoch: str) -> Plan:
    """What to land for the wanted ones of all letters of a dlq whose Kafka id is `epoch`.

    Of copies only the first is sent, so that all of them are one position. A letter that was re-driven
    before and failed again is not sent itself: what is left of it lies in later letters, and those are sent.
    """
    first: dict[tuple[object, ...], DeadLetter] = {}
    left: dict[Place, list[DeadLetter]] = defaultdict(list)
    for letter in sorted(letters, key=lambda letter: letter.place):
        original = first.setdefault(_identity(letter), letter)
        again = letter.redriven_from
        if original is letter and again is not None and again.epoch == epoch:
            left[again.partition, again.offset].append(letter)
    plan, seen = Plan(), set()
    for letter in wanted:
        original = first[_identity(letter)]
        if original is not letter:
            plan.copies.append((letter, original))
        for last in _remains(original, left):
            if last is not original:
                plan.remains.append((original, last))
            if last.place in seen:
                continue
            seen.add(last.place)
            if reason := last.cannot:
                plan.cannot.append((last, reason))
            else:
                plan.send.append(last)
    return plan


def _identity(letter: DeadLetter) -> tuple[object, ...]:
    """Equal for copies. They have one key, so that a partition holds all of them."""
    origin: tuple[object, ...] = (letter.topic, letter.topic_partition, letter.topic_offset)
    if letter.redriven_from is not None:
        origin = letter.redriven_from[:3]
    return letter.partition, letter.stage, *origin, letter.digest


def _remains(letter: DeadLetter, left: dict[Place, list[DeadLetter]]) -> list[DeadLetter]:
    """The letter itself, or what its redrives left of it, as far as they went."""
    found, todo, seen = [], [letter], {letter.place}
    while todo:
        one = todo.pop()
        later = [each for each in left.get(one.place, ()) if each.place not in seen]
        if not later:
            found.append(one)
        seen.update(each.place for each in later)
        todo.extend(reversed(later))
    return found


async def dlq_facts(settings: Settings) -> TopicFacts:
    """The dlq topic as its cluster has it. Raises MissingTopic, KafkaError."""
    topics = [settings.topic(topic) for topic in (DLQ, OTLP, OTLP_LOGS)]
    facts = await describe(client_options(settings, "lumina-dlq"), topics)
    if missing := [topic for topic in topics if topic not in facts]:
        raise MissingTopic(missing[0])
    return facts[topics[0]]


async def records(settings: Settings) -> AsyncIterator[ConsumerRecord]:
    """Everything that the dlq holds now. Raises MissingTopic, KafkaError."""
    topic = settings.topic(DLQ)
    partitions = [TopicPartition(topic, number) for number in range((await dlq_facts(settings)).partitions)]
    async with _consumer(settings) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        todo = set(partitions)
        while todo := {
            partition for partition in todo if await consumer.position(partition) < ends[partition]
        }:
            for batch in (await consumer.getmany(*todo, timeout_ms=500)).values():
                for record in batch:
                    yield record


async def all_letters(settings: Settings) -> list[DeadLetter]:
    """Every letter, without its body, by place. Raises MissingTopic, KafkaError."""
    found: dict[Place, DeadLetter] = {}
    letters = [letter_of(record, settings) async for record in records(settings)]
    for letter in sorted(letters, key=lambda letter: letter.at_ms):
        # detect knows only which letter a span came from, not how often that one was tried.
        again = letter.redriven_from
        before = found.get((again.partition, again.offset)) if again else None
        attempts = max(letter.attempts, before.attempts + 1) if before else letter.attempts
        found[letter.place] = replace(letter, attempts=attempts)
    return [found[place] for place in sorted(found)]


async def newest(
    settings: Settings, consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int], most: int
) -> list[DeadLetter]:
    """At most so many letters of each partition, those before its end, without bodies; the newest first.

    `consumer` reads nothing else meanwhile. Raises KafkaError.
    """
    found: list[DeadLetter] = []
    consumer.assign(list(ends))
    try:
        begins = await consumer.beginning_offsets(list(ends))
        todo = {partition for partition, end in ends.items() if end > begins[partition]}
        for partition in todo:
            consumer.seek(partition, max(begins[partition], ends[partition] - most))
        while todo := {
            partition for partition in todo if await consumer.position(partition) < ends[partition]
        }:
            for batch in (await consumer.getmany(*todo, timeout_ms=500, max_records=most)).values():
                found += [letter_of(record, settings) for record in batch]
    finally:
        consumer.unsubscribe()  # else it fetches on, bodies included, for nobody
    return sorted(found, key=lambda letter: (-letter.at_ms, letter.place))


async def record_at(settings: Settings, place: Place) -> ConsumerRecord | None:
    """The record at a place, None where there is none. Raises MissingTopic, KafkaError."""
    if place[0] >= (await dlq_facts(settings)).partitions:
        return None
    async with _consumer(settings) as consumer:
        return await _read(consumer, TopicPartition(settings.topic(DLQ), place[0]), place[1])


async def redrive(settings: Settings, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Land letters again, in this order, each acknowledged by every in-sync replica.

    Returns those that landed: one whose retention ended meanwhile does not. Raises MissingTopic, KafkaError.
    """
    epoch = (await dlq_facts(settings)).epoch
    landed: list[DeadLetter] = []
    producer = AIOKafkaProducer(
        **client_options(settings, "lumina-dlq"),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_request_size=settings.max_message_bytes + 100_000,
    )
    async with producer, _consumer(settings) as consumer:
        for letter in letters:
            record = await _read(
                consumer, TopicPartition(settings.topic(DLQ), letter.partition), letter.offset
            )
            if record is None:
                continue
            await producer.send_and_wait(
                landing_topic(letter, settings),
                record.value or b"",
                key=letter.name.encode(),
                headers=landing_headers(letter, Redriven(epoch, *letter.place, letter.attempts + 1)),
            )
            landed.append(letter)
    return landed


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **client_options(settings, "lumina-dlq"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )


async def _read(consumer: AIOKafkaConsumer, partition: TopicPartition, offset: int) -> ConsumerRecord | None:
    """One record; letters that follow each other cost one fetch together."""
    if partition not in consumer.assignment():
        consumer.assign({*consumer.assignment(), partition})
    ends = await consumer.end_offsets([partition])
    if offset >= ends[partition]:
        return None
    if await consumer.position(partition) != offset:
        consumer.seek(partition, offset)
    record = await consumer.getone(partition)
    return record if record.offset == offset else None  # a later one, where retention has ended


def landing_topic(letter: DeadLetter, settings: Settings) -> str:
    """Where a letter lands again: a topic of ours, whoever's topic it came from."""
    return settings.topic(OTLP_LOGS if letter.stage == "normalise" and letter.signal == "logs" else OTLP)


def landing_headers(letter: DeadLetter, again: Redriven) -> list[tuple[str, bytes]]:
    """The headers of a letter that lands again."""
    headers = [(REDRIVEN_HEADER, again.encode()), (REDRIVEN_STAGE_HEADER, letter.stage.encode())]
    if letter.project:
        headers.append((PROJECT_HEADER, letter.project.encode()))
    return headers


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None
