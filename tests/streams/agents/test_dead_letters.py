"""What normalise cannot keep of a message: few dead letters on a real Kafka, its neighbours on their way."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.dead_letter import MAX_OFFSET, REDRIVEN_HEADER, REDRIVEN_STAGE_HEADER, Redriven
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.source import Source
from lumina_schemas.span import Line, Span
from lumina_schemas.topic_facts import TopicFacts
from lumina_schemas.topics import DLQ, OTLP, PROJECT_HEADER, SPANS
from lumina_streams.agents import dlq
from lumina_streams.agents.normalise import Normaliser
from lumina_streams.core.span.normalise import INVALID_IDS
from lumina_streams.metrics import Metrics
from streams.agents.sender import Sender
from topic_log import everything

pytestmark = pytest.mark.kafka

ALIEN = "collector_logs"


@pytest.fixture
async def normaliser(settings: Settings) -> AsyncIterator[Normaliser]:
    limit = settings.max_message_bytes + 100_000
    async with AIOKafkaProducer(**client_options(settings), max_request_size=limit, acks="all") as producer:
        app = cast(Any, SimpleNamespace(producer=Sender(producer)))
        yield Normaliser(app, settings, Metrics())


def landed(settings: Settings, body: bytes, *headers: tuple[str, bytes], topic: str = "") -> Any:
    """The event of a landed message."""
    name = topic or settings.topic(OTLP)
    message = SimpleNamespace(
        topic=name,
        partition=1,
        tp=TP(name, 1),
        offset=7,
        value=body,
        headers=list(headers),
        timestamp=1.0,
        timestamp_type=0,
    )
    return SimpleNamespace(message=message)


def spans_of(body: bytes) -> list[Any]:
    request = ExportTraceServiceRequest.FromString(body)
    return [s for group in request.resource_spans for scope in group.scope_spans for s in scope.spans]


def request_of(bad: int, size: int) -> ExportTraceServiceRequest:
    """One good span among bad ones, each with a text of a size."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "shop"
    spans = group.scope_spans.add().spans
    for _ in range(bad):
        span = spans.add()
        if size:
            span.attributes.add(key="text").value.string_value = "x" * size
    spans.add(name="good", trace_id=b"t" * 16, span_id=b"s" * 8)
    return request


async def test_a_flood_of_spans_without_ids_is_one_dead_letter(
    normaliser: Normaliser, settings: Settings
) -> None:
    await normaliser.process([landed(settings, request_of(20_000, 0).SerializeToString())])
    (letter,) = await everything(settings, settings.topic(DLQ))
    headers = dict(letter.headers)
    assert headers["lumina-dlq-spans"] == b"20000"
    assert headers["lumina-dlq-error"] == INVALID_IDS.encode()
    assert headers["lumina-dlq-topic"] == settings.topic(OTLP).encode()
    assert (headers["lumina-dlq-partition"], headers["lumina-dlq-offset"]) == (b"1", b"7")
    assert len(spans_of(letter.value)) == 20_000
    (good,) = await everything(settings, settings.topic(SPANS))
    assert b'"name":"good"' in good.value
    assert (normaliser.metrics["rejected_spans"], normaliser.metrics["dlq_messages"]) == (20_000, 1)


async def test_dead_letters_are_no_larger_than_a_message_may_be(settings: Settings) -> None:
    small = settings.model_copy(update={"max_message_bytes": 20_000})
    async with AIOKafkaProducer(**client_options(small), acks="all") as producer:
        normaliser = Normaliser(cast(Any, SimpleNamespace(producer=Sender(producer))), small, Metrics())
        await normaliser.process([landed(small, request_of(30, 1_500).SerializeToString())])
    letters = await everything(settings, settings.topic(DLQ))
    assert len(letters) == 3
    assert all(len(letter.value) <= normaliser.limit for letter in letters)
    assert sum(len(spans_of(letter.value)) for letter in letters) == 30
    assert sum(int(dict(letter.headers)["lumina-dlq-spans"]) for letter in letters) == 30


