"""Attacks on the order and the origin of what lies in the log: recreated, late, doubled, commanded, huge."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewTopic

from e2e.otlp_calls import request
from e2e.stack import eventually
from e2e.truth import Outcome as Left
from e2e.truth import actual_run, core_run, records
from faults.arena import PARTITIONS, Arena
from faults.attack import Outcome, attack
from faults.attacks.stream import seed
from faults.keeper import Keeper
from faults.traffic import SERIES, Message, land, traffic
from faults.verdict import same_log_same_alerts
from lumina_api.kafka import admin_client, partition_counts
from lumina_schemas.alert import Alert
from lumina_schemas.control import COMMAND, CONTROL_VERSION, Command
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of, series_id
from lumina_schemas.settings import Settings
from lumina_schemas.topics import COMMANDS, DETECT_CHANGELOG, OTLP, SPANS, TYPE_HEADER, Topic
from lumina_streams.core.series.keys import hot_key
from lumina_streams.core.series.revision import is_newer, payload_of
from lumina_streams.core.series.state import Hot
from lumina_streams.core.span.normalise import Landing

SETTLE_S = 40.0
ADMIN_S = 20.0


@attack("the landing topic deleted and made anew under a running worker")
async def recreated(arena: Arena) -> Outcome:
    """Offsets begin at 0 again: what comes must not be taken for what was there."""
    settings = arena.settings
    messages = traffic(seed())
    half = len(messages) // 2
    async with Keeper(arena.stack, "stream"):
        await land(settings, messages[:half], seconds=3)
        first = await _counted(settings, messages[:half])
        assert first.exact, first
        await make_anew(settings, OTLP)
        began = time.monotonic()
        await land(settings, messages[half:], seconds=3)
        outcome = await _counted(settings, messages)
        outcome.resume_s = time.monotonic() - began
        replay = await same_log_same_alerts(settings, time.monotonic() + 20)
        outcome.baselines += replay.baselines
        outcome.alerts += replay.alerts
        return outcome


@attack("one call in ten late, one in ten sent twice, messages shuffled")
async def late_and_doubled(arena: Arena) -> Outcome:
    """Clients retry onto other partitions, networks reorder. No call counts twice, no alert is raised twice.

    Counts must be those of the orderly traffic, what a call costs within 1 %, alerts the same in kind and
    place.
    """
    settings = arena.settings
    rng = random.Random(seed())
    orderly = traffic(rng.randrange(1_000_000))
    truth = _orderly_run(settings, orderly)
    disorderly: list[Message] = []
    late: list[tuple[int, Message]] = []
    for number, (landing, calls) in enumerate(orderly):
        lot = rng.random()
        if lot < 0.1:
            late.append((number + rng.randrange(1, 40), (landing, calls)))
        else:
            disorderly.append((landing, calls))
            if lot < 0.2:
                late.append((number + rng.randrange(1, 20), (rng.randrange(PARTITIONS), calls)))
    for place, message in sorted(late, key=lambda entry: -entry[0]):
        disorderly.insert(min(place, len(disorderly)), message)
    await arena.stack.start("stream")
    await land(settings, disorderly, seconds=5)
    outcome = await _counted(settings, orderly)
    actual = await actual_run(settings, clocks=False)
    if (raised := _raised(actual)) != (expected := _raised(truth)):
        outcome.alerts += 1
        outcome.broken.append(f"alerts {raised}, in order {expected}")
    for series in truth.tables:
        one, other = (hot_of(left.tables[series]).cost.test.mean for left in (truth, actual))
        if abs(one - other) > 0.01 * one:
            outcome.baselines += 1
            outcome.broken.append(f"a call costs {one} in order, {other} out of it")
    return outcome


@attack("an actor that stands still while commands wait, and is killed while it forwards them")
async def slow_actor(arena: Arena) -> Outcome:
    """The stream must not feel it; and each command acts once, wherever it was written."""
    settings, stack = arena.settings, arena.stack
    _, actor = await stack.start("stream", "actor")
    messages = traffic(seed())
    await land(settings, messages, seconds=3)
    alerts = await _raised_alerts(settings, SERIES // 3)
    actor.pause()
    commands = [_acknowledge(alert, number) for number, alert in enumerate(alerts) for _ in range(50)]
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for number, command in enumerate(commands):
            value = msgspec.json.encode(command)
            await producer.send_and_wait(settings.topic(COMMANDS), value, partition=number % PARTITIONS)
        # Straight into the log, and into the wrong partition of it: forwarded, never applied there.
        for alert in alerts:
            value = msgspec.json.encode(_resolve(alert))
            wrong = (partition_of(alert.series_id, PARTITIONS) + 1) % PARTITIONS
            await producer.send_and_wait(
                settings.topic(SPANS), value, partition=wrong, headers=[(TYPE_HEADER, COMMAND)]
            )
        for number in range(3):
            await producer.send_and_wait(
                settings.topic(COMMANDS), b'{"v":1,"type":"dance"}', partition=number
            )
    began = time.monotonic()
    more = traffic(seed())
    await land(settings, more, seconds=2)
    outcome = await _counted(settings, [*messages, *more])  # while the actor stands still
    outcome.resume_s = time.monotonic() - began
    actor.resume()
    await asyncio.sleep(random.uniform(0, 1))
    actor.kill()
    await stack.start("actor")
    replay = await _until_commanded(settings, len(commands) + len(alerts))
    outcome.baselines += replay.baselines
    outcome.alerts += replay.alerts
    outcome.broken += replay.broken
    return outcome


async def make_anew(settings: Settings, topic: Topic, **config: str) -> None:
    """Delete a topic and create it again, with its declared settings and these on top."""
    name = settings.topic(topic)
    async with admin_client(client_options(settings)) as admin:
        await admin.delete_topics([name])

        async def gone() -> bool:
            return name not in await partition_counts(admin)

        await eventually(gone, ADMIN_S, lambda: f"{name} is not deleted")
        declared = topic.settings(settings.max_message_bytes) | config
        await admin.create_topics([NewTopic(name, PARTITIONS, 1, topic_configs=declared)])

        async def there() -> bool:
            return name in await partition_counts(admin)

        await eventually(there, ADMIN_S, lambda: f"{name} is not made")


def _orderly_run(settings: Settings, messages: Sequence[Message]) -> Left:
    """What the core makes of messages as they were meant."""
    return core_run(
        settings,
        (
            (
                Landing(epoch="orderly", origin="otlp", partition=landing, offset=number, project=None),
                request(calls).SerializeToString(),
            )
            for number, (landing, calls) in enumerate(messages)
        ),
    )


def hot_of(table: bytes) -> Hot:
    """The hot part of a series' state, as a truth has it."""
    hot, _ = msgspec.msgpack.decode(table, type=tuple[Hot, object])
    return hot


