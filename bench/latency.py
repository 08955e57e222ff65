"""From a span sent to the gateway to its alert readable on `lumina.alerts`, under steady load.

Every series learns first. Then, under load, one series after the other gets a single call far dearer
than any before it, which alone must raise a cost spike: the time from the start of that request to the
alert arriving at a plain Kafka consumer is one sample.
"""

import argparse
import asyncio
import json
import statistics
import time
from datetime import datetime

import aiohttp
from aiokafka import AIOKafkaConsumer

from machine import facts
from stack import Memory, running_stack
from traffic import Batch, Call

PROJECT = "bench"


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


async def measure(stack: dict[str, object], options: argparse.Namespace) -> dict[str, object]:
    """Teach, then load and provoke; returns the percentiles in milliseconds."""
    otlp = f"{stack['otlp_http']}/v1/traces"
    per = options.spans_per_request
    quiet = [Call("steady", f"endpoint-{n}") for n in range(50)]
    provoked = [Call("provoked", f"endpoint-{n}") for n in range(options.alerts)]
    consumer = AIOKafkaConsumer(
        f"{stack['topic_prefix']}alerts",
        bootstrap_servers=stack["kafka"],
        auto_offset_reset="earliest",
        fetch_max_wait_ms=5,
    )
    await consumer.start()
    arrived: dict[str, float] = {}
    detected: dict[str, float] = {}
    sent_at: dict[str, float] = {}
    memory = Memory(stack["pids"])  # type: ignore[arg-type]

    async def listen() -> None:
        async for record in consumer:
            alert = json.loads(record.value)
            if alert["service"] == "provoked":
                arrived.setdefault(alert["endpoint"], time.time())
                seen = datetime.fromisoformat(alert["detected_at"]).timestamp()
                detected.setdefault(alert["endpoint"], seen)

    listener = asyncio.create_task(listen())
    try:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=128)) as session:

            async def post(body: bytes) -> float:
                begin = time.monotonic()
                async with session.post(
                    otlp, data=body, headers={"content-type": "application/x-protobuf"}
                ) as response:
                    response.raise_for_status()
                return begin

            now = time.time_ns()
            for turn in range(options.history):
                at = now - (options.history - turn) * 20_000_000_000
                for start in range(0, len(provoked), 100):
                    await post(Batch(provoked[start : start + 100], turn, PROJECT).stamped(at))
            await asyncio.sleep(options.settle)

            steady = [
                Batch([quiet[(start + index) % len(quiet)] for index in range(per)], start, PROJECT)
                for start in range(50)
            ]
            dear = [Batch([Call("provoked", call.endpoint, 20_000, 6_000)], 1, PROJECT) for call in provoked]
            requests = round(options.rate / per)
            total = round(options.seconds * requests)
            every = max(1, total // len(dear))
            pending: set[asyncio.Task[object]] = set()
            answers: list[float] = []

            async def timed(body: bytes) -> None:
                begin = await post(body)
                answers.append((time.monotonic() - begin) * 1000)

            async def provoke(endpoint: str, body: bytes) -> None:
                sent_at[endpoint] = time.time()
                await post(body)

            begin = time.monotonic()
            for number in range(total):
                due = begin + number / requests
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                task: asyncio.Task[object] = asyncio.create_task(timed(steady[number % 50].stamped()))
                pending.add(task)
                task.add_done_callback(pending.discard)
                if number % every == every // 2 and number // every < len(dear):
                    which = number // every
                    task = asyncio.create_task(provoke(provoked[which].endpoint, dear[which].stamped()))
                    pending.add(task)
                    task.add_done_callback(pending.discard)
            took = time.monotonic() - begin
            await asyncio.gather(*pending)
            deadline = time.monotonic() + 20
            while set(sent_at) - set(arrived) and time.monotonic() < deadline:
                await asyncio.sleep(0.05)
            memory.sample()
    finally:
        listener.cancel()
        await consumer.stop()
    early = [endpoint for endpoint in arrived if arrived[endpoint] < sent_at.get(endpoint, 0)]
    counted = [endpoint for endpoint in sent_at if endpoint in arrived and endpoint not in early]
    delays = [(arrived[endpoint] - sent_at[endpoint]) * 1000 for endpoint in counted]
    to_detect = [(detected[endpoint] - sent_at[endpoint]) * 1000 for endpoint in counted]
    to_reader = [(arrived[endpoint] - detected[endpoint]) * 1000 for endpoint in counted]
    return {
        "bench": "latency",
        "spans_per_s": round(total * per / took),
        "spans_per_request": per,
        "provoked": len(sent_at),
        "alerts": len(delays),
        "missed": len(set(sent_at) - set(arrived)),
        "early": len(early),
        "p50_ms": percentile(delays, 0.50),
        "p95_ms": percentile(delays, 0.95),
        "p99_ms": percentile(delays, 0.99),
        "max_ms": round(max(delays), 1),
        "mean_ms": round(statistics.fmean(delays), 1),
        "until_detect_p50_ms": percentile(to_detect, 0.50),
        "until_detect_p99_ms": percentile(to_detect, 0.99),
        "after_detect_p50_ms": percentile(to_reader, 0.50),
        "after_detect_p99_ms": percentile(to_reader, 0.99),
        "gateway_p50_ms": percentile(answers, 0.50),
        "gateway_p99_ms": percentile(answers, 0.99),
        "peak_mb": memory.peak_mb,
        "machine": facts(),
    }


def main() -> None:
    """Run the bench and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1160, help="spans a second (1,160 = 100 million a day)")
    parser.add_argument("--spans-per-request", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--alerts", type=int, default=300, help="series to provoke, one after the other")
    parser.add_argument(
        "--history", type=int, default=220, help="calls that each provoked series learns from"
    )
    parser.add_argument("--settle", type=float, default=5, help="seconds between teaching and load")
    options = parser.parse_args()
    with running_stack() as stack:
        print(json.dumps(asyncio.run(measure(stack, options))))


if __name__ == "__main__":
    main()