async def test_what_is_no_otlp_stays_as_it_is_and_is_not_counted(
    normaliser: Normaliser, settings: Settings
) -> None:
    await normaliser.process([landed(settings, b"\xff no request")])
    (letter,) = await everything(settings, settings.topic(DLQ))
    assert letter.value == b"\xff no request"
    assert "lumina-dlq-spans" not in dict(letter.headers)


async def test_a_message_larger_than_ours_may_be_is_cut_and_stops_nothing(
    settings: Settings, normaliser: Normaliser
) -> None:
    body = b"\xff" * (settings.max_message_bytes + 50_000)
    await normaliser.process([landed(settings, body)])
    (letter,) = await everything(settings, settings.topic(DLQ))
    assert 0 < len(letter.value) < settings.max_message_bytes
    assert body.startswith(letter.value)
    assert dict(letter.headers)["lumina-dlq-cut-from"] == str(len(body)).encode()


EPOCH = "0123456789abcdef" * 2
LETTER = Redriven(EPOCH, 3, 41, 2)
AGAIN = (REDRIVEN_HEADER, LETTER.encode())


async def lines(settings: Settings) -> list[Any]:
    messages = await everything(settings, settings.topic(SPANS))
    return [
        msgspec.json.decode(line, type=Line) for message in messages for line in message.value.split(b"\n")
    ]


async def test_a_redriven_message_carries_the_position_of_its_letter(
    normaliser: Normaliser, settings: Settings
) -> None:
    body = request_of(0, 0).SerializeToString()
    await normaliser.process([landed(settings, body, AGAIN, (PROJECT_HEADER, b"shop"))])
    (span,) = await lines(settings)
    assert span.src == Source(EPOCH, "dlq", 3, 41, 0)
    assert span.project == "shop"
    assert normaliser.metrics["redriven_messages"] == 1


async def test_what_fails_again_says_which_letter_it_was(normaliser: Normaliser, settings: Settings) -> None:
    await normaliser.process([landed(settings, request_of(1, 0).SerializeToString(), AGAIN)])
    (letter,) = await everything(settings, settings.topic(DLQ))
    headers = dict(letter.headers)
    assert headers["lumina-dlq-redriven"] == LETTER.encode()
    assert headers["lumina-dlq-topic"] == settings.topic(OTLP).encode()
    assert letter.key == b"3:41"
    (good,) = await lines(settings)
    assert good.src == Source(EPOCH, "dlq", 3, 41, 1)  # the refused span keeps its ordinal


async def test_a_letter_keeps_project_and_signal_of_the_topic_that_it_came_from(
    settings: Settings,
) -> None:
    own = Settings(**(settings.model_dump() | {"otlp_logs_topics": f"{settings.topic_prefix}{ALIEN}=shop"}))
    async with AIOKafkaProducer(**client_options(own), acks="all") as producer:
        normaliser = Normaliser(cast(Any, SimpleNamespace(producer=Sender(producer))), own, Metrics())
        normaliser._facts = {
            own.topic_prefix + ALIEN: TopicFacts(EPOCH, 1),
            own.topic(OTLP): TopicFacts(EPOCH, 4),
        }
        await normaliser.process(
            [
                landed(own, b"\xff", topic=own.topic_prefix + ALIEN),
                landed(own, b"\xff", (PROJECT_HEADER, b"header")),
            ]
        )
    letters = await everything(own, own.topic(DLQ))
    kept = {
        (headers.get("lumina-dlq-project"), headers["lumina-dlq-signal"])
        for headers in (dict(letter.headers) for letter in letters)
    }
    assert kept == {(b"shop", b"logs"), (b"header", b"traces")}


