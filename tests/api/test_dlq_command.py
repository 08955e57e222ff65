"""`lumina dlq` against a real Kafka, as a process of its own."""

import asyncio
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable

import msgspec
import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord

from e2e.otlp_calls import normal_calls, request
from lumina_api.dead_letters import DeadLetter, planned
from lumina_schemas.audit import AuditEntry
from lumina_schemas.dead_letter import Redriven
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topic_facts import describe
from lumina_schemas.topics import AUDIT, DLQ, OTLP, OTLP_LOGS
from topic_log import everything

BODY = request(normal_calls(random.Random(1), 2, 1_800_000_000_000_000_000)).SerializeToString()
LINE = b'{"type":"span","v":1,"name":"\\u001b[2Jhi"}'
EPOCH = "e" * 32

Lumina = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def lumina(child_env: dict[str, str]) -> Lumina:
    def run(*words: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-c", "from lumina_api.cli import app; app()", "dlq", *words],
            env=child_env | {"COLUMNS": "200", "NO_COLOR": "1"} | env,
            capture_output=True,
            timeout=60,
        )

    return run


def headers(settings: Settings, **said: str) -> list[tuple[str, bytes]]:
    values = {
        "topic": settings.topic(OTLP),
        "partition": "0",
        "offset": "1",
        "stage": "normalise",
        "error": "not understood: KeyError",
    } | said
    return [(f"lumina-dlq-{name.replace('_', '-')}", value.encode()) for name, value in values.items()]


async def bury(settings: Settings) -> list[tuple[int, int]]:
    """One letter of every kind; their places, in this order."""
    letters = [
        (0, BODY, headers(settings, spans="2", signal="traces", project="shop", offset="1")),
        (0, b"\xff\x1b[2J", headers(settings, error="The body is no\x1b[31m request", offset="2")),
        (1, LINE, headers(settings, stage="detect", topic=settings.topic("spans"), spans="1")),
        (1, b"\x0a", headers(settings, topic="old_logs", signal="logs", offset="3")),
        (2, b"x" * 10, headers(settings, offset="4", cut_from="5000000")),
        (2, b"?", headers(settings, topic="never_heard_of", offset="5")),
        (3, b"hello", []),
        (0, BODY, headers(settings, spans="2", signal="traces", project="shop", offset="1")),
    ]
    places = []
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        for partition, body, said in letters:
            sent = await producer.send_and_wait(settings.topic(DLQ), body, partition=partition, headers=said)
            places.append((sent.partition, sent.offset))
    return places


async def landed(settings: Settings, topic: str) -> list[ConsumerRecord]:
    """All messages of a topic, in the order of their times."""
    messages = await everything(settings, topic)
    return sorted(messages, key=lambda message: message.timestamp)


@pytest.mark.kafka
async def test_letters_are_listed_by_what_they_have_in_common(settings: Settings, lumina: Lumina) -> None:
    assert lumina("list").stdout == b"No dead letters.\n"
    await bury(settings)
    out = lumina("list").stdout.decode()
    groups, lines = out.split("\n\n")
    assert f"{settings.topic(OTLP)}: not understood: KeyError" in groups
    assert "      3       4  " in groups  # two copies and the one that was cut
    assert len(lines.splitlines()) == 1 + 8
    assert "[cut]" in lines
    assert "\x1b" not in out
    letters = [json.loads(line) for line in lumina("list", "--json").stdout.splitlines()]
    assert len(letters) == 8
    assert {letter.get("project") for letter in letters} == {None, "shop"}
    assert {letter.get("signal") for letter in letters} == {None, "traces", "logs"}
    detect = lumina("list", "--stage", "detect", "--json").stdout.splitlines()
    assert [json.loads(line)["topic"] for line in detect] == [settings.topic("spans")]
    assert len(lumina("list", "--reason", "KeyError", "--json").stdout.splitlines()) == 6
    assert len(lumina("list", "--since", "1h", "--json").stdout.splitlines()) == 8
    assert lumina("list", "--since", "2090-01-01T00:00:00Z").stdout == b"No dead letters like that.\n"
    assert lumina("list", "--limit", "2").stdout.decode().count("\n") == out.count("\n") - 6


