"""Seeded traffic whose order in the log is known: what it comes to can be computed beforehand."""

import asyncio
import random
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer

from e2e.otlp_calls import Call, dear, normal_calls, refused, request
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings

SERIES = 12
CALLS = 260
BAD_FROM = 230
PER_MESSAGE = 5
LANDINGS = 4

Message = tuple[int, list[Call]]
"""(landing partition, calls)."""


def traffic(seed: int, per_message: int = PER_MESSAGE) -> list[Message]:
    """Messages in sending order. Each series lands on one partition, so that its order in the log, and with
    it every baseline, is known. A third of the series turns dear and bad, and raises alerts.
    """
    rng = random.Random(seed)
    now = time.time_ns()
    messages: list[Message] = []
    for series in range(SERIES):
        calls = normal_calls(rng, CALLS, now, service=f"service-{series % 3}", endpoint=f"endpoint-{series}")
        if series % 3 == 0:
            calls[BAD_FROM:] = [refused(dear(call)) for call in calls[BAD_FROM:]]
        messages.extend(
            (series % LANDINGS, calls[start : start + per_message]) for start in range(0, CALLS, per_message)
        )
    messages.sort(key=lambda message: message[1][0].end_ns)
    return messages


async def land(settings: Settings, messages: Sequence[Message], seconds: float) -> None:
    """Produce the messages to their landing partitions, spread over the given time."""
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **client_options(settings))
    await producer.start()
    try:
        pause = seconds / len(messages)
        for partition, calls in messages:
            body = request(calls).SerializeToString()
            await producer.send_and_wait(settings.topic("otlp"), body, partition=partition)
            await asyncio.sleep(pause)
    finally:
        await producer.stop()
