"""Prices from end to end: a worker reads them all before it is ready, and each change holds from then on."""

import random
import time
from pathlib import Path

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from e2e.otlp_calls import normal_calls, request
from e2e.stack import Stack, eventually
from lumina_api.provision import provision
from lumina_schemas.kafka import client_options
from lumina_schemas.topics import CALLS, SETTINGS

SEEN_S = 30.0


async def set_price(stack: Stack, id: str, value: bytes | None) -> None:
    settings = stack.settings
    async with AIOKafkaProducer(**client_options(settings), acks="all") as producer:
        await producer.send_and_wait(settings.topic(SETTINGS), value, key=f"prices/{id}".encode())


async def cost_of_a_call(stack: Stack, seed: int) -> tuple[float | None, str]:
    """Send one call and return its cost and price version, as REST shows them."""
    (call,) = normal_calls(random.Random(seed), 1, time.time_ns())
    async with httpx.AsyncClient() as client:
        response = await client.post(
            f"{stack.otlp}/v1/traces",
            content=request([call]).SerializeToString(),
            headers={"content-type": "application/x-protobuf"},
        )
        assert response.status_code == 200
    found: list[dict[str, object]] = []

    async def shown() -> bool:
        answer = await stack.get("/api/v1/calls", project="e2e", trace_id=call.trace_id.hex())
        found[:] = answer["items"]
        return bool(found)

    await eventually(shown, SEEN_S, lambda: "the call does not appear")
    usd = found[0]["cost_usd"]
    assert usd is None or isinstance(usd, float)
    return usd, str(found[0]["price_version"])


async def test_prices_hold_from_the_first_call_and_change_without_a_restart(
    stack: Stack, tmp_path: Path
) -> None:
    path = tmp_path / "prices.toml"
    path.write_text('[prices.all]\nmodel = "*"\ninput = 0\noutput = 0\nrequest = 2\n')
    stack.env |= {"LUMINA_PRICES_FILE": str(path), "LUMINA_CALLS_TOPIC": "1"}
    await provision(stack.settings.model_copy(update={"calls_topic": True}))
    await set_price(stack, "all", b'{"model":"*","input":0,"output":0,"request":1}')
    for number in range(200):  # to be read before it
        await set_price(stack, f"m{number}", b'{"model":"m%d","input":1}' % number)
    await stack.start("gateway", "stream", "api")

    usd, version = await cost_of_a_call(stack, 1)
    assert usd == 1.0
    assert version.startswith("settings:prices/all@")

    await set_price(stack, "all", b'{"model":"*","input":0,"output":0,"request":3}')
    await until_costs(stack, 3.0)
    await set_price(stack, "all", b"nothing")  # ignored, and the file's price is in force
    await until_costs(stack, 2.0)
    await set_price(stack, "all", None)
    usd, version = await cost_of_a_call(stack, 99)
    assert usd == 2.0
    assert version.startswith("file:all@")

    topic = stack.settings.topic(CALLS)
    async with AIOKafkaConsumer(
        topic, **client_options(stack.settings), auto_offset_reset="earliest"
    ) as consumer:
        message = await consumer.getone()
    call = msgspec.json.decode(message.value)
    assert (call["type"], call["cost_usd"]) == ("call", 1.0)  # the first one: all are of one series
    assert message.key == call["series_id"].encode()


async def until_costs(stack: Stack, usd: float) -> None:
    """Send calls until one costs so much: a change comes within a moment, and holds for what comes then."""
    seed = 1_000

    async def costs() -> bool:
        nonlocal seed
        seed += 1
        return (await cost_of_a_call(stack, seed))[0] == usd

    await eventually(costs, SEEN_S, lambda: f"calls do not come to cost {usd}")
