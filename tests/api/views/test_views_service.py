"""The views on a real Kafka: they follow, resume, notice another log, and say what keeps them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from typer.testing import CliRunner, Result

from api.views.span_lines import NOON_NS, Log, alert, content, span
from lumina_api.cli import app
from lumina_api.provision import provision
from lumina_api.stack.environment import environment
from lumina_api.stack.ports import free_port
from lumina_api.views import Views, ViewsAway, queries
from lumina_api.views.batch import LogRecord
from lumina_api.views.file import open_file
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Page
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings

pytestmark = pytest.mark.kafka

DEADLINE_S = 30.0


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.02)


async def produce(settings: Settings, *records: LogRecord) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for record in records:
            await producer.send_and_wait(
                settings.topic(record.topic),
                record.value,
                key=record.key,
                partition=record.partition,
                headers=list(record.headers),
            )


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[Views]:
    async with running(Views(settings)) as views:
        yield views


@asynccontextmanager
async def running(views: Views) -> AsyncIterator[Views]:
    await views.start()
    try:
        await until(lambda: views.ready, f"not ready: {views.progress.reasons}")
        yield views
    finally:
        await views.stop()


def spans_in(views: Views) -> int:
    with views.cursor() as cursor:
        found = cursor.execute("SELECT count(*) FROM spans").fetchone()
    assert found is not None
    return int(found[0])


async def test_what_lies_in_the_log_is_there_when_ready_and_more_follows(settings: Settings) -> None:
    log = Log()
    await produce(
        settings,
        *(log.spans([span(n * 10 + place) for place in range(10)], partition=n % 4) for n in range(20)),
        log.spans([b"tick"], headers=(("lumina-type", b"tick"),)),
        log.spans([content(span(1), 1, system="late"), b"garbage"]),
        log.alert(alert(1)),
        log.erasure("x", "shop", span(5).start_ns),
    )
    async with following(settings) as views:
        assert spans_in(views) == 195
        assert views.applied.skipped == {"line is no JSON record": 1}
        with views.cursor() as cursor:
            assert len(queries.alerts(cursor, Filters(), Page(10, "newest"))) == 1
        await produce(settings, log.spans([span(1000)], partition=2), log.alert(alert(2), partition=3))
        await until(lambda: spans_in(views) == 196, "a new span does not appear")
        with views.cursor() as cursor:
            await until(
                lambda: len(queries.alerts(cursor, Filters(), Page(10, "newest"))) == 2,
                "nor does a new alert",
            )
        assert all(topic.replayed == 1 and topic.behind == 0 for topic in views.progress.topics.values())


async def test_it_goes_on_where_it_stopped(settings: Settings) -> None:
    log = Log()
    await produce(settings, *(log.spans([span(n)], partition=n % 4) for n in range(12)))
    async with following(settings) as views:
        assert views.applied.lines == 12
    await produce(settings, log.spans([span(100)]))
    async with following(settings) as views:
        assert spans_in(views) == 13
        assert views.applied.lines == 1  # nothing was read twice


async def test_a_deleted_file_is_built_anew_with_the_same_rows(settings: Settings) -> None:
    log = Log()
    await produce(settings, *(log.spans([span(n), span(n + 1)], partition=n % 4) for n in range(40)))
    rows = []
    for _ in range(2):
        async with following(settings) as views:
            with views.cursor() as cursor:
                rows.append(sorted(cursor.execute("SELECT * FROM spans").fetchall(), key=repr))
        for file in views.path.parent.glob("views.duckdb*"):
            file.unlink()
    assert rows[0] == rows[1]
    assert len(rows[0]) == 41


async def test_what_was_erased_stays_away_when_the_file_is_deleted(settings: Settings) -> None:
    log = Log()
    trace = "a" * 32
    told = [span(1, trace_id=trace), span(2, trace_id=trace, user_id="ann"), span(3, trace_id=trace)]
    await produce(
        settings,
        *(log.spans([one], partition=place) for place, one in enumerate(told)),
        log.spans([content(told[0], 1, system="told to ann")], partition=3),
        log.spans([span(9)]),
    )
    async with following(settings) as views:
        assert spans_in(views) == 4
        outcome = await asyncio.to_thread(erased, settings, "ann")
        assert outcome.exit_code == 0, outcome.output
        await until(lambda: spans_in(views) == 1, "it is not erased")
    for file in views.path.parent.glob("views.duckdb*"):
        file.unlink()
    async with following(settings) as views:
        assert spans_in(views) == 1
        with views.cursor() as cursor:
            assert cursor.execute("SELECT count(*) FROM contents").fetchall() == [(0,)]
            told_of = cursor.execute('SELECT "by", action, record FROM audit').fetchall()
    ((by, action, record),) = told_of
    assert by.startswith("cli:")
    assert action == "erasure.create"
    assert "ann" not in record


def erased(settings: Settings, user: str) -> Result:
    return CliRunner().invoke(app, ["erase", "--project", "shop", "--user", user], env=environment(settings))


async def test_retention_runs_by_itself_and_a_rebuild_agrees(settings: Settings) -> None:
    day_ns = 86_400 * 10**9
    now_ns = NOON_NS
    log = Log()
    value = msgspec.json.encode({"v": 1, "retention_days": 30})
    await produce(
        settings,
        *(
            log.spans(
                [span(n * 2 + k, start_ns=NOON_NS - n * day_ns, project=("shop", "bank")[k]) for k in (0, 1)]
            )
            for n in range(12)
        ),
        log._append("settings", 0, b"projects/bank", value),
    )
    kept = settings.model_copy(update={"retention_days": 20.0})
    shown = []
    async with running(Views(kept, lambda: now_ns)) as views:
        assert spans_in(views) == 24
    kept = settings.model_copy(update={"retention_days": 7.0})
    for _ in range(2):
        async with running(Views(kept, lambda: now_ns)) as views:
            await until(lambda: spans_in(views) == 8 + 12, "retention does not run")
            with views.cursor() as cursor:
                shown.append(sorted(cursor.execute("SELECT * FROM spans").fetchall(), key=repr))
        for file in views.path.parent.glob("views.duckdb*"):
            file.unlink()
    assert shown[0] == shown[1]


async def test_a_recreated_topic_is_read_from_its_beginning(settings: Settings) -> None:
    log = Log()
    await produce(settings, *(log.spans([span(n)]) for n in range(5)))
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        async with following(settings) as views:
            assert spans_in(views) == 5
            await admin.delete_topics([settings.topic("spans")])
            await recreated(settings)
            # More than before: by its offsets alone the new topic could be taken for the old one.
            fresh = Log()
            await produce(settings, *(fresh.spans([span(100 + n)]) for n in range(8)))
            await until(lambda: spans_in(views) == 13, "the new topic is not read from its beginning")
        # The same while nobody looks.
        await admin.delete_topics([settings.topic("spans")])
        await recreated(settings)
        fresh = Log()
        await produce(settings, *(fresh.spans([span(200 + n)]) for n in range(9)))
        async with following(settings) as views:
            assert spans_in(views) == 22
    finally:
        await admin.close()


async def recreated(settings: Settings) -> None:
    """A topic is deleted some time after Kafka says that it is."""
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while settings.topic("spans") not in (await provision(settings)).created:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)


async def test_records_that_retention_deleted_are_passed_over(settings: Settings) -> None:
    log = Log()
    await produce(settings, log.spans([span(1)]))
    async with following(settings) as views:
        assert spans_in(views) == 1
    await produce(settings, *(log.spans([span(n)]) for n in range(2, 8)))
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    await admin.delete_records({TopicPartition(settings.topic("spans"), 0): RecordsToDelete(before_offset=4)})
    await admin.close()
    async with following(settings) as views:
        assert spans_in(views) == 4  # 1, and 5 to 7


async def test_a_corrupted_file_is_rebuilt_while_running(settings: Settings) -> None:
    log = Log()
    await produce(settings, *(log.spans([span(n)], partition=n % 4) for n in range(12)))
    async with following(settings) as views:
        path = views.path
    path.write_bytes(b"not a database" * 1000)
    async with following(settings) as views:
        assert spans_in(views) == 12
        assert path.with_name(path.name + ".aside").is_file()
        # Damage that shows only when a reader meets it.
        with pytest.raises(ViewsAway, match="damaged"), views.cursor() as cursor:
            cursor.execute(
                "SELECT error('Corrupt database file: computed checksum 1 does not match')"
            ).fetchall()
        await produce(settings, log.spans([span(50)]))
        await until(lambda: views.ready and spans_in(views) == 13, "it is not rebuilt")


async def test_a_file_in_use_is_waited_for(settings: Settings) -> None:
    path = settings.data_dir / "views.duckdb"
    taken = open_file(path)
    views = Views(settings)
    await views.start()
    try:
        await until(
            lambda: "in use by another process" in " ".join(views.progress.reasons), "it says nothing"
        )
        assert not views.ready
        with pytest.raises(ViewsAway, match="in use"), views.cursor():
            pass
        taken.close()
        await until(lambda: views.ready, "it does not take the file once it is free")
    finally:
        await views.stop()


async def test_missing_topics_are_named_and_waited_for(kafka: str, settings: Settings) -> None:
    other = settings.model_copy(update={"topic_prefix": settings.topic_prefix + "x."})
    views = Views(other)
    await views.start()
    try:
        await until(
            lambda: f"{other.topic_prefix}spans" in " ".join(views.progress.reasons), "it says nothing"
        )
        assert not views.ready
        await provision(other)
        await until(lambda: views.ready, "it does not follow the topics once they exist")
    finally:
        await views.stop()


async def test_kafka_away_at_the_start_is_said_and_the_views_still_answer(tmp_path: Path) -> None:
    settings = Settings(kafka_bootstrap_servers=f"127.0.0.1:{free_port()}", data_dir=tmp_path)
    views = Views(settings)
    await views.start()
    try:
        await until(lambda: "does not answer" in " ".join(views.progress.reasons), "it says nothing")
        assert not views.ready
        assert spans_in(views) == 0
    finally:
        await views.stop()