async def test_a_line_that_detect_refused_goes_back_into_its_series(
    normaliser: Normaliser, settings: Settings
) -> None:
    await normaliser.process([landed(settings, request_of(0, 0).SerializeToString())])
    (span,) = await lines(settings)
    stage = (REDRIVEN_STAGE_HEADER, b"detect")
    await normaliser.process([landed(settings, msgspec.json.encode(span), AGAIN, stage)])
    first, again = await everything(settings, settings.topic(SPANS))
    assert first.partition == again.partition
    moved = msgspec.json.decode(again.value, type=Span)
    assert moved == msgspec.structs.replace(span, src=Source(EPOCH, "dlq", 3, 41, 0))


NONSENSE = [
    (REDRIVEN_HEADER, b""),
    (REDRIVEN_HEADER, b"\xff\xfe"),
    (REDRIVEN_HEADER, b"lumina"),
    (REDRIVEN_HEADER, f"{EPOCH}:1:2".encode()),
    (REDRIVEN_HEADER, f"{EPOCH}:-1:2:1".encode()),
    (REDRIVEN_HEADER, f"{EPOCH}:70000:2:1".encode()),
    (REDRIVEN_HEADER, f"{EPOCH}:1:{MAX_OFFSET + 1}:1".encode()),
    (REDRIVEN_HEADER, f"{EPOCH}:\u0661:2:1".encode()),
    (REDRIVEN_HEADER, None),
    (REDRIVEN_STAGE_HEADER, b"detect"),
    (REDRIVEN_STAGE_HEADER, b"judge"),
    (REDRIVEN_STAGE_HEADER, None),
]


async def test_nonsense_in_the_headers_is_a_dead_letter(normaliser: Normaliser, settings: Settings) -> None:
    body = request_of(0, 0).SerializeToString()
    await normaliser.process([landed(settings, body, cast(Any, header)) for header in NONSENSE])
    letters = await everything(settings, settings.topic(DLQ))
    assert len(letters) == len(NONSENSE)
    for letter in letters:
        assert letter.value == body
        assert dict(letter.headers)["lumina-dlq-error"].startswith(b"The header lumina-redriven")
        assert "lumina-dlq-redriven" not in dict(letter.headers)
    assert not await everything(settings, settings.topic(SPANS))


async def test_a_line_that_is_none_is_a_dead_letter_of_detect_again(
    normaliser: Normaliser, settings: Settings
) -> None:
    stage = (REDRIVEN_STAGE_HEADER, b"detect")
    bodies = [b"", b"\xff", b"{}", b"[" * 100_000, b'{"type":"span","v":1}']
    await normaliser.process([landed(settings, body, AGAIN, stage) for body in bodies])
    letters = await everything(settings, settings.topic(DLQ))
    assert sorted(letter.value for letter in letters) == sorted(bodies)
    for letter in letters:
        assert dict(letter.headers)["lumina-dlq-stage"] == b"detect"
        assert dict(letter.headers)["lumina-dlq-redriven"] == LETTER.encode()


@given(st.binary(max_size=60) | st.from_regex(rb"[0-9a-f]{32}(:[0-9]{1,16}){3}", fullmatch=True))
def test_a_header_is_parsed_or_refused(value: bytes) -> None:
    try:
        redriven = Redriven.parse(value)
    except ValueError:
        return
    assert Redriven.parse(redriven.encode()) == redriven
    assert redriven.partition < 65_536 and redriven.offset <= MAX_OFFSET


@given(
    st.text(max_size=400),
    st.integers(0, 12_000),
    st.text("abc.-_", min_size=1, max_size=249),
    st.text(max_size=150),
)
def test_a_letter_fits_a_message_whatever_is_said_of_it(
    error: str, size: int, topic: str, project: str
) -> None:
    origin = dlq.Origin(topic, 2**31, 2**63 - 1, "traces", project, LETTER)
    letter = dlq.letter(origin, "normalise", error, b"x" * size, 10_000, 2**31)
    whole = len(letter.key) + len(letter.value) + sum(len(n) + len(v) + 8 for n, v in letter.headers)
    assert whole + dlq.FRAMING - 30 <= 10_000
    assert ("lumina-dlq-cut-from" in dict(letter.headers)) == (len(letter.value) < size)
    if size <= 8_800:
        assert len(letter.value) == size
