"""A new generation of the series' topics, on a real Kafka: what is copied, what is refused, what is left."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from e2e.stack import eventually
from e2e.truth import records
from lumina_api.cli import app
from lumina_api.generations import GrowthError, delete, generations, groups, grow
from lumina_api.kafka import admin_client, partition_counts
from lumina_api.provision import ProvisionError, provision
from lumina_api.stack.environment import environment
from lumina_schemas.control import TICK
from lumina_schemas.generation import is_whole, offsets_of
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.settings import Settings
from lumina_schemas.topics import COPY_HEADER, DETECT_CHANGELOG, OTLP, OTLP_LOGS, SPANS, STREAM, TYPE_HEADER

pytestmark = pytest.mark.kafka

SERIES = [f"{number:016x}" for number in range(12)]
PER_SERIES = 10
TO = 7
HOUR_MS = 3_600_000


def quiet(_: str) -> None:
    """Nobody reads the progress."""


def line(series: str, number: int) -> bytes:
    src = ["e", "otlp", 0, number, 0]
    return json.dumps({"type": "span", "src": src, "series_id": series, "span_id": f"{number:016x}"}).encode()


async def fill(settings: Settings) -> None:
    """A log of `PER_SERIES` lines a series, a tick before each round, and one state a series."""
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for number in range(PER_SERIES):
            for partition in range(4):
                await producer.send_and_wait(
                    settings.topic(SPANS), b"{}", partition=partition, headers=[(TYPE_HEADER, TICK)]
                )
                mine = [s for s in SERIES if partition_of(s, 4) == partition]
                value = b"\n".join(line(series, number) for series in mine)
                if mine:
                    await producer.send_and_wait(settings.topic(SPANS), value, partition=partition)
        for series in SERIES:
            key, home = b"h|" + series.encode(), partition_of(series, 4)
            await producer.send_and_wait(
                settings.topic(DETECT_CHANGELOG), b"of " + series.encode(), key, partition=home
            )


async def lines_of(settings: Settings) -> dict[str, list[int]]:
    """Numbers of the lines of each series in the log, in order, once it is checked where they lie."""
    found: dict[str, list[int]] = {}
    for record in await records(settings, settings.topic(SPANS)):
        if TYPE_HEADER in record.headers:
            continue
        for one in record.value.split(b"\n"):
            read = json.loads(one)
            assert record.partition == partition_of(read["series_id"], TO)
            found.setdefault(read["series_id"], []).append(read["src"][3])
    return found


ALL = {series: list(range(PER_SERIES)) for series in SERIES}


@asynccontextmanager
async def member(settings: Settings, app: str) -> AsyncIterator[None]:
    """A member of an app's group."""
    consumer = AIOKafkaConsumer(
        settings.topic(OTLP), **client_options(settings), group_id=settings.app_id(app)
    )
    await consumer.start()
    try:
        yield
    finally:
        await consumer.stop()


async def test_the_log_and_the_states_are_copied_and_the_group_goes_on_where_it_was(
    settings: Settings,
) -> None:
    await fill(settings)
    places = {TopicPartition(settings.topic(OTLP), 1): 41, TopicPartition(settings.topic(OTLP_LOGS), 0): 7}
    # Detect had done the first half of each partition: ten ticks, ten batches where there are series.
    done = {TopicPartition(settings.topic(SPANS), number): 10 for number in range(4)}
    await groups.commit(settings, settings.app_id(STREAM), places | done)
    before = {name: await records(settings, settings.topic(name)) for name in (SPANS.name, "otlp")}
    grown = await grow(settings, TO, quiet)
    assert (grown.generation, grown.partitions) == (2, TO)
    new = settings.in_generation(2)
    assert new.topic(SPANS) == settings.topic_prefix + "spans-2"
    assert new.topic(DETECT_CHANGELOG) == settings.topic_prefix + "stream-2-detect-changelog"
    assert await lines_of(new) == ALL
    states = {r.key: (r.partition, r.value) for r in await records(new, new.topic(DETECT_CHANGELOG))}
    assert states == {b"h|" + s.encode(): (partition_of(s, TO), b"of " + s.encode()) for s in SERIES}
    async with admin_client(client_options(settings)) as admin:
        committed = await offsets_of(admin, new.app_id(STREAM))
    assert {tp: offset for tp, offset in committed.items() if tp in places} == places
    starts = {tp.partition: offset for tp, offset in committed.items() if tp.topic == new.topic(SPANS)}
    assert starts.keys() == set(range(TO))
    # What the old group had not done lies behind, some of what it had done may.
    after: dict[str, set[int]] = {}
    for record in await records(new, new.topic(SPANS)):
        if record.offset >= starts[record.partition]:
            for one in record.value.split(b"\n"):
                after.setdefault(json.loads(one)["series_id"], set()).add(json.loads(one)["src"][3])
    assert all(after[series] >= {5, 6, 7, 8, 9} for series in SERIES)
    # And says where it lay, so that no project counts twice what it cost.
    for record in await records(new, new.topic(SPANS)):
        numbers = {json.loads(one)["src"][3] for one in record.value.split(b"\n")}
        assert (COPY_HEADER in record.headers) == (numbers <= {5, 6, 7, 8, 9})
    assert {name: await records(settings, settings.topic(name)) for name in before} == before