def _expected(messages: Sequence[Message]) -> dict[str, int]:
    """Calls by series."""
    counts: dict[str, int] = defaultdict(int)
    for _, calls in messages:
        for call in calls:
            counts[series_id(call.project, call.service, call.endpoint)] += 1
    return counts


async def _counted(settings: Settings, messages: Sequence[Message]) -> Outcome:
    """Wait until every series counts exactly its calls, and say what differs in the end."""
    expected = _expected(messages)
    sent = {call.span_id.hex() for _, calls in messages for call in calls}
    deadline = time.monotonic() + SETTLE_S
    while True:
        actual = await actual_run(settings, clocks=False)
        counts = {series: hot_of(table).calls for series, table in actual.tables.items()}
        outcome = Outcome(
            lost=len(sent - actual.spans.keys())
            + sum(max(0, n - counts.get(series, 0)) for series, n in expected.items()),
            duplicated=len(actual.spans.keys() - sent)
            + sum(max(0, n - expected.get(series, 0)) for series, n in counts.items()),
        )
        if outcome.exact or time.monotonic() > deadline:
            return outcome
        await asyncio.sleep(0.2)


async def calls_by_series(settings: Settings, names: set[str]) -> dict[str, int]:
    """How many calls these series count now, by the table's changelog."""
    newest: dict[bytes, bytes] = {}
    wanted = {hot_key(name): name for name in names}
    for record in await records(settings, settings.topic(DETECT_CHANGELOG)):
        if record.key in wanted and is_newer(record.value, newest.get(record.key)):
            newest[record.key] = record.value
    hots = {wanted[key]: msgspec.msgpack.decode(payload_of(value), type=Hot) for key, value in newest.items()}
    return {name: hot.calls for name, hot in hots.items()}


def _raised(left: Left) -> list[tuple[str, str]]:
    return sorted((alert.series_id, alert.kind) for alert in left.alerts.values())


async def _raised_alerts(settings: Settings, count: int) -> list[Alert]:
    """The alerts, once there are so many."""
    found: list[Alert] = []

    async def raised() -> bool:
        found[:] = (await actual_run(settings, clocks=False)).alerts.values()
        return len(found) >= count

    await eventually(raised, SETTLE_S, lambda: f"{len(found)} alerts, not {count}")
    return found


def _acknowledge(alert: Alert, number: int) -> Command:
    return Command(
        v=CONTROL_VERSION,
        type="acknowledge",
        alert_id=alert.id,
        series_id=alert.series_id,
        by=f"operator {number}",
    )


def _resolve(alert: Alert) -> Command:
    return Command(
        v=CONTROL_VERSION, type="resolve", alert_id=alert.id, series_id=alert.series_id, by="operator"
    )


async def _until_commanded(settings: Settings, commands: int) -> Outcome:
    """Wait until every command has reached its series, and compare with a replay of the log."""

    async def reached() -> bool:
        tables = (await actual_run(settings, clocks=False)).tables.values()
        heads = [hot_of(table).heads.get("control", {}) for table in tables]
        return sum(len(head) for head in heads) >= 2 * (SERIES // 3)

    await eventually(reached, SETTLE_S, lambda: f"not all of {commands} commands have reached their series")
    outcome = await same_log_same_alerts(settings, time.monotonic() + SETTLE_S)
    actual = await actual_run(settings, clocks=False)
    for alert in actual.alerts.values():
        done = [entry.state for entry in alert.history if entry.by.startswith("operator")]
        if done.count("resolved") > 1 or done.count("acknowledged") > 1:
            outcome.broken.append(f"an alert was commanded twice: {done}")
    return outcome
