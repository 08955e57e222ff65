"""What detect tells of costs, over a real Kafka: calls as it counts them, before their states are written."""

import random
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from e2e.otlp_calls import normal_calls, request
from lumina_schemas.kafka import client_options
from lumina_schemas.partition import partition_of
from lumina_schemas.project import SPEND, Spend
from lumina_schemas.settings import Settings
from lumina_schemas.source import Place
from lumina_schemas.span import Span
from lumina_schemas.topics import COPY_HEADER, PROJECTS, SPANS, TYPE_HEADER
from lumina_streams.agents.detect import Detector
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.series.step import step
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.metrics import Metrics
from streams.agents.sender import Sender
from streams.agents.table import Table
from topic_log import everything

pytestmark = pytest.mark.kafka

NOW_NS = 1_767_261_600_000_000_000  # 2026-01-01 10:00 UTC
DAY = NOW_NS // 86_400_000_000_000


@pytest.fixture
async def detector(settings: Settings) -> AsyncIterator[Detector]:
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        app = cast(Any, SimpleNamespace(producer=Sender(producer)))
        yield Detector(app, cast(Any, Table()), settings, Metrics())


def spans_of(count: int, **fields: Any) -> list[Span]:
    return [
        span
        for offset, call in enumerate(normal_calls(random.Random(4), count, NOW_NS, **fields))
        for span in normalise(request([call]), Landing("e" * 32, "otlp", 0, offset), PriceBook()).spans
    ]


def event(settings: Settings, offset: int, spans: list[Span], copied: tuple[Place, ...] = ()) -> Any:
    message = SimpleNamespace(
        topic=settings.topic(SPANS),
        partition=2,
        offset=offset,
        value=b"\n".join(msgspec.json.encode(span) for span in spans),
        headers=[(COPY_HEADER, msgspec.json.encode(place)) for place in copied],
    )
    return SimpleNamespace(message=message)


async def told(settings: Settings) -> list[Spend]:
    records = await everything(settings, settings.topic(PROJECTS))
    assert {record.partition for record in records} <= {partition_of("e2e", settings.partitions)}
    assert all(record.key == b"e2e" and dict(record.headers) == {TYPE_HEADER: SPEND} for record in records)
    return [msgspec.json.decode(record.value, type=Spend) for record in records]


async def test_calls_are_told_by_message_service_and_day(settings: Settings, detector: Detector) -> None:
    shop, search = spans_of(4), spans_of(3, service="search")
    tool = msgspec.structs.replace(
        shop[3], span_id="ab" * 8, kind="tool", src=shop[3].src._replace(ordinal=1)
    )
    skewed = msgspec.structs.replace(
        shop[3], span_id="ac" * 8, clock_skew=True, src=shop[3].src._replace(ordinal=2)
    )
    # A day later than all others, detect learns nothing from it yet: it has cost money all the same.
    tomorrow = msgspec.structs.replace(search[2], start_ns=search[2].start_ns + 86_400_000_000_000)
    place = Place("o" * 32, 1, 77)
    await detector.process(
        [
            event(settings, 5, [*shop[:3], search[0]]),
            event(settings, 6, [shop[3], tool, skewed, shop[3]], (place,)),
            event(settings, 7, [search[1], tomorrow]),
        ]
    )
    (spend,) = await told(settings)
    assert (spend.project, spend.partition, len(spend.epoch)) == ("e2e", 2, 32)
    costs = {span.span_id: span.cost_usd or 0.0 for span in (*shop, *search)}
    assert [(item.offset, item.service, item.day, item.calls, item.copied) for item in spend.items] == [
        (5, "shop", DAY, 3, ()),
        (5, "search", DAY, 1, ()),
        (6, "shop", DAY, 1, (place,)),
        (7, "search", DAY, 1, ()),
        (7, "search", DAY + 1, 1, ()),
    ]
    assert spend.items[0].usd == pytest.approx(sum(costs[span.span_id] for span in shop[:3]))
    assert spend.items[2].usd == costs[shop[3].span_id] > 0
    await detector.process([event(settings, 8, shop)])
    assert len(await told(settings)) == 1, "what was applied before is not told again"


async def test_a_call_that_detect_fails_on_is_told_when_it_comes_back(
    settings: Settings, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = spans_of(3)

    def brittle(state: Any, call: Any, *others: Any) -> Any:
        if call.span_id == spans[1].span_id:
            state.costs = True  # it came halfway
            raise ZeroDivisionError
        return step(state, call, *others)

    with monkeypatch.context() as patch:
        patch.setattr("lumina_streams.agents.detect.step", brittle)
        await detector.process([event(settings, 0, spans)])
    back = msgspec.structs.replace(spans[1], src=spans[1].src._replace(origin="dlq", offset=0))
    await detector.process([event(settings, 1, [back])])
    assert [(item.offset, item.calls) for spend in await told(settings) for item in spend.items] == [
        (0, 2),
        (1, 1),
    ]


async def test_costs_are_told_before_a_state_is_written(settings: Settings, detector: Detector) -> None:
    """Killed at the first write of a state, the worker has told all."""

    async def killed(*_: object) -> None:
        raise KeyboardInterrupt

    detector.table.write = killed  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        await detector.process([event(settings, 0, spans_of(3))])
    (spend,) = await told(settings)
    assert spend.items[0].calls == 3
