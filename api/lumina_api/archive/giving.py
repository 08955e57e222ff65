"""Files to Kafka: what `lumina import` writes, so that doing it twice, or half of it and then all, adds
nothing.

Each batch of lines bears the header `lumina-imported` with a digest of itself. Detection learns from such a
batch
and is silent about it; a second run finds the header in the log and leaves the batch out. What has a key
(settings, corrections, alerts) is written where the target has nothing, or an older revision, under it.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from aiokafka import AIOKafkaProducer
from msgspec import Struct

from lumina_api.archive.manifest import BrokenArchive, Part
from lumina_api.archive.place import lines, opened
from lumina_api.archive.taking import SECRET_KINDS, UNREADABLE, Setting
from lumina_api.log import consumer, partitions_of, records
from lumina_schemas.control import Mark
from lumina_schemas.correction import Correction, key_of
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topics import (
    ALERTS,
    COMMANDS,
    CORRECTIONS,
    IMPORTED_HEADER,
    SCORES,
    SPANS,
    Topic,
)
from lumina_schemas.topics import SETTINGS as SETTINGS_TOPIC
from lumina_streams.core.span.lines import MESSAGE_OVERHEAD

BATCH_LINES = 500
BATCH_BYTES = 500_000

UNDER_WAY = 200
"""Records sent and not yet acknowledged."""

OPEN = ("open", "acknowledged", "snoozed")

Say = Callable[[str], None]


class Given(Struct):
    """What an import did, by part: records written, and those that were there already."""

    written: dict[str, int] = {}
    there: dict[str, int] = {}
    open_alerts: int = 0
    """Alerts that were open when they were exported: no detection here knows of them."""


class _Line(Struct, frozen=True):
    series_id: str = ""
    span_id: str = ""


class _Alert(Struct, frozen=True):
    id: str
    rev: int
    state: str


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_alert = msgspec.json.Decoder(_Alert).decode
_decode_correction = msgspec.json.Decoder(Correction).decode
_decode_setting = msgspec.json.Decoder(Setting).decode
_decode_mark = msgspec.json.Decoder(Mark).decode


async def give(
    settings: Settings, source: Path, parts: Sequence[Part], with_secrets: bool, say: Say
) -> Given:
    """Write an archive's parts to the topics. Raises BrokenArchive, MissingTopic, KafkaError, OSError; a
    second
    run writes what is missing then.
    """
    with opened(source) as (folder, manifest):
        if with_secrets and not manifest.secrets:
            raise BrokenArchive("The archive holds no secrets: it was exported without --with-secrets.")
        async with _Writer(settings) as writer:
            giving = _Giving(settings, folder, writer, with_secrets)
            for part in parts:
                if part in manifest.files:
                    await giving.give(part)
                    written, there = giving.given.written.get(part, 0), giving.given.there.get(part, 0)
                    say(f"{part}: {written:,} records written, {there:,} were there already")
        return giving.given


class _Giving:
    def __init__(self, settings: Settings, folder: Path, writer: "_Writer", with_secrets: bool) -> None:
        self._settings = settings
        self._folder = folder
        self._writer = writer
        self._with_secrets = with_secrets
        self.given = Given(written={}, there={})

    async def give(self, part: Part) -> None:
        givers: dict[Part, Callable[[], Awaitable[None]]] = {
            "settings": self._of_settings,
            "marks": self._marks,
            "spans": self._spans,
            "scores": self._scores,
            "corrections": self._corrections,
            "alerts": self._alerts,
        }
        try:
            await givers[part]()
        except UNREADABLE as error:
            raise BrokenArchive(f"A line of {part}.ndjson is none of Lumina's: {error}.") from error
        await self._writer.settle()

    async def _spans(self) -> None:
        partitions = len(await partitions_of(self._settings, SPANS))

        def home(line: bytes) -> int:
            read = _decode_line(line)
            return partition_of(read.series_id or read.span_id, partitions)

        await self._batches("spans", SPANS, home)

    async def _scores(self) -> None:
        await self._batches("scores", SCORES, lambda _: 0)

    async def _batches(self, part: Part, topic: Topic, home: Callable[[bytes], int]) -> None:
        """Lines in batches, each once. They keep their order, so those of a series do."""
        known = await self._imported(topic)
        limit = min(BATCH_BYTES, self._settings.max_message_bytes - MESSAGE_OVERHEAD)
        for partition, value, count in _batched(lines(self._folder, part), home, limit):
            digest = blake2b(value, digest_size=16).hexdigest().encode()
            if digest in known:
                self._count(part, 0, count)
                continue
            await self._writer.send(topic, value, partition=partition, imported=digest)
            self._count(part, count, 0)

    async def _imported(self, topic: Topic) -> set[bytes]:
        """Digests of the batches that are in a topic."""
        found: set[bytes] = set()
        async with consumer(self._settings) as reader:
            for partition in await partitions_of(self._settings, topic):
                async for record in records(reader, partition):
                    found |= {bytes(value) for name, value in record.headers if name == IMPORTED_HEADER}
        return found

    async def _of_settings(self) -> None:
        there = await self._keys(SETTINGS_TOPIC)
        for line in lines(self._folder, "settings"):
            setting = _decode_setting(line)
            if setting.key.startswith(SECRET_KINDS) and not self._with_secrets:
                continue
            await self._keyed("settings", SETTINGS_TOPIC, setting.key, bytes(setting.value), there)

    async def _corrections(self) -> None:
        there = await self._keys(CORRECTIONS)
        for line in lines(self._folder, "corrections"):
            read = _decode_correction(line)
            name = key_of(read.project, read.trace_id, read.span_id).decode()
            await self._keyed("corrections", CORRECTIONS, name, line, there)

    async def _marks(self) -> None:
        there: set[str] = set()
        async with consumer(self._settings) as reader:
            for partition in await partitions_of(self._settings, COMMANDS):
                async for record in records(reader, partition):
                    there.add((record.key or b"").decode("utf-8", "replace"))
        for line in lines(self._folder, "marks"):
            await self._keyed("marks", COMMANDS, _decode_mark(line).id, line, dict.fromkeys(there))

    async def _alerts(self) -> None:
        there = await self._keys(ALERTS)
        for line in lines(self._folder, "alerts"):
            alert = _decode_alert(line)
            known = there.get(alert.id)
            if known is not None and _decode_alert(known).rev < alert.rev:
                del there[alert.id]
            self.given.open_alerts += alert.state in OPEN and alert.id not in there
            await self._keyed("alerts", ALERTS, alert.id, line, there)

    async def _keyed(self, part: Part, topic: Topic, name: str, value: bytes, there: dict[str, Any]) -> None:
        if name in there:
            self._count(part, 0, 1)
            return
        partitions = await self._writer.partitions(topic)
        digest = blake2b(value, digest_size=16).hexdigest().encode()
        await self._writer.send(
            topic, value, key=name.encode(), partition=partition_of(name, partitions), imported=digest
        )
        self._count(part, 1, 0)

    async def _keys(self, topic: Topic) -> dict[str, bytes]:
        """What the target has, by key."""
        found: dict[str, bytes] = {}
        async with consumer(self._settings) as reader:
            for partition in await partitions_of(self._settings, topic):
                async for record in records(reader, partition):
                    name = (record.key or b"").decode("utf-8", "replace")
                    found.pop(name, None)
                    if record.value is not None:
                        found[name] = record.value
        return found

    def _count(self, part: Part, written: int, there: int) -> None:
        given = self.given
        given.written[part] = given.written.get(part, 0) + written
        given.there[part] = given.there.get(part, 0) + there


def _batched(
    source: Iterator[bytes], home: Callable[[bytes], int], limit: int
) -> Iterator[tuple[int, bytes, int]]:
    """(partition, value, lines) of batches that depend on the lines and on nothing else: a second run makes
    the
    same ones.
    """
    waiting: dict[int, list[bytes]] = defaultdict(list)
    sizes: dict[int, int] = defaultdict(int)
    for line in source:
        partition = home(line)
        some = waiting[partition]
        if some and (sizes[partition] + len(line) + 1 > limit or len(some) >= BATCH_LINES):
            yield partition, b"\n".join(some), len(some)
            some.clear()
            sizes[partition] = 0
        some.append(line)
        sizes[partition] += len(line) + 1
    for partition in sorted(waiting):
        if some := waiting[partition]:
            yield partition, b"\n".join(some), len(some)


class _Writer:
    """An idempotent producer: in each partition the records lie in the order in which they were sent,
    without gaps.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._under_way: list[Awaitable[Any]] = []
        self._partitions: dict[str, int] = {}
        self._producer = AIOKafkaProducer(
            **client_options(settings, "lumina-import"),
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_request_size=settings.max_message_bytes,
        )

    async def __aenter__(self) -> "_Writer":
        await self._producer.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._producer.stop()

    async def partitions(self, topic: Topic) -> int:
        """Partitions of a topic."""
        name = self._settings.topic(topic)
        if name not in self._partitions:
            self._partitions[name] = len(await partitions_of(self._settings, topic))
        return self._partitions[name]

    async def send(
        self, topic: Topic, value: bytes, *, partition: int, imported: bytes, key: bytes | None = None
    ) -> None:
        """Send a record; waits where too many are under way."""
        name = self._settings.topic(topic)
        headers = [(IMPORTED_HEADER, imported)]
        self._under_way.append(
            await self._producer.send(name, value, key=key, partition=partition, headers=headers)
        )
        if len(self._under_way) >= UNDER_WAY:
            await self.settle()

    async def settle(self) -> None:
        """Wait until all that was sent is acknowledged; raises where a send failed."""
        under_way, self._under_way = self._under_way, []
        await asyncio.gather(*under_way)