async def test_times_of_arrival_are_kept_and_set_by_the_broker_from_then_on(settings: Settings) -> None:
    await fill(settings)
    old = await _timestamps(settings)
    await grow(settings, TO, quiet)
    new = settings.in_generation(2)
    copied = await _timestamps(new)
    assert set(copied) <= set(old)
    assert min(copied) <= min(old) + 1_000
    for partition in range(TO):
        times = await _timestamps(new, partition)
        assert times == sorted(times)  # retention drops from the beginning
    async with AIOKafkaProducer(**client_options(new), acks="all") as producer:
        now = int(time.time() * 1000)
        sent = await producer.send_and_wait(
            new.topic(SPANS), b"{}", partition=0, timestamp_ms=now - 5 * HOUR_MS
        )
    assert sent.timestamp >= now - HOUR_MS
    resource = ConfigResource(ConfigResourceType.TOPIC, new.topic(SPANS))
    async with admin_client(client_options(new)) as admin:
        (response,) = await admin.describe_configs([resource])
    found = {entry[0]: entry[1] for _, _, _, _, entries in response.resources for entry in entries}
    declared = SPANS.settings(new.max_message_bytes)
    assert {name: found[name] for name in declared} == declared


async def _timestamps(settings: Settings, partition: int | None = None) -> list[int]:
    name = settings.topic(SPANS)
    count = 4 if settings.generation == 1 else TO
    partitions = [TopicPartition(name, n) for n in range(count) if partition in (None, n)]
    async with AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[int] = []
        while any([await consumer.position(tp) < ends[tp] for tp in partitions]):
            for batch in (await consumer.getmany(timeout_ms=200)).values():
                found += [record.timestamp for record in batch]
        return found


async def test_a_second_time_changes_nothing_and_another_number_is_refused(settings: Settings) -> None:
    await fill(settings)
    await grow(settings, TO, quiet)
    new = settings.in_generation(2)
    before = await records(new, new.topic(SPANS))
    assert (await grow(settings, TO, quiet)).log_records == 0
    assert await records(new, new.topic(SPANS)) == before
    with pytest.raises(GrowthError, match="Generation 2 is made already, with 7 partitions"):
        await grow(settings, 9, quiet)
    third = await grow(new, 9, quiet)
    assert (third.generation, third.partitions) == (3, 9)
    await delete(settings, 2)
    with pytest.raises(GrowthError, match="Generation 3 of the topics has taken over"):
        await grow(settings, TO, quiet)


@pytest.mark.parametrize("to", [4, 3, 1])
async def test_topics_only_grow(settings: Settings, to: int) -> None:
    with pytest.raises(GrowthError, match="has 4 partitions: it can only grow, so --to takes 5 or more"):
        await grow(settings, to, quiet)
    assert len(await generations(settings)) == 1


@pytest.mark.parametrize("app", ["stream", "actor"])
async def test_nothing_is_copied_under_a_running_worker(settings: Settings, app: str) -> None:
    soon = settings.model_copy(update={"session_timeout_s": 6.0})
    async with member(settings, app):
        with pytest.raises(GrowthError, match=rf"Workers are running: .*{app}: .*Stop all stream and actor"):
            await grow(soon, TO, quiet)
    assert len(await generations(settings)) == 1
    await grow(settings, TO, quiet)


