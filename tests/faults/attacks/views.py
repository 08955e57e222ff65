"""Attacks on the views: the api process and its DuckDB file."""

import asyncio
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaProducer

from api.views.span_lines import Log, alert, content, score, span
from e2e.stack import Process, eventually
from faults.arena import PARTITIONS, Arena
from faults.attack import Outcome, attack
from faults.room import MB, Room
from faults.rows import compared_rows, quiet_rows, rows
from faults.rows import content as decided
from lumina_schemas.kafka import client_options
from lumina_schemas.score import Score
from lumina_schemas.source import Source

SPANS_A_MESSAGE = 50
MESSAGE_BYTES = 1_000_000
ALERTS = 7
ALARM_S = 30.0
COMPLETE_S = 60.0

# How long an alarm has to stand without a gap, to be one: longer than the views wait before they try again.
STANDS_S = 2.5


class Lines:
    """Writes lines for the views to their topics, as the stream would: each message has new spans, one that
    came before, a content line, scores, and now and then a revision of an alert.
    """

    def __init__(self, arena: Arena, seed: int) -> None:
        self._settings = arena.settings
        self._rng = random.Random(seed)
        self._log = Log()
        self._number = 0
        self.visible: dict[str, int | None] = {}
        """What shows that every partition was read to its end: REST paths, an alert's with its revision."""

    async def write(self, messages: int, pause_s: float = 0.0) -> None:
        """Write so many messages of about 1 MB, with a pause after each."""
        async with AIOKafkaProducer(
            acks="all", max_request_size=4_000_000, **client_options(self._settings)
        ) as producer:
            for _ in range(messages):
                record = self._log.spans(self._message(), partition=self._number % PARTITIONS)
                await producer.send_and_wait(
                    self._settings.topic("spans"), record.value, partition=record.partition
                )
                judged = self._log.scores(self._scores(), partition=record.partition)
                await producer.send_and_wait(
                    self._settings.topic("scores"), judged.value, partition=judged.partition
                )
                revised = self._log.alert(alert(self._number % ALERTS, rev=self._number + 1))
                await producer.send_and_wait(self._settings.topic("alerts"), revised.value, key=revised.key)
                if self._number >= PARTITIONS:
                    self.visible.pop(self._trace(self._number - PARTITIONS))
                self.visible[self._trace(self._number)] = None
                self.visible[f"/api/v1/alerts/{alert(self._number % ALERTS).id}"] = self._number + 1
                self._number += 1
                await asyncio.sleep(pause_s)

    @staticmethod
    def _trace(message: int) -> str:
        return f"/api/v1/traces/{span(message * SPANS_A_MESSAGE).trace_id}"

    def _scores(self) -> list[Score]:
        """Of the calls of the message, and one that came before; the first one twice."""
        first = self._number * SPANS_A_MESSAGE
        judged = [score(span(first + place)) for place in range(SPANS_A_MESSAGE)]
        return [*judged, judged[0], score(span(max(0, first - 3)))]

    def _message(self) -> list[Any]:
        first = self._number * SPANS_A_MESSAGE
        noise = self._rng.randbytes(MESSAGE_BYTES // 2).hex()
        size = len(noise) // SPANS_A_MESSAGE
        spans = [
            span(first + place, attributes={"noise": noise[place * size : (place + 1) * size]})
            for place in range(SPANS_A_MESSAGE)
        ]
        again = span(max(0, first - 3), src=Source("0" * 32, "otlp", 0, 1_000_000 + first, 0))
        return [*spans, again, content(spans[0], first, system="late")]


class Page:
    """What an operator sees of the api process. `wrong` collects what it must never answer."""

    def __init__(self, arena: Arena) -> None:
        self._client = httpx.AsyncClient(base_url=arena.stack.api_url, timeout=20)
        self.wrong: set[str] = set()

    async def __aenter__(self) -> "Page":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ready(self) -> tuple[int, str]:
        """Status of /ready and its reasons; 0 while nobody listens."""
        try:
            answer = await self._client.get("/ready")
            calls = await self._client.get("/api/v1/calls", params={"since": "1970-01-01T00:00:00Z"})
        except httpx.TransportError:
            return 0, ""
        if calls.status_code not in (200, 503):
            self.wrong.add(f"/api/v1/calls answered {calls.status_code} while the views were in trouble")
        return answer.status_code, " ".join(answer.json()["reasons"])

    async def metric(self, line: str) -> bool:
        """Whether /metrics has this line."""
        return line in (await self._client.get("/metrics")).text.splitlines()

    async def alarm(self, process: Process, cause: str, says: tuple[str, ...]) -> list[str]:
        """Wait for an alarm that stands; what is missing of it, in words."""
        said = ""

        async def sounded() -> bool:
            nonlocal said
            status, said = await self.ready()
            return status == 503 and all(word in said for word in says)

        missing: list[str] = []
        try:
            await eventually(sounded, ALARM_S, lambda: "")
        except AssertionError:
            return [f"no alarm of {cause} in /ready within {ALARM_S:.0f} s: {said!r}"]
        until = time.monotonic() + STANDS_S
        while time.monotonic() < until:
            if not await sounded():
                missing.append(f"the alarm of {cause} does not stand: /ready says {said!r}")
                break
            await asyncio.sleep(0.02)
        if not await self.metric(f'lumina_views_stopped{{cause="{cause}"}} 1.0'):
            missing.append(f"no alarm of {cause} in /metrics")
        told = [line for line in process.log.read_text().splitlines() if "the views stand still" in line]
        if not any(all(word in line for word in says) for line in told):
            missing.append(f"no alarm of {cause} in the log")
        if len(told) > 10:
            missing.append(f"the log tells of one {cause} {len(told)} times")
        return missing

    async def _shows(self, path: str, revision: int | None) -> bool:
        answer = await self._client.get(path)
        if answer.status_code != 200:
            return False
        shown = answer.json()
        if revision is None:
            return all(one["quality"] is not None for one in shown["spans"])
        return bool(shown["rev"] == revision)

    async def complete(self, lines: Lines) -> float:
        """Wait until the views are ready and show the last of the lines; how long it took."""
        began = time.monotonic()
        status, said = 0, ""

        async def settled() -> bool:
            nonlocal status, said
            status, said = await self.ready()
            return status == 200 and all([await self._shows(*one) for one in lines.visible.items()])

        await eventually(settled, COMPLETE_S, lambda: f"the views do not go on: /ready {status} {said!r}")
        return time.monotonic() - began


async def verdict(arena: Arena, api: Process, path: Path) -> Outcome:
    """Stop the api and compare every row with those of a quiet run. The file must be the same one."""
    code = await asyncio.to_thread(api.stop)
    asides = list(path.parent.glob("*.aside"))
    outcome = compared_rows(
        decided(await quiet_rows(arena.settings, arena.folder)),
        decided(await asyncio.to_thread(rows, path)),
    )
    if code:
        outcome.broken.append(f"SIGTERM: exit status {code}")
    if asides:
        outcome.broken.append("the file was put aside and rebuilt: it did not open clean")
    return outcome


@attack("kill -9 of the api in mid-write and in mid-checkpoint")
async def views_kill_9(arena: Arena) -> Outcome:
    """Rows and positions are one transaction: its successor reads on where the dead one's file ends."""
    rng = random.Random(21)
    path = arena.settings.data_dir / "views.duckdb"
    wal = path.with_name(path.name + ".wal")
    kills, messages = (12, 220) if arena.thorough else (4, 90)
    (api,) = await arena.stack.start("api")
    lines = Lines(arena, 21)
    writing = asyncio.create_task(lines.write(messages, pause_s=0.02))

    async def nearly_checkpointed() -> bool:
        return writing.done() or (wal.exists() and wal.stat().st_size > 50 * MB)

    for number in range(kills):
        if number % 2:
            await eventually(nearly_checkpointed, COMPLETE_S, lambda: "the write-ahead log does not grow")
        await asyncio.sleep(rng.random())  # the moment of death is what is tested, not waited for
        api.kill()
        api = arena.stack.spawn("api")
        if number % 3:
            await api.ready()
    await writing
    async with Page(arena) as page:
        resumed = await page.complete(lines)
    outcome = await verdict(arena, api, path)
    outcome.resume_s = resumed
    return outcome


async def _out_of_room(arena: Arena, room: Room, messages: int) -> Outcome:
    """Fill the room, see the alarm, kill the api while there is none, start it again, let room return."""
    path = room.folder / "views.duckdb"
    arena.stack.env["LUMINA_VIEWS_PATH"] = str(path)
    lines = Lines(arena, 22)
    says = ("No room is left", str(room.folder), "Free space", "LUMINA_VIEWS_PATH")
    async with Page(arena) as page:
        with room.entered():
            api = arena.stack.spawn("api")
        await api.ready()
        await lines.write(messages)
        broken = await page.alarm(api, "disk_full", says)
        api.kill()
        with room.entered():
            api = arena.stack.spawn("api")
        broken += await page.alarm(api, "disk_full", says)
        await lines.write(3)
        await room.widen(api.pid)
        resumed = await page.complete(lines)
        await lines.write(3)
        await page.complete(lines)
        if not await page.metric('lumina_views_stopped{cause="disk_full"} 0.0'):
            broken.append("the alarm of disk_full stays in /metrics")
        if "the views go on" not in api.log.read_text():
            broken.append("the log does not say that the views go on")
        broken += sorted(page.wrong)
    outcome = await verdict(arena, api, path)
    outcome.broken += broken
    outcome.resume_s = resumed
    return outcome


@attack("the disk is full, then has room again")
async def views_disk_full(arena: Arena) -> Outcome:
    """It fills while DuckDB checkpoints, which leaves its instance unusable."""
    with Room(arena.folder / "disk", 80 * MB) as room:
        # A checkpoint comes with 64 MB in the write-ahead log. Where no file system could be mounted each
        # file has a limit of its own, and the tables reach theirs with the second checkpoint.
        return await _out_of_room(arena, room, 85 if room.mounted else 160)


@attack("the views' file may not grow, then may")
async def views_file_size_limit(arena: Arena) -> Outcome:
    """A quota or `ulimit -f`: a transaction cannot be written."""
    with Room(arena.folder / "disk", 24 * MB, mount=False) as room:
        return await _out_of_room(arena, room, 40)


@attack("the api starts on a full disk, for the first time")
async def views_start_on_full_disk(arena: Arena) -> Outcome:
    """There is no room for so much as an empty file of tables."""
    lines = Lines(arena, 23)
    await lines.write(5)
    with Room(arena.folder / "disk", 8192) as room:
        path = room.folder / "views.duckdb"
        arena.stack.env["LUMINA_VIEWS_PATH"] = str(path)
        with room.entered():
            api = arena.stack.spawn("api")
        async with Page(arena) as page:
            says = ("No room is left", str(room.folder), "Free space", "LUMINA_VIEWS_PATH")
            broken = await page.alarm(api, "disk_full", says)
            await room.widen(api.pid)
            resumed = await page.complete(lines)
            broken += sorted(page.wrong)
        outcome = await verdict(arena, api, path)
    outcome.broken += broken
    outcome.resume_s = resumed
    return outcome


HOLDER = """
import sys, duckdb
database = duckdb.connect(sys.argv[1])
database.execute("SELECT count(*) FROM spans").fetchall()
print("open", flush=True)
sys.stdin.read()
"""


@attack("somebody else has the views' file open")
async def views_locked(arena: Arena) -> Outcome:
    """An analyst's DuckDB, opened while the api was down."""
    path = arena.settings.data_dir / "views.duckdb"
    lines = Lines(arena, 24)
    (api,) = await arena.stack.start("api")
    await lines.write(10)
    async with Page(arena) as page:
        await page.complete(lines)
        api.kill()
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdin and holder.stdout
            assert await asyncio.to_thread(holder.stdout.readline) == "open\n"
            api = arena.stack.spawn("api")
            says = ("in use by another process", "Stop that process", "LUMINA_VIEWS_PATH")
            broken = await page.alarm(api, "file_in_use", says)
            await lines.write(10)
            holder.kill()
        resumed = await page.complete(lines)
        broken += sorted(page.wrong)
    outcome = await verdict(arena, api, path)
    outcome.broken += broken
    outcome.resume_s = resumed
    return outcome
