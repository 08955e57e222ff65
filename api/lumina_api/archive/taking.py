"""Kafka to files: what `lumina export` takes along, partition by partition, in the order of the log."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from msgspec import Struct

from lumina_api.archive.erased import Erased, erased_in
from lumina_api.archive.manifest import ARCHIVE_VERSION, FileFacts, Manifest, Part
from lumina_api.archive.place import LineWriter, making, write_manifest
from lumina_api.kafka import admin_client
from lumina_api.log import consumer, partitions_of, records
from lumina_api.views.batch import nanoseconds
from lumina_schemas import key
from lumina_schemas.control import MARK, SeriesMark
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import (
    ALERTS,
    CORRECTIONS,
    SCORES,
    SPANS,
    TYPE_HEADER,
    Topic,
)
from lumina_schemas.topics import SETTINGS as SETTINGS_TOPIC

SECRET_KINDS = (key.KIND, "webhooks/")
"""Kinds of settings that hold secrets, or what a secret can be tried against."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)

Say = Callable[[str], None]


class Line(Struct, frozen=True):
    """As much of a line of spans, scores or corrections as says whether it goes along."""

    project: str = ""
    trace_id: str = ""
    span_id: str = ""
    start_ns: int | None = None
    user_id: str = ""
    session_id: str = ""


class _AlertLine(Struct, frozen=True):
    project: str
    opened_at: str
    updated_at: str


class Setting(Struct, frozen=True):
    """A line of `settings.ndjson`."""

    key: str
    value: msgspec.Raw


_decode_line = msgspec.json.Decoder(Line).decode
_decode_alert = msgspec.json.Decoder(_AlertLine).decode
_decode_mark = msgspec.json.Decoder(SeriesMark).decode
_encode = msgspec.json.Encoder().encode


async def take(
    settings: Settings,
    target: Path,
    parts: Sequence[Part],
    since_ns: int | None,
    with_secrets: bool,
    say: Say,
) -> Manifest:
    """Write an archive of these parts. What is erased stays behind.

    Raises MissingTopic, KafkaError, BrokenArchive, OSError; nothing is left at `target` then.
    """
    with making(target) as folder:
        async with consumer(settings) as reader:
            taking = _Taking(settings, folder, reader, since_ns, with_secrets)
            taking.erased = await erased_in(settings, reader)
            files: dict[Part, FileFacts] = {}
            for part in parts:
                files[part] = await taking.take(part)
                say(f"{part}: {files[part].records:,} records")
        async with admin_client(client_options(settings, "lumina-export")) as admin:
            cluster = str((await admin.describe_cluster()).get("cluster_id") or "")
        manifest = Manifest(
            v=ARCHIVE_VERSION,
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            cluster=cluster,
            prefix=settings.topic_prefix,
            partitions=len(await partitions_of(settings, SPANS)),
            since_ns=since_ns,
            secrets=with_secrets,
            left_out=taking.left_out,
            files=files,
        )
        write_manifest(folder, manifest)
        return manifest


class _Taking:
    def __init__(
        self,
        settings: Settings,
        folder: Path,
        reader: AIOKafkaConsumer,
        since_ns: int | None,
        with_secrets: bool,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._reader = reader
        self._since_ns = since_ns
        self._with_secrets = with_secrets
        self.erased = Erased()
        self.left_out: dict[str, int] = {}

    async def take(self, part: Part) -> FileFacts:
        takers: dict[Part, Callable[[LineWriter], Awaitable[None]]] = {
            "settings": self._settings_part,
            "marks": self._marks,
            "spans": self._spans,
            "scores": self._scores,
            "corrections": self._corrections,
            "alerts": self._alerts,
        }
        writer = LineWriter(self._folder, part)
        try:
            await takers[part](writer)
        finally:
            facts = writer.close()
        return facts

    async def _spans(self, writer: LineWriter) -> None:
        async for record in self._records(SPANS):
            if any(name == TYPE_HEADER for name, _ in record.headers):
                continue
            self._lines(writer, record)

    async def _scores(self, writer: LineWriter) -> None:
        async for record in self._records(SCORES):
            self._lines(writer, record)

    def _lines(self, writer: LineWriter, record: ConsumerRecord) -> None:
        for line in (record.value or b"").split(b"\n"):
            if not line.strip():
                continue
            try:
                read = _decode_line(line)
                line.decode()
            except UNREADABLE:
                self._leave("lines that cannot be read")
                continue
            if self._wanted(read, record.timestamp * 1_000_000):
                writer.write(line)

    def _wanted(self, line: Line, arrived_ns: int) -> bool:
        if self.erased.hides(line.project, line.trace_id, line.span_id, line.start_ns, arrived_ns):
            self._leave("lines of what is erased")
            return False
        since = self._since_ns
        return since is None or (arrived_ns if line.start_ns is None else line.start_ns) >= since

    async def _corrections(self, writer: LineWriter) -> None:
        for record in (await self._latest(CORRECTIONS)).values():
            self._lines(writer, record)

    async def _alerts(self, writer: LineWriter) -> None:
        for record in (await self._latest(ALERTS)).values():
            value = record.value or b""
            try:
                alert = _decode_alert(value)
                opened, updated = (nanoseconds(at) for at in (alert.opened_at, alert.updated_at))
            except UNREADABLE:
                self._leave("alerts that cannot be read")
                continue
            if self.erased.hides_alert(alert.project, opened):
                self._leave("alerts that are erased")
            elif self._since_ns is None or updated >= self._since_ns:
                writer.write(value)

    async def _settings_part(self, writer: LineWriter) -> None:
        for name, record in (await self._latest(SETTINGS_TOPIC)).items():
            if name.startswith(SECRET_KINDS) and not self._with_secrets:
                self._leave("settings with secrets")
                continue
            try:
                msgspec.json.decode(record.value or b"")
                writer.write(_encode(Setting(name, msgspec.Raw(record.value or b""))))
            except UNREADABLE:
                self._leave("settings that cannot be read")

    async def _marks(self, writer: LineWriter) -> None:
        known: set[bytes] = set()
        async for record in self._records(SPANS):
            if (TYPE_HEADER, MARK) not in [(name, bytes(value)) for name, value in record.headers]:
                continue
            try:
                fields = msgspec.to_builtins(_decode_mark(record.value or b""))
            except UNREADABLE:
                self._leave("marks that cannot be read")
                continue
            del fields["src"]
            if (line := _encode(fields)) not in known:
                known.add(line)
                writer.write(line)

    def _leave(self, why: str) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + 1

    async def _latest(self, topic: Topic) -> dict[str, ConsumerRecord]:
        """The last record of each key that was not removed."""
        found: dict[str, ConsumerRecord] = {}
        async for record in self._records(topic):
            name = (record.key or b"").decode("utf-8", "replace")
            if record.value is None:
                found.pop(name, None)
            elif topic is not ALERTS or not _older(record, found.get(name)):
                found[name] = record
        return found

    async def _records(self, topic: Topic) -> AsyncIterator[ConsumerRecord]:
        for partition in await partitions_of(self._settings, topic):
            async for record in records(self._reader, partition):
                yield record


class _Revised(Struct):
    rev: int = 0


def _older(record: ConsumerRecord, known: ConsumerRecord | None) -> bool:
    """Whether an alert's record has a lower revision than one that lies before it: a former owner wrote
    it.
    """
    if known is None:
        return False
    try:
        old, new = (msgspec.json.decode(each.value or b"", type=_Revised).rev for each in (known, record))
    except UNREADABLE:
        return True
    return new <= old
