"""The views while Kafka is away: they say so, keep answering, and go on by themselves."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from aiokafka import AIOKafkaProducer

from api.views.span_lines import Log, span
from lumina_api.provision import provision
from lumina_api.stack.broker import running_broker
from lumina_api.stack.ports import free_port
from lumina_api.views import Views
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings

DEADLINE_S = 60.0


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = asyncio.get_running_loop().time() + DEADLINE_S
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.05)


def spans_in(views: Views) -> int:
    with views.cursor() as cursor:
        (count,) = cursor.execute("SELECT count(*) FROM spans").fetchone() or (0,)
    return int(count)


async def test_the_broker_goes_and_comes_back(tmp_path: Path) -> None:
    """A broker of the test's own: the suite's serves others."""
    port = free_port()
    settings = Settings(
        kafka_bootstrap_servers=f"127.0.0.1:{port}", partitions=4, replication=1, data_dir=tmp_path / "data"
    )
    log = Log()

    async def produce(*numbers: int) -> None:
        async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
            for number in numbers:
                record = log.spans([span(number)])
                await producer.send_and_wait(settings.topic("spans"), record.value, partition=0)

    views = Views(settings)
    with ExitStack() as broker:
        await asyncio.to_thread(broker.enter_context, running_broker(tmp_path / "kafka", port))
        await provision(settings)
        await produce(1, 2)
        await views.start()
        await until(lambda: views.ready, "never ready")
        await asyncio.to_thread(broker.close)
    try:
        await until(lambda: not views.ready, "the outage is not noticed")
        assert "does not answer" in views.progress.reasons[0]
        assert spans_in(views) == 2
        with ExitStack() as broker:
            await asyncio.to_thread(broker.enter_context, running_broker(tmp_path / "kafka", port))
            await produce(3)
            await until(lambda: spans_in(views) == 3, "it does not go on")
            await until(lambda: views.ready, "it is not ready again")
            await asyncio.to_thread(broker.close)
    finally:
        await views.stop()
