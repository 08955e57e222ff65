"""Takes the demo's data out: one erasure in `lumina.settings`, which views obey, now and when rebuilt."""

import asyncio
import time
from datetime import UTC, datetime

import httpx
import msgspec
from aiokafka import AIOKafkaProducer

from lumina_api.demo import PROJECT
from lumina_api.demo.rest import Rest
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SETTINGS

KEY = f"erasures/{PROJECT}"
"""One key for all removals: a later one covers the earlier."""

DEADLINE_S = 30.0
POLL_S = 0.2


async def erase(settings: Settings, rest: Rest) -> bool:
    """Erase all demo data from before now; True when REST shows none of it any more within 30 s.

    Raises aiokafka's KafkaError where the erasure cannot be written. Without an answer from REST the erasure
    still holds: views obey it as soon as they run.
    """
    before_ns = time.time_ns()
    value = msgspec.json.encode({"v": 1, "project": PROJECT, "before_ns": before_ns})
    producer = AIOKafkaProducer(acks="all", **client_options(settings, "lumina-demo"))
    try:
        await producer.start()
        await producer.send_and_wait(settings.topic(SETTINGS), value, KEY.encode())
    finally:
        await producer.stop()
    before = datetime.fromtimestamp(before_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        try:
            if not await rest.shows_demo(before):
                return True
        except httpx.HTTPError:
            pass
        await asyncio.sleep(POLL_S)
    return False
