"""What a gateway tells the others: nothing is lost where Kafka does not take it."""

import asyncio
from typing import Any

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError
from structlog.testing import capture_logs

from lumina_api.kafka import HeldProducer
from lumina_api.usage.limiter import Limiter
from lumina_api.usage.report import read_tally, usage_of
from lumina_schemas.project import Traces
from lumina_schemas.settings import Settings
from lumina_schemas.topics import PROJECTS
from topic_log import everything

pytestmark = pytest.mark.kafka


async def test_what_kafka_does_not_take_is_told_later(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_it = settings.model_copy(update={"daily_trace_limit": 10})
    limiter = Limiter(of_it, "a")
    sharing = limiter._sharing
    limiter.admit({"shop": range(10)})
    connected = HeldProducer.get

    async def away(self: HeldProducer) -> Any:
        raise KafkaConnectionError("away")

    monkeypatch.setattr(HeldProducer, "get", away)
    with capture_logs() as logs:
        assert not await sharing.tell()
        assert not await sharing.tell()
    assert [entry["log_level"] for entry in logs] == ["warning"], "once an outage"
    assert usage_of(await read_tally(of_it), "shop").traces == 0
    monkeypatch.setattr(HeldProducer, "get", connected)
    assert await sharing.tell()
    assert await sharing.tell()
    await sharing.stop()
    assert usage_of(await read_tally(of_it), "shop").traces == 10
    (message,) = await everything(settings, settings.topic(PROJECTS))
    told = msgspec.json.decode(message.value, type=Traces)
    assert (message.key, message.headers) == (b"shop", (("lumina-type", b"traces"),))
    assert (told.project, told.percent, told.traces, told.limit) == ("shop", 100, 10, 10)


async def test_what_is_not_urgent_is_told_at_the_end(settings: Settings) -> None:
    limiter = Limiter(settings, "a")
    await limiter.start()
    await asyncio.wait_for(limiter.caught_up(), 20)
    limiter.admit({"shop": [1, 2, 3]})
    await asyncio.sleep(0)
    await limiter.stop()
    assert usage_of(await read_tally(settings), "shop").traces == 3
