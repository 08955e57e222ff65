"""A mark from its door to the rules of a series, over a real Kafka; and what a successor finds of it."""

import random
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from e2e.otlp_calls import normal_calls, request
from lumina_schemas.control import MARK, TICK, SeriesMark, Tick
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import COMMANDS, DLQ, SPANS, TYPE_HEADER
from lumina_streams.agents.detect import Detector
from lumina_streams.agents.doors import DOORS
from lumina_streams.agents.router import Router
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.series.call import Call
from lumina_streams.core.series.rules import Rules
from lumina_streams.core.series.step import step
from lumina_streams.core.span.normalise import Landing, normalise
from lumina_streams.metrics import Metrics
from streams.agents.sender import Sender
from streams.agents.table import Table
from topic_log import everything

pytestmark = pytest.mark.kafka

STEP = "lumina_streams.agents.detect.step"
VALUE = (
    b'{"v":1,"type":"mark","id":"m1","text":"release 1.4","at":"2026-01-01T08:00:00Z","by":"ada",'
    b'"service":"shop","expected":true}'
)


def event(topic: str, partition: int, offset: int, value: bytes, kind: bytes | None = None) -> Any:
    headers = [(TYPE_HEADER, kind)] if kind else []
    message = SimpleNamespace(
        topic=topic, partition=partition, offset=offset, value=value, key=b"m1", headers=headers
    )
    return SimpleNamespace(message=message)


async def test_a_mark_reaches_every_partition_and_the_rules_of_its_series(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: list[Rules] = []

    def watched(state: Any, call: Call, rules: Rules, *others: Any) -> Any:
        met.append(rules)
        return step(state, call, rules, *others)

    monkeypatch.setattr(STEP, watched)
    door = next(one for one in DOORS if one.topic is COMMANDS)
    spans_topic = settings.topic(SPANS)
    limit = settings.max_message_bytes + 100_000
    (span, later) = (
        span
        for offset, call in enumerate(normal_calls(random.Random(4), 2, 1_767_261_600_000_000_000))
        for span in normalise(request([call]), Landing("e" * 32, "otlp", 0, offset), PriceBook()).spans
    )
    async with AIOKafkaProducer(**client_options(settings), max_request_size=limit, acks="all") as producer:
        app = cast(Any, SimpleNamespace(producer=Sender(producer)))
        router = Router(app, settings, Metrics(), door)
        for offset, value in enumerate((VALUE, b'{"type":"mark"}', VALUE)):
            await router.process([event(settings.topic(COMMANDS), 0, offset, value)])
        (letter,) = await everything(settings, settings.topic(DLQ))
        assert b"not a mark" in dict(letter.headers)["lumina-dlq-error"]
        records = await everything(settings, spans_topic)
        assert sorted(record.partition for record in records) == sorted([*range(settings.partitions)] * 2)
        assert all(dict(record.headers) == {TYPE_HEADER: MARK} for record in records)
        assert {msgspec.json.decode(record.value, type=SeriesMark).id for record in records} == {"m1"}

        metrics, table = Metrics(), Table()
        detector = Detector(app, cast(Any, table), settings, metrics)
        first, second = [record.value for record in records if record.partition == 2]
        tick = msgspec.json.encode(Tick(v=1, sources={"otlp": 1}, series={span.project: 20}))
        await detector.process(
            [
                event(spans_topic, 2, 0, msgspec.json.encode(span)),
                event(spans_topic, 2, 1, first, MARK),
                event(spans_topic, 2, 2, second, MARK),
                event(spans_topic, 2, 3, tick, TICK),
                event(spans_topic, 2, 4, msgspec.json.encode(later)),
            ]
        )
        assert [(len(rules.marks), rules.active_series) for rules in met] == [(0, 1), (1, 23)]
        (marker,) = met[1].marks
        assert (marker.text, marker.by, marker.expected) == ("release 1.4", "ada", True)
        assert (metrics["marks"], metrics["duplicate_marks"]) == (1, 1)

        heir_table = Table()
        heir_table.update(table)
        heir = Detector(app, cast(Any, heir_table), settings, Metrics())
        again = msgspec.structs.replace(later, span_id="ab" * 8, src=later.src._replace(offset=9))
        await heir.process([event(spans_topic, 2, 5, msgspec.json.encode(again))])
        assert met[2] == met[1]