@pytest.mark.kafka
async def test_a_letter_is_shown_without_what_a_terminal_obeys(settings: Settings, lumina: Lumina) -> None:
    places = await bury(settings)
    trace, junk, line, *_, nameless, _ = (f"{partition}:{offset}" for partition, offset in places)
    shown = lumina("show", trace).stdout.decode()
    assert "lumina-dlq-project: shop" in shown
    assert f'"spanId": "{normal_calls(random.Random(1), 1, 0)[0].span_id.hex()}"' in shown
    assert "gen_ai.request.model" in shown
    assert lumina("show", trace, "--raw").stdout == BODY
    for name in (junk, line):
        assert b"\x1b" not in lumina("show", name).stdout
    assert "ff 1b 5b" in lumina("show", junk).stdout.decode()
    assert lumina("show", junk, "--raw").stdout == b"\xff\x1b[2J"
    assert "hello" in lumina("show", nameless).stdout.decode()
    missing = lumina("show", "0:999")
    assert missing.returncode == 1
    assert b"There is no dead letter 0:999. `lumina dlq list`" in missing.stderr
    assert lumina("show", "999:0").returncode == 1


@pytest.mark.kafka
async def test_letters_land_again_as_what_they_were(settings: Settings, lumina: Lumina) -> None:
    places = await bury(settings)
    names = [f"{partition}:{offset}" for partition, offset in places]
    dry = lumina("redrive", "--all", "--dry-run").stdout.decode()
    assert "4 dead letters would be re-driven" in dry
    assert not await landed(settings, settings.topic(OTLP))

    done = lumina("redrive", "--all")
    assert done.returncode == 0, done.stderr
    out = done.stdout.decode()
    assert f"{names[7]} is a copy of {names[0]}" in out
    assert f"{names[4]} cannot be re-driven: only the first 10 of its 5,000,000 bytes were kept" in out
    assert f"{names[5]} cannot be re-driven: its topic never_heard_of is no landing topic" in out
    assert f"{names[6]} cannot be re-driven: its stage is 'not named'" in out
    assert "4 dead letters re-driven (3 spans counted)." in out
    (told,) = await everything(settings, settings.topic(AUDIT))
    entry = msgspec.json.decode(told.value, type=AuditEntry)
    assert (entry.action, entry.change["count"]) == ("dlq.redrive", 4), "a dry run is not told"

    facts = await describe(client_options(settings), [settings.topic(DLQ)])
    epoch = facts[settings.topic(DLQ)].epoch
    traces = {message.value: message for message in await landed(settings, settings.topic(OTLP))}
    assert traces.keys() == {BODY, b"\xff\x1b[2J", LINE}
    assert dict(traces[BODY].headers) == {
        "lumina-redriven": Redriven(epoch, *places[0], 1).encode(),
        "lumina-redriven-stage": b"normalise",
        "lumina-project": b"shop",
    }
    assert dict(traces[LINE].headers)["lumina-redriven-stage"] == b"detect"
    (logs,) = await landed(settings, settings.topic(OTLP_LOGS))
    assert (logs.value, dict(logs.headers)["lumina-redriven"]) == (
        b"\x0a",
        Redriven(epoch, *places[3], 1).encode(),
    )

    # Chosen ones, in the order that was asked for; a copy is its first.
    chosen = lumina("redrive", names[2], names[7])
    assert chosen.returncode == 0
    assert [m.value for m in await landed(settings, settings.topic(OTLP))][-2:] == [LINE, BODY]
    last = (await landed(settings, settings.topic(OTLP)))[-1]
    assert dict(last.headers)["lumina-redriven"] == Redriven(epoch, *places[0], 1).encode()
    by_reason = lumina("redrive", "--reason", "The body is no").stdout.decode()
    assert "1 dead letter re-driven." in by_reason
    assert lumina("redrive", names[4]).returncode == 1


