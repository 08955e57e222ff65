"""Senders that behave as OTel's exporters do: what is not taken is sent again, until it is."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import psutil
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from grpc import aio

from e2e.otlp_calls import normal_calls, request
from e2e.stack import Process, Stack

PROTOBUF = {"content-type": "application/x-protobuf"}
GRPC_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

SPANS = 5
"""A request."""

PATIENCE_S = 10.0
"""A sender that hears nothing for so long says that the gateway hangs."""


@dataclass
class Heard:
    """What all senders of an attack were answered."""

    accepted: set[str] = field(default_factory=set)
    """Ids of the spans that were answered with success."""
    answers: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """How long each answer took, broken connections aside."""
    last_success: float = 0.0
    """When (monotonic) the latest request was sent that was answered with success."""
    broken: set[str] = field(default_factory=set)

    def note(self, answer: str, began: float) -> None:
        """Count one answer."""
        self.answers[answer] += 1
        self.seconds.append(time.monotonic() - began)

    def kept(self, ids: list[str], began: float) -> None:
        """These spans were answered with success."""
        self.accepted.update(ids)
        self.last_success = max(self.last_success, began)

    def percentile(self, share: float) -> float:
        """The time within which that share of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    @property
    def slowest(self) -> float:
        """The longest time that an answer took."""
        return max(self.seconds)


class Senders:
    """Tasks that send traffic to a stack's gateway until `stop`."""

    def __init__(self, stack: Stack, seed: int) -> None:
        self.heard = Heard()
        self._stack = stack
        self._seeds = itertools.count(seed * 1000)
        self._stopped = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def http(self, count: int, every_s: float, size: int = 0, path: str = "") -> None:
        """Add senders of a request each `every_s`, its spans padded so that it has about `size` bytes."""
        url = (path or self._stack.otlp) + "/v1/traces"
        for _ in range(count):
            self._tasks.append(asyncio.create_task(self._over_http(url, every_s, size)))

    def grpc(self, count: int, every_s: float) -> None:
        """The same over gRPC."""
        for _ in range(count):
            self._tasks.append(asyncio.create_task(self._over_grpc(every_s)))

    async def burst(self, count: int, size: int) -> None:
        """So many requests of that size at once, each from a sender that gives up when it is refused."""
        rng = random.Random(next(self._seeds))
        (call,) = normal_calls(rng, 1, time.time_ns(), project="burst")
        call = replace(call, question=rng.randbytes(size // 2).hex())
        body = request([call]).SerializeToString()
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(timeout=PATIENCE_S, limits=limits) as client:

            async def send() -> None:
                began = time.monotonic()
                url = self._stack.otlp + "/v1/traces"
                answer = await client.post(url, content=body, headers=PROTOBUF)
                self.heard.note(str(answer.status_code), began)
                if answer.status_code != 200:
                    self._refused(answer)

            await asyncio.gather(*(send() for _ in range(count)))

    async def stop(self) -> Heard:
        """Let each sender end what it is at, or give it up where it is not taken now."""
        self._stopped.set()
        await asyncio.gather(*self._tasks)
        return self.heard

    async def _over_http(self, url: str, every_s: float, size: int) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
            async for body, ids in self._requests(every_s, size):
                while True:
                    began, wait_s = time.monotonic(), 0.1
                    try:
                        answer = await client.post(url, content=body, headers=PROTOBUF)
                    except httpx.TimeoutException:
                        self.heard.broken.add(f"a request hung for {PATIENCE_S:.0f} s")
                    except httpx.TransportError:
                        pass  # killed, or not there yet
                    else:
                        self.heard.note(str(answer.status_code), began)
                        if answer.status_code == 200:
                            self.heard.kept(ids, began)
                            break
                        wait_s = self._refused(answer)
                    if self._stopped.is_set():
                        return
                    await asyncio.sleep(wait_s)

    def _refused(self, answer: httpx.Response) -> float:
        """Seconds to wait."""
        if answer.status_code != 503:
            self.heard.broken.add(f"HTTP {answer.status_code} instead of 503")
        elif not answer.headers.get("retry-after", "").isdecimal():
            self.heard.broken.add("HTTP 503 without Retry-After")
        else:
            return int(answer.headers["retry-after"])
        return 1.0

    async def _over_grpc(self, every_s: float) -> None:
        async with aio.insecure_channel(f"127.0.0.1:{self._stack.grpc_port}") as channel:
            export: Any = channel.unary_unary(GRPC_METHOD)
            async for body, ids in self._requests(every_s, 0):
                while True:
                    began = time.monotonic()
                    try:
                        await export(body, timeout=PATIENCE_S)
                    except aio.AioRpcError as error:
                        self.heard.note(error.code().name, began)
                        self._refused_by_grpc(error)
                    else:
                        self.heard.note("OK", began)
                        self.heard.kept(ids, began)
                        break
                    if self._stopped.is_set():
                        return
                    await asyncio.sleep(1)

    def _refused_by_grpc(self, error: aio.AioRpcError) -> None:
        if error.code().name != "UNAVAILABLE":
            self.heard.broken.add(f"gRPC {error.code().name} instead of UNAVAILABLE")
            return
        details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
        status = Status.FromString(details)
        if not any(detail.Is(RetryInfo.DESCRIPTOR) for detail in status.details):
            self.heard.broken.add("gRPC UNAVAILABLE without RetryInfo")

    async def _requests(self, every_s: float, size: int) -> AsyncIterator[tuple[bytes, list[str]]]:
        """Encoded requests and the ids in them, in step with the clock where the gateway keeps up."""
        rng = random.Random(next(self._seeds))
        await asyncio.sleep(every_s * rng.random())
        due = time.monotonic()
        while not self._stopped.is_set():
            calls = normal_calls(rng, SPANS, time.time_ns())
            if size:
                noise = rng.randbytes(size // SPANS // 2).hex()
                calls = [replace(call, question=noise) for call in calls]
            yield request(calls).SerializeToString(), [call.span_id.hex() for call in calls]
            due = max(due + every_s, time.monotonic())
            await asyncio.sleep(due - time.monotonic())


class Memory:
    """Resident memory of a process, watched."""

    def __init__(self, process: Process) -> None:
        self._process = psutil.Process(process.pid)
        self._before = self._process.memory_info().rss
        self._most = self._before

    @property
    def growth(self) -> int:
        """Bytes by which it has grown at most."""
        return self._most - self._before

    async def _watch(self) -> None:
        while True:
            self._most = max(self._most, self._process.memory_info().rss)
            await asyncio.sleep(0.02)


@asynccontextmanager
async def watched(process: Process) -> AsyncIterator[Memory]:
    """Watch the memory of a process for the length of the block."""
    memory = Memory(process)
    task = asyncio.create_task(memory._watch())
    try:
        yield memory
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    """The data in pieces."""
    return (data[start : start + size] for start in range(0, len(data), size))
