"""Export and import on a real Kafka: the same rows and rules elsewhere, once, whatever happens on the way."""

import asyncio
import json
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from api.views.span_lines import SECOND_NS, alert, content, correction, message, mixed_spans, score
from e2e.truth import Record, records
from faults.rows import Row, quiet_rows
from lumina_api.archive.giving import Given, give
from lumina_api.archive.manifest import PARTS, BrokenArchive, Manifest
from lumina_api.archive.taking import take
from lumina_api.provision import provision, remove
from lumina_api.stack.environment import environment
from lumina_schemas.alert import Transition
from lumina_schemas.control import MARK, SeriesMark
from lumina_schemas.correction import key_of
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.rule import Rule
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Span
from lumina_schemas.topics import IMPORTED_HEADER, TYPE_HEADER

pytestmark = pytest.mark.kafka

NOW_NS = time.time_ns()
SPANS = mixed_spans(300, 11, NOW_NS - 60 * SECOND_NS)
SECRET = "5" * 64
encode = msgspec.json.encode


def silent(_: str) -> None:
    """Nobody reads the progress."""


@pytest.fixture
async def other(settings: Settings, tmp_path: Path) -> AsyncIterator[Settings]:
    """An empty installation beside the first, with another prefix and another number of partitions."""
    fresh = settings.model_copy(
        update={"topic_prefix": f"o{uuid.uuid4().hex[:10]}.", "partitions": 3, "data_dir": tmp_path / "other"}
    )
    await provision(fresh)
    yield fresh
    await remove(fresh)


async def fill(settings: Settings, spans: list[Span] = SPANS) -> None:
    """A log with everything in it that an archive holds."""
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:

        async def put(topic: str, value: bytes | None, key: str | None = None, **more: Any) -> None:
            name = key.encode() if key is not None else None
            await producer.send_and_wait(settings.topic(topic), value, key=name, **more)

        by_partition: dict[int, list[Span]] = {}
        for span in spans:
            by_partition.setdefault(partition_of(span.series_id, 4), []).append(span)
        for partition, some in by_partition.items():
            for start in range(0, len(some), 7):
                lines = [encode(span) for span in some[start : start + 7]]
                await put("spans", b"\n".join(lines), partition=partition)
        late = content(spans[0], 5, input_messages=(message("user", "late"),))
        await put("spans", encode(late), partition=partition_of(late.series_id, 4))
        mark = SeriesMark(
            v=1,
            type="mark",
            id="m1",
            text="release 2",
            at=datetime(2026, 1, 1, tzinfo=UTC),
            by="ann",
            src=Source("e", "control", 0, 1, 0),
        )
        for partition in range(4):
            await put("spans", encode(mark), partition=partition, headers=[(TYPE_HEADER, MARK)])
            await put("spans", b"{}", partition=partition, headers=[(TYPE_HEADER, b"tick")])
        judged = [span for span in spans if span.priced][:50]
        await put("scores", b"\n".join(encode(score(span, 0.1 + n / 100)) for n, span in enumerate(judged)))
        await put("corrections", encode(correction(judged[0])), key_of_text(judged[0]))
        history = (
            Transition("open", "2026-01-01T12:00:00Z", "lumina"),
            Transition("resolved", "2026-01-01T12:30:00Z", "ann"),
        )
        for rev in (1, 2):
            await put("alerts", encode(alert(1, rev=rev, history=history[:rev])), alert(1).id)
        await put("alerts", encode(alert(2)), alert(2).id)
        await put("alerts", None, alert(2).id)
        await put("settings", encode(Rule(v=1, project="shop", cost_spike_pct=40.0)), "rules/shop")
        await put("settings", encode(Rule(v=1, project="gone")), "rules/gone")
        await put("settings", None, "rules/gone")
        await put("settings", encode({"sha256": SECRET, "id": "0" * 16}), "keys/" + "0" * 16)


def key_of_text(span: Span) -> str:
    return key_of(span.project, span.trace_id, span.span_id).decode()