@pytest.mark.kafka
def test_what_cannot_be_done_is_said_in_words(settings: Settings, lumina: Lumina) -> None:
    wrong: list[tuple[tuple[str, ...], dict[str, str], str]] = [
        (("redrive",), {}, "Say which"),
        (("redrive", "--all", "--stage", "detect"), {}, "Say which"),
        (("redrive", "1-2"), {}, "'1-2' is no PARTITION:OFFSET"),
        (("redrive", "0:7"), {}, "There is no dead letter 0:7"),
        (("list", "--since", "soon"), {}, "must be a time before now"),
        (("list",), {"LUMINA_TOPIC_PREFIX": "nothing."}, "Topic nothing.dlq does not exist"),
        (("redrive", "--all"), {"LUMINA_TOPIC_PREFIX": "nothing."}, "lumina topics --create"),
        (("list",), {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "Is the stack up (`lumina status`)?"),
        (("list",), {"KAFKA_SECURITY_PROTOCOL": "SMOKE"}, "KAFKA_SECURITY_PROTOCOL"),
    ]
    for words, env, said in wrong:
        answer = lumina(*words, **env)
        assert answer.returncode != 0, words
        assert said in answer.stderr.decode(), (words, answer.stderr)
        assert b"Traceback" not in answer.stderr


@pytest.mark.kafka
async def test_a_reader_that_has_seen_enough_is_no_error(
    settings: Settings, child_env: dict[str, str]
) -> None:
    await bury(settings)
    process = subprocess.Popen(
        [sys.executable, "-c", "from lumina_api.cli import app; app()", "dlq", "list", "--json"],
        env=child_env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert await asyncio.to_thread(process.wait, 30) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def dead(place: tuple[int, int], **fields: object) -> DeadLetter:
    values: dict[str, object] = {
        "partition": place[0],
        "offset": place[1],
        "at_ms": place[1],
        "size": 1,
        "digest": f"body of {place}",
        "stage": "normalise",
        "signal": "traces",
        "topic": "lumina.otlp",
        "topic_partition": "0",
        "topic_offset": str(place),
    }
    return msgspec.convert(values | fields, DeadLetter)


def again(place: tuple[int, int], attempt: int = 1, epoch: str = EPOCH) -> list[object]:
    return [epoch, *place, attempt]


def test_what_is_left_of_a_letter_is_sent_in_its_place() -> None:
    """0:1 was re-driven twice while nothing was mended, then its remains once; two copies are one."""
    first = dead((0, 1))
    left = dead((1, 1), redriven_from=again((0, 1)), digest="both spans")
    copy = dead((1, 2), redriven_from=again((0, 1)), digest="both spans", topic_offset="77")
    last = dead((2, 5), redriven_from=again((1, 1), 2), digest="one span", stage="detect")
    other = dead((3, 3))
    letters = [first, left, copy, last, other]
    plan = planned(letters, letters, EPOCH)
    assert plan.send == [last, other]
    assert plan.copies == [(copy, left)]
    assert plan.remains == [(first, last), (left, last), (left, last)]
    assert planned(letters, [first], EPOCH).send == [last]
    assert planned(letters, [other, last], EPOCH).send == [other, last]


def test_letters_of_a_dlq_that_was_there_before_are_no_remains() -> None:
    letters = [dead((0, 1)), dead((1, 1), redriven_from=again((0, 1), epoch="f" * 32))]
    assert planned(letters, letters, EPOCH).send == letters


def test_letters_that_name_each_other_end() -> None:
    letters = [
        dead((0, 1), redriven_from=again((0, 2))),
        dead((0, 2), redriven_from=again((0, 1))),
        dead((0, 3), redriven_from=again((0, 3))),
    ]
    plan = planned(letters, letters, EPOCH)
    assert {letter.place for letter in plan.send} <= {(0, 1), (0, 2), (0, 3)}


@pytest.mark.kafka
async def test_thousands_of_letters_are_re_driven_in_one_go(settings: Settings, lumina: Lumina) -> None:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        said = headers(settings, signal="traces")
        sends = [
            await producer.send(settings.topic(DLQ), b"%d" % number, headers=said, partition=number % 4)
            for number in range(2_000)
        ]
        await asyncio.gather(*sends)
    began = time.monotonic()
    assert b"2,000 dead letters re-driven" in lumina("redrive", "--all").stdout
    print(f"2,000 letters: {time.monotonic() - began:.1f} s", file=sys.stderr)
    assert len({m.value for m in await landed(settings, settings.topic(OTLP))}) == 2_000
