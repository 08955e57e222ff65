"""Spans a second from OTLP/HTTP to visible through REST, sustained, broker and sender on the same machine.

The sender keeps a bounded number of spans on their way (sent, not yet visible), so the figure is what the
whole pipeline carries, not what the gateway can pile up.
"""

import argparse
import asyncio
import json
import time

import aiohttp

from machine import facts
from stack import Memory, running_stack
from traffic import Batch, Call

PROJECT = "bench"

LOOK_EVERY_S = 0.75
"""A look sums up every call of the run so far: dear enough to be kept rare."""


async def visible(session: aiohttp.ClientSession, api: str) -> int:
    """Calls that REST counts now."""
    async with session.get(
        f"{api}/api/v1/costs/breakdown", params={"project": PROJECT, "since": "2h"}
    ) as response:
        response.raise_for_status()
        totals = (await response.json())["totals"]
        return int(totals["calls"])


async def measure(stack: dict[str, object], options: argparse.Namespace) -> dict[str, object]:
    """Send for the given time, wait until all is visible, say what was reached."""
    api, otlp = str(stack["api"]), f"{stack['otlp_http']}/v1/traces"
    series = [Call(f"service-{n % 10}", f"endpoint-{n}") for n in range(options.series)]
    per = options.spans_per_request
    batches = [
        Batch([series[(start + index) % len(series)] for index in range(per)], start, PROJECT)
        for start in range(0, 400, 20)
    ]
    memory = Memory(stack["pids"])  # type: ignore[arg-type]
    sent = seen = 0
    refused = 0
    samples: list[tuple[float, int, int]] = []
    done = asyncio.Event()
    cpu_before = memory.cpu_s()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:
        begin = time.monotonic()

        async def sender(which: int) -> None:
            nonlocal sent, refused
            turn = which
            while time.monotonic() - begin < options.seconds:
                ahead = options.rate * (time.monotonic() - begin) if options.rate else float("inf")
                if sent - seen >= options.outstanding or sent >= ahead:
                    await asyncio.sleep(0.01)
                    continue
                sent += per
                turn += options.connections
                body = batches[turn % len(batches)].stamped()
                async with session.post(
                    otlp, data=body, headers={"content-type": "application/x-protobuf"}
                ) as response:
                    if response.status != 200:
                        refused += per
                        sent -= per
                        await asyncio.sleep(0.1)

        async def watcher() -> None:
            nonlocal seen
            while not done.is_set():
                seen = await visible(session, api)
                memory.sample()
                samples.append((round(time.monotonic() - begin, 2), sent, seen))
                await asyncio.sleep(LOOK_EVERY_S)

        watch = asyncio.create_task(watcher())
        await asyncio.gather(*(sender(n) for n in range(options.connections)))
        sending = time.monotonic() - begin
        while seen < sent and time.monotonic() - begin < options.seconds + 60:
            await asyncio.sleep(0.05)
        took = time.monotonic() - begin
        done.set()
        await watch
    cpu = {name: round(after - cpu_before[name], 1) for name, after in memory.cpu_s().items()}
    half = [sample for sample in samples if sample[0] >= options.seconds / 2]
    return {
        "bench": "throughput",
        "spans_per_s": round(seen / took),
        "sent": sent,
        "visible": seen,
        "refused": refused,
        "sending_s": round(sending, 1),
        "took_s": round(took, 1),
        "max_behind": max(s - v for _, s, v in samples),
        "second_half_spans_per_s": round((half[-1][2] - half[0][2]) / (half[-1][0] - half[0][0])),
        "spans_per_request": per,
        "series": options.series,
        "span_bytes": round(len(batches[0].stamped()) / per),
        "peak_mb": memory.peak_mb,
        "last_mb": memory.last_mb,
        "cpu_s": cpu,
        "machine": facts(),
    }


def main() -> None:
    """Run the bench and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=float, default=0, help="spans a second to offer; 0 = as many as pass")
    parser.add_argument("--outstanding", type=int, default=20_000, help="spans on their way at most")
    parser.add_argument("--spans-per-request", type=int, default=100)
    parser.add_argument("--series", type=int, default=50)
    parser.add_argument("--connections", type=int, default=4)
    options = parser.parse_args()
    with running_stack() as stack:
        print(json.dumps(asyncio.run(measure(stack, options))))


if __name__ == "__main__":
    main()