async def test_somebody_who_writes_during_the_copy_ends_it_unmarked(settings: Settings) -> None:
    await fill(settings)
    new = settings.in_generation(2)
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        loose = []

        def write(_: str) -> None:  # called between the states and the log, and at the end
            loose.append(producer.send(settings.topic(SPANS), line(SERIES[0], 99), partition=0))

        async def sending() -> None:
            with pytest.raises(GrowthError, match="Meanwhile somebody wrote to the old topics"):
                await grow(settings, TO, write)

        growing = asyncio.create_task(sending())
        while not growing.done():
            while loose:
                await (await loose.pop())
            await asyncio.sleep(0.01)
        await growing
    async with admin_client(client_options(settings)) as admin:
        assert not await is_whole(admin, new)
    with pytest.raises(ProvisionError, match="Generation 2 of the topics is not made, or only half"):
        await provision(new)
    await grow(settings, TO, quiet)
    await provision(new)
    found = await lines_of(new)
    assert found.pop(SERIES[0])[:PER_SERIES] == list(range(PER_SERIES))
    assert found == {series: numbers for series, numbers in ALL.items() if series != SERIES[0]}


async def test_a_generation_without_a_former_one_is_made_as_any(settings: Settings) -> None:
    fresh = settings.model_copy(
        update={"generation": 3, "topic_prefix": settings.topic_prefix + "x.", "partitions": 5}
    )
    assert (await provision(fresh)).partitions[fresh.topic_prefix + "spans-3"] == 5
    assert (await provision(fresh)).created == ()


async def test_nothing_starts_in_a_generation_that_was_left_until_the_next_is_deleted(
    settings: Settings,
) -> None:
    await fill(settings)
    await grow(settings, TO, quiet)
    with pytest.raises(ProvisionError, match=r"Generation 2 .* Set LUMINA_GENERATION=2\."):
        await provision(settings)
    with pytest.raises(GrowthError, match="Generation 1 is in use"):
        await delete(settings, 1)
    assert await delete(settings, 2) == sorted(
        settings.in_generation(2).topic(topic) for topic in (SPANS, DETECT_CHANGELOG)
    )
    async with admin_client(client_options(settings)) as admin:

        async def gone() -> bool:
            return settings.in_generation(2).topic(SPANS) not in await partition_counts(admin)

        await eventually(gone, 15, lambda: "generation 2 is still there")
    await provision(settings)
    again = await grow(settings, TO, quiet)  # the offsets of the deleted generation are no mark of this one
    assert again.log_records > 0
    assert await lines_of(settings.in_generation(2)) == ALL


def test_the_command_line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:

    asyncio.run(fill(settings))
    monkeypatch.setattr("os.environ", environment(settings))
    lumina = CliRunner()
    shown = lumina.invoke(app, ["partitions"])
    assert shown.exit_code == 0
    assert f"generation 1   {settings.topic(SPANS)}" in shown.stdout
    assert "4 partitions  in use" in shown.stdout
    refused = lumina.invoke(app, ["partitions", "--to", "4"])
    assert refused.exit_code == 1
    assert "it can only grow" in refused.stderr
    grown = lumina.invoke(app, ["partitions", "--to", str(TO)])
    assert grown.exit_code == 0, grown.stderr
    assert "Generation 2 has 7 partitions" in grown.stdout
    assert "set LUMINA_GENERATION=2" in grown.stdout
    assert "records, all" in grown.stderr
    monkeypatch.setenv("LUMINA_GENERATION", "2")
    shown = lumina.invoke(app, ["partitions"])
    assert f"{settings.in_generation(2).topic(SPANS):40}     7 partitions  in use" in shown.stdout
    kept = lumina.invoke(app, ["partitions", "--delete", "1"], input="n\n")
    assert kept.exit_code == 1
    deleted = lumina.invoke(app, ["partitions", "--delete", "1", "--yes"])
    assert deleted.stdout == f"Deleted: {settings.topic(SPANS)}, {settings.topic(DETECT_CHANGELOG)}.\n"
