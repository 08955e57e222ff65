"""Attacks by what cannot be processed, and by processing it again."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from e2e.otlp_calls import Call, normal_calls, request
from e2e.stack import eventually
from e2e.truth import actual_run, replayed_run
from faults.arena import PARTITIONS, Arena
from faults.attack import Outcome, attack
from faults.attacks.log import hot_of
from faults.entry.brittle import UNJUDGEABLE, UNREADABLE_MESSAGE, UNREADABLE_SPAN
from faults.letters import caught_up, ends_of, landed_spans, lumina, spans_of
from faults.traffic import CALLS, SERIES, Message, land, traffic
from faults.verdict import compared, verdict
from lumina_api.dead_letters import DeadLetter, all_letters
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.span import Line

BRITTLE = "faults.entry.brittle"
LONG_AGO = "2020-01-01T00:00:00Z"
VIEWS_S = 30.0

RESUME_S = 1.0
"""What the stream promises: a good span right behind poison is on `lumina.spans` within this time."""

YEAR_NS = 365 * 86_400 * 1_000_000_000
LARGE = 5_000_000
"""More than a message may have; a sender that compresses lands it all the same."""


class Poison(NamedTuple):
    """What lands, and the beginning of the reason that its dead letter gives; "" where it is a valid span."""

    name: str
    body: Callable[[Call], bytes]
    reason: str = ""
    signal: str = "traces"
    alone: bool = True
    """Nothing else can be in its message. Otherwise the first span of it is a good one."""


def _changed(change: Callable[[Any], None], alone: bool = False) -> Callable[[Call], bytes]:
    """A request of a call with something wrong in it, behind a good one."""

    def body(call: Call) -> bytes:
        neighbour = replace(call, service=f"neighbour-of-{call.service}", span_id=_next(call.span_id))
        sent = request([call] if alone else [neighbour, call])
        change(sent.resource_spans[-1].scope_spans[0].spans[0])
        return sent.SerializeToString()

    return body


def _next(span_id: bytes) -> bytes:
    return span_id[:-1] + bytes([span_id[-1] ^ 1])


def _numbers(span: Any) -> None:
    for number in ("nan", "inf", "-inf", "1e308"):
        for name in ("gen_ai.usage.input_tokens", "gen_ai.request.temperature", f"own.{number}"):
            span.attributes.add(key=name).value.double_value = float(number)
    text = '[{"role":"assistant","parts":[{"type":"tool_call","name":"f","arguments":[1e999,%s]}]}]'
    span.attributes.add(key="gen_ai.output.messages").value.string_value = text % ("9" * 400)


def _clock(moved_ns: int) -> Callable[[Any], None]:
    def change(span: Any) -> None:
        span.start_time_unix_nano += moved_ns
        span.end_time_unix_nano += moved_ns

    return change


def _nested(span: Any) -> None:
    value = span.attributes.add(key="deep").value
    for _ in range(1_000):
        value = value.kvlist_value.values.add(key="k").value
    value.string_value = "bottom"


def _tower(span: Any) -> None:
    span.attributes.add(key="gen_ai.input.messages").value.string_value = "[" * 100_000
    span.attributes.add(key="input.value").value.string_value = '{"messages":' * 5_000


def _wide(span: Any) -> None:
    for number in range(10_000):
        span.attributes.add(key=f"attribute.{number}").value.string_value = f"value {number}"


def _large(span: Any) -> None:
    span.attributes.add(key="text").value.string_value = "x" * LARGE


def _no_ids(span: Any) -> None:
    span.trace_id = b"\0" * 16


def _large_without_ids(span: Any) -> None:
    _no_ids(span)
    _large(span)


UNDECODABLE = "The body is no Export"
NO_IDS = "trace id or span id missing"

POISONS = (
    Poison("bad bytes", lambda call: b"\xff\xfe" + call.span_id, UNDECODABLE),
    Poison(
        "JSON", lambda call: b'{"resourceSpans":[{"id":"%s"}]}' % call.span_id.hex().encode(), UNDECODABLE
    ),
    Poison("5 MB of nothing", lambda call: b"\xff" * LARGE + call.span_id, UNDECODABLE),
    Poison("nested", _changed(_nested, alone=True), UNDECODABLE),
    Poison("no ids", _changed(_no_ids), NO_IDS, alone=False),
    Poison("5 MB without ids", _changed(_large_without_ids), NO_IDS, alone=False),
    Poison("5 MB span", _changed(_large), alone=False),
    Poison("numbers", _changed(_numbers), alone=False),
    Poison("a year ahead", _changed(_clock(YEAR_NS)), alone=False),
    Poison("a year behind", _changed(_clock(-YEAR_NS)), alone=False),
    Poison("tower of JSON", _changed(_tower), alone=False),
    Poison("10,000 attributes", _changed(_wide), alone=False),
    Poison("bad bytes in logs", lambda call: b"\xff\xfd" + call.span_id, UNDECODABLE, "logs"),
    Poison(
        "JSON in logs",
        lambda call: b'{"resourceLogs":"%s"}' % call.span_id.hex().encode(),
        UNDECODABLE,
        "logs",
    ),
    Poison("5 MB of nothing in logs", lambda call: b"\xfe" * LARGE + call.span_id, UNDECODABLE, "logs"),
)


def log_of(call: Call) -> bytes:
    """A log record that holds the question of a call."""
    sent = ExportLogsServiceRequest()
    record = sent.resource_logs.add().scope_logs.add().log_records.add()
    record.trace_id, record.span_id, record.time_unix_nano = call.trace_id, call.span_id, call.end_ns
    record.event_name = "gen_ai.user.message"
    record.body.kvlist_value.values.add(key="content").value.string_value = call.question
    return sent.SerializeToString()


class Watch:
    """When each span id was first readable on `lumina.spans`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.seen: dict[str, float] = {}
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Follow the topic from its beginning until cancelled."""
        decode = msgspec.json.Decoder(Line).decode
        topic = self._settings.topic("spans")
        consumer = AIOKafkaConsumer(
            **client_options(self._settings), auto_offset_reset="earliest", fetch_max_wait_ms=20
        )
        async with consumer:
            consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
            async for record in consumer:
                if record.headers:
                    continue  # a control message
                at = time.monotonic()
                for line in (record.value or b"").split(b"\n"):
                    self.seen.setdefault(decode(line).span_id, at)
                async with self._news:
                    self._news.notify_all()

    async def first_seen(self, span_id: bytes, deadline_s: float = 30) -> float:
        """The moment at which a span was first readable; TimeoutError where it does not come."""
        async with asyncio.timeout(deadline_s), self._news:
            await self._news.wait_for(lambda: span_id.hex() in self.seen)
        return self.seen[span_id.hex()]


@attack("poison of every kind among good traffic, on every landing partition")
async def poison(arena: Arena) -> Outcome:
    """It goes to the dlq or is counted as what it is; its neighbours and those behind it do not notice."""
    settings = arena.settings
    await arena.stack.start("stream")
    good = traffic(21)
    watch = Watch(settings)
    watching = asyncio.create_task(watch.run())
    landing = asyncio.create_task(land(settings, good, seconds=8))
    try:
        administered = await asyncio.gather(
            *(_administer(settings, number, watch) for number in range(PARTITIONS))
        )
        await landing
    finally:
        landing.cancel()
        watching.cancel()
    valid = SERIES * CALLS + PARTITIONS * sum(
        # Behind each: a good one. Beside each that is not alone: a good one. Itself, where it is a span.
        (each.signal == "traces") + (not each.alone) + (not each.reason)
        for each in POISONS
    )
    outcome = await verdict(settings, valid)
    outcome.resume_s = max(slowest for slowest, _ in administered)
    if outcome.resume_s > RESUME_S:
        outcome.broken.append(f"a good span came {outcome.resume_s:.2f} s after the poison before it")
    expected = Counter(letter for _, letters in administered for letter in letters)
    found = Counter(_told(letter) for letter in await all_letters(settings))
    if found != expected:
        missing, extra = list((expected - found).items())[:3], list((found - expected).items())[:3]
        outcome.broken.append(f"dead letters: {missing} are missing, {extra} are too many")
    return outcome


Told = tuple[str, str, str, str, str, int | None, bool]
"""What a letter must say: topic, partition, offset, stage, reason, spans, whether it was cut."""


def _told(letter: DeadLetter) -> Told:
    reason = next((each for each in (UNDECODABLE, NO_IDS) if letter.reason.startswith(each)), letter.reason)
    return (
        letter.topic,
        letter.topic_partition,
        letter.topic_offset,
        letter.stage,
        reason,
        letter.spans,
        letter.cut_from is not None,
    )


async def _administer(settings: Settings, partition: int, watch: Watch) -> tuple[float, list[Told]]:
    """Land every poison on one partition, a good span right behind each.

    Returns the longest time until such a span was readable, and the letters that there must be.
    """
    rng = random.Random(f"poison {partition}")
    bad, behind = (
        normal_calls(rng, len(POISONS), time.time_ns(), service=f"{name}-{partition}", endpoint="poison")
        for name in ("odd", "behind")
    )
    slowest, letters = 0.0, []
    async with AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        max_request_size=2 * LARGE,
    ) as producer:
        for each, call, good in zip(POISONS, bad, behind, strict=True):
            topic = settings.topic("otlp" if each.signal == "traces" else "otlp-logs")
            body = each.body(call)
            after = request([good]).SerializeToString() if each.signal == "traces" else log_of(good)
            sent, began = await producer.send_and_wait(topic, body, partition=partition), time.monotonic()
            await producer.send_and_wait(topic, after, partition=partition)
            slowest = max(slowest, await watch.first_seen(good.span_id) - began)
            if each.reason:
                spans = 1 if each.reason == NO_IDS else None
                cut = each.alone and len(body) > settings.max_message_bytes
                place = topic, str(partition), str(sent.offset)
                letters.append((*place, "normalise", each.reason, spans, cut))
    return slowest, letters


MARKED = 36
"""Calls that bring out a bug, of each of the three kinds."""

LATER = 100
"""Calls of each series that come between two redrives: more than the series remembers by their ids, so that
only positions tell what was counted before."""


@attack("a worker with bugs, its dead letters re-driven over and over, kill -9 before and in between")
async def redrive_twice(arena: Arena) -> Outcome:
    """In vain at first, then by a mended worker: chosen ones in reverse, all, all again."""
    settings, stack = arena.settings, arena.stack
    messages = traffic(22)
    cut = len(messages) * (CALLS - LATER) // CALLS
    messages[:cut] = marked(messages[:cut], random.Random(22))
    sent = [call for _, calls in messages for call in calls]
    (worker, _) = await stack.start(BRITTLE, "api")
    landing = asyncio.create_task(land(settings, messages[:cut], seconds=6))
    await asyncio.sleep(3)  # in mid-stream: letters that were written but not committed are written again
    worker.kill()
    (worker,) = await stack.start(BRITTLE)
    await landing
    await caught_up(settings)
    await lumina(stack, "dlq", "redrive", "--all")
    await caught_up(settings)
    code = worker.stop()
    mended_from = await ends_of(settings, "spans")
    letters = await all_letters(settings)

    (worker,) = await stack.start("stream")
    some = [letter.name for letter in reversed(letters)][::2]
    chosen = asyncio.create_task(lumina(stack, "dlq", "redrive", *some))
    await asyncio.sleep(1.2)  # while they land
    worker.kill()
    await chosen
    await land(settings, messages[cut:], seconds=2)
    everything = asyncio.create_task(lumina(stack, "dlq", "redrive", "--all"))
    began = time.monotonic()
    await stack.start("stream")
    await everything
    await caught_up(settings)
    resumed = time.monotonic() - began
    await lumina(stack, "dlq", "redrive", "--all")
    await caught_up(settings)

    def failed(call: Any, partition: int, offset: int) -> bool:
        return call.span_id.startswith(UNJUDGEABLE.hex()) and offset < mended_from.get(partition, 0)

    truth = await replayed_run(settings, failed)
    counted = sum(hot_of(table).calls for table in truth.tables.values())
    outcome = compared(truth, await actual_run(settings, clocks=True), spans=False)
    wanted, found = spans_of(sent), await landed_spans(settings)
    outcome.lost += sum(found.get(span_id) != {line} for span_id, line in wanted.items())
    outcome.duplicated += len(found.keys() - wanted.keys()) + max(0, counted - len(sent))
    outcome.lost += max(0, len(sent) - counted)
    outcome.resume_s = resumed
    if code:
        outcome.broken.append(f"SIGTERM: exit status {code}")
    if not truth.alerts:
        outcome.broken.append("no alert was raised: equal alerts prove nothing")
    if len(letters) < 4 * MARKED:  # the first ones of three kinds, and those of the redrive in vain
        outcome.broken.append(f"only {len(letters)} dead letters: the attack missed")
    if more := {letter.name for letter in await all_letters(settings)} - {letter.name for letter in letters}:
        outcome.broken.append(f"the mended worker refused what it can do: {sorted(more)[:5]}")
    await _shown(arena, len(sent), outcome)
    return outcome


def marked(messages: list[Message], rng: random.Random) -> list[Message]:
    """The same messages, some calls in them such that they bring out a bug."""
    chosen = iter(rng.sample(range(len(messages)), 3 * MARKED))
    for kind in (UNREADABLE_SPAN, UNREADABLE_MESSAGE, UNJUDGEABLE):
        for _ in range(MARKED):
            number = next(chosen)
            partition, calls = messages[number]
            place = rng.randrange(len(calls))
            call = replace(calls[place], span_id=kind + calls[place].span_id[len(kind) :])
            messages[number] = (partition, [*calls[:place], call, *calls[place + 1 :]])
    return messages


async def _shown(arena: Arena, spans: int, outcome: Outcome) -> None:
    """Whether the views count every call once, with its cost."""
    shown: dict[str, Any] = {}

    async def all_there() -> bool:
        shown.update((await arena.stack.get("/api/v1/costs/breakdown", since=LONG_AGO))["totals"])
        return bool(shown["calls"] >= spans)

    try:
        await eventually(all_there, VIEWS_S, lambda: "")
    except AssertionError:
        outcome.broken.append(f"the views show {shown.get('calls')} of {spans} calls")
        return
    await asyncio.sleep(1)  # time to count one too many
    await all_there()
    if (shown["calls"], shown["priced_calls"]) != (spans, spans):
        outcome.broken.append(f"the views count {shown['calls']} calls, {spans} were sent")