async def shown(settings: Settings, folder: Path) -> list[Row]:
    """The rows of the views, without what tells where and when a record lay in this log."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for table, *row in await quiet_rows(settings, folder):
        if table == "contents":
            del row[7]  # when it arrived
        if table == "settings":
            if row[0] == "keys":
                continue
            row = row[:4]  # without when and where it was written
        if table not in ("positions", "meta", "marks"):  # marks come by the actor
            # Sums of floats depend on the order of batches by their last digit.
            found.append((table, *(round(value, 9) if isinstance(value, float) else value for value in row)))
    return sorted(found, key=repr)


async def export(settings: Settings, target: Path, **more: Any) -> Manifest:
    asked: dict[str, Any] = {"parts": PARTS, "since_ns": None, "with_secrets": False} | more
    return await take(settings, target, asked["parts"], asked["since_ns"], asked["with_secrets"], silent)


async def bring(settings: Settings, source: Path, with_secrets: bool = False) -> Given:
    return await give(settings, source, PARTS, with_secrets, silent)


async def all_records(settings: Settings) -> dict[str, list[Record]]:
    topics = ("spans", "scores", "corrections", "alerts", "settings", "commands")
    return {topic: await records(settings, settings.topic(topic)) for topic in topics}


@pytest.mark.parametrize("name", ["archive", "archive.tar.gz"])
async def test_a_round_trip_gives_the_same_rows_rules_and_marks(
    settings: Settings, other: Settings, tmp_path: Path, name: str
) -> None:
    await fill(settings)
    manifest = await export(settings, tmp_path / name)
    assert manifest.prefix == settings.topic_prefix
    assert manifest.files["spans"].records == len(SPANS) + 1
    assert manifest.left_out == {"settings with secrets": 1}
    given = await bring(other, tmp_path / name)
    assert given.written == {part: facts.records for part, facts in manifest.files.items()}
    assert given.open_alerts == 1
    before, after = await shown(settings, tmp_path / "a"), await shown(other, tmp_path / "b")
    assert after == before
    assert {row[0] for row in before} >= {"spans", "contents", "scores", "corrections", "alerts", "traces"}
    found = await all_records(other)
    (rule,) = found["settings"]
    assert msgspec.json.decode(rule.value, type=Rule) == Rule(v=1, project="shop", cost_spike_pct=40.0)
    (mark,) = found["commands"]
    assert json.loads(mark.value)["text"] == "release 2"
    assert "src" not in json.loads(mark.value)
    (one,) = found["alerts"]
    assert [entry["state"] for entry in json.loads(one.value)["history"]] == ["open", "resolved"]
    assert all(IMPORTED_HEADER in record.headers for topic in found.values() for record in topic)
    for record in found["spans"]:
        for line in record.value.split(b"\n"):
            assert record.partition == partition_of(json.loads(line)["series_id"], 3)


async def test_a_second_import_adds_nothing(settings: Settings, other: Settings, tmp_path: Path) -> None:
    await fill(settings)
    await export(settings, tmp_path / "archive")
    await bring(other, tmp_path / "archive")
    before = await all_records(other)
    given = await bring(other, tmp_path / "archive")
    assert not any(given.written.values())
    assert await all_records(other) == before
    # Nor does one into the installation that it was taken from change what it shows.
    rows = await shown(settings, tmp_path / "a")
    await bring(settings, tmp_path / "archive")
    again = await shown(settings, tmp_path / "b")
    assert [row for row in again if row[0] != "contents"] == [row for row in rows if row[0] != "contents"]


async def test_secrets_go_along_only_where_both_sides_say_so(
    settings: Settings, other: Settings, tmp_path: Path
) -> None:
    await fill(settings)
    await export(settings, tmp_path / "plain")
    assert all(SECRET not in file.read_text() for file in (tmp_path / "plain").iterdir())
    with pytest.raises(BrokenArchive, match="holds no secrets"):
        await bring(other, tmp_path / "plain", with_secrets=True)
    manifest = await export(settings, tmp_path / "whole", with_secrets=True)
    assert manifest.secrets
    for file in (tmp_path / "whole").iterdir():
        assert file.name == "manifest.json" or file.stat().st_mode & 0o077 == 0
    await bring(other, tmp_path / "whole")
    assert [record.key for record in (await all_records(other))["settings"]] == [b"rules/shop"]
    await bring(other, tmp_path / "whole", with_secrets=True)
    keys = {record.key for record in (await all_records(other))["settings"]}
    assert keys == {b"rules/shop", b"keys/" + b"0" * 16}


async def test_what_is_erased_stays_behind(settings: Settings, tmp_path: Path) -> None:
    person = msgspec.structs.replace(SPANS[-1], user_id="ann")
    await fill(settings, [*SPANS[:-1], person])
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for name, erasure in (
            ("shop", {"v": 1, "project": "shop", "before_ns": NOW_NS}),
            ("ann", {"v": 1, "project": person.project, "before_ns": NOW_NS, "user_id": "ann"}),
        ):
            await producer.send_and_wait(
                settings.topic("settings"), encode(erasure), key=f"erasures/{name}".encode()
            )
    await export(settings, tmp_path / "archive")
    lines = [json.loads(line) for line in (tmp_path / "archive" / "spans.ndjson").read_text().splitlines()]
    assert lines
    assert all(line["project"] != "shop" for line in lines)
    assert all((line["project"], line["trace_id"]) != (person.project, person.trace_id) for line in lines)
    assert not (tmp_path / "archive" / "alerts.ndjson").read_text()


async def test_since_narrows_traces_and_alerts(settings: Settings, tmp_path: Path) -> None:
    await fill(settings)
    since = NOW_NS - 3600 * SECOND_NS
    manifest = await export(settings, tmp_path / "archive", since_ns=since)
    lines = [json.loads(line) for line in (tmp_path / "archive" / "spans.ndjson").read_text().splitlines()]
    assert {line["span_id"] for line in lines if line["type"] == "span"} == {
        span.span_id for span in SPANS if span.start_ns >= since
    }
    assert manifest.files["alerts"].records == 0
    assert manifest.files["settings"].records == 1


async def test_an_archive_that_was_changed_or_cut_is_refused_whole(
    settings: Settings, other: Settings, tmp_path: Path
) -> None:
    await fill(settings)
    await export(settings, tmp_path / "archive.tar")
    with pytest.raises(BrokenArchive, match="there already"):
        await export(settings, tmp_path / "archive.tar")
    folder = tmp_path / "changed"
    with tarfile.open(tmp_path / "archive.tar") as tar:
        tar.extractall(folder, filter="data")
    with (folder / "spans.ndjson").open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(BrokenArchive, match=r"spans\.ndjson"):
        await bring(other, folder)
    whole = (tmp_path / "archive.tar").read_bytes()
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenArchive):
        await bring(other, tmp_path / "cut.tar")
    assert not any((await all_records(other)).values())


async def test_an_import_that_was_killed_goes_on_where_it_was(
    settings: Settings, other: Settings, tmp_path: Path
) -> None:
    many = mixed_spans(12_000, 5, NOW_NS - 60 * SECOND_NS)
    await fill(settings, many)
    await export(settings, tmp_path / "archive")
    env = environment(other)
    command = [str(Path(sys.executable).with_name("lumina")), "import", str(tmp_path / "archive"), "--all"]
    with (tmp_path / "log").open("wb") as log:
        running = subprocess.Popen(command, env=env, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while len(await records(other, other.topic("spans"))) < 2:
            assert running.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.wait()
    halfway = await records(other, other.topic("spans"))
    given = await bring(other, tmp_path / "archive")
    assert given.there["spans"] > 0
    lines = [
        line for record in await records(other, other.topic("spans")) for line in record.value.split(b"\n")
    ]
    assert len(lines) == len(set(lines)) == len(many) + 1
    assert await shown(other, tmp_path / "b") == await shown(settings, tmp_path / "a")
    assert len(halfway) < len(await records(other, other.topic("spans")))
