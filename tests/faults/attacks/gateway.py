"""Attacks on the gateway: killed, told to stop, with Kafka gone, deaf or slow, and with hostile requests."""

import asyncio
import gzip
import random
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

import grpc
import httpx
from grpc import aio

from e2e.stack import Process, eventually
from e2e.truth import records
from faults.arena import Arena
from faults.attack import Outcome, attack
from faults.exporter import GRPC_METHOD, PATIENCE_S, PROTOBUF, Heard, Senders, chunks, watched
from faults.rows import rows
from lumina_streams.core.otlp import TRACES, decode_traces
from lumina_streams.core.otlp.wire import length_delimited

MB = 1_000_000
MIB = 1024 * 1024

# What is promised.
REFUSED_IN_S = 2.0
DRAINED_IN_S = 30.0
SLOWER_S = 0.2
SLOW_P99_S = 1.0
STOPPED_IN_S = 10.0
GROWTH_BYTES = 100 * MB
ANSWERED_IN_S = 1.0

# What the gateway holds is bounded by LUMINA_MAX_BODY_BYTES; each byte of it is there up to three times: as
# it was read, as it was decoded, and in Kafka's batch.
HELD_TIMES = 3

# More at once than it may hold.
BURST = (30, 2_500_000)

SETTLE_S = 60.0


async def kept(arena: Arena, heard: Heard) -> Outcome:
    """What became of the accepted spans on Kafka and, once they show all that is there, in the views."""
    on_kafka: set[str] = set()
    for record in await records(arena.settings, arena.settings.topic("otlp")):
        on_kafka.update(bytes(span.span_id).hex() for span in TRACES.each(decode_traces(record.value)))
    outcome = Outcome(broken=sorted(heard.broken))
    if missing := len(heard.accepted - on_kafka):
        outcome.broken.append(f"{missing} spans were answered with success and are not on Kafka")
    calls = 0

    async def shown() -> bool:
        nonlocal calls
        calls = (await arena.stack.get("/api/v1/costs/breakdown", since="2h"))["totals"]["calls"]
        return bool(calls >= len(on_kafka))

    try:
        await eventually(shown, SETTLE_S, lambda: f"the views show {calls} of {len(on_kafka)} spans")
    except AssertionError as error:
        outcome.broken.append(str(error))
    (api,) = (process for process in arena.stack.processes if process.name == "api" and process.running)
    await asyncio.to_thread(api.stop)
    path = arena.settings.data_dir / "views.duckdb"
    spans = Counter(str(row[3]) for row in await asyncio.to_thread(rows, path) if row[0] == "spans")
    outcome.lost, outcome.duplicated = len(heard.accepted - spans.keys()), spans.total() - len(spans)
    return outcome


@attack("kill -9 of the gateway under 500 spans/s")
async def gateway_kill_9(arena: Arena) -> Outcome:
    """What it answered with success is on Kafka; what it had not answered is sent again."""
    rng = random.Random(31)
    gateway, *_ = await arena.stack.start("gateway", "stream", "api")
    senders = Senders(arena.stack, 31)
    senders.http(10, every_s=0.1)
    resumed = []
    for _ in range(20 if arena.thorough else 5):
        await asyncio.sleep(0.3 + rng.random())  # in mid-request: the moment is what is tested
        gateway.kill()
        began = time.monotonic()
        (gateway,) = await arena.stack.start("gateway")
        resumed.append(time.monotonic() - began)
    await asyncio.sleep(0.5)
    heard = await senders.stop()
    outcome = await kept(arena, heard)
    outcome.resume_s = max(resumed)
    if len(heard.accepted) < 500:
        outcome.broken.append(f"only {len(heard.accepted)} spans were taken: too few to prove anything")
    return outcome


async def _away(arena: Arena, go: Callable[[], object], come: Callable[[], object]) -> Outcome:
    """Kafka goes away under load and comes back. Small, large and gRPC requests go on all the time."""
    assert arena.broker
    gateway, _ = await arena.stack.start("gateway", "api")
    senders = Senders(arena.stack, 32)
    heard = senders.heard
    senders.http(6, every_s=0.1)
    senders.grpc(2, every_s=0.1)
    senders.http(2, every_s=1.0, size=MB)

    async def begun() -> bool:
        return len(heard.accepted) > 300

    await eventually(begun, SETTLE_S, lambda: f"nothing is taken: {heard.answers} {heard.broken}")
    before = heard.answers.copy()
    async with watched(gateway) as memory:
        await _called(go)
        ended = time.monotonic() + (60 if arena.thorough else 10)
        while time.monotonic() < ended:  # the outage
            await senders.burst(*BURST)
            await asyncio.sleep(2)
        refused = heard.answers["503"] - before["503"], heard.answers["UNAVAILABLE"] - before["UNAVAILABLE"]
        await _called(come)
        returned = time.monotonic()

        async def taken_again() -> bool:
            return heard.last_success > returned

        await eventually(taken_again, SETTLE_S, lambda: f"nothing is taken again: {heard.answers}")
        resumed = time.monotonic() - returned
        await arena.stack.start("stream")
        await senders.stop()
    outcome = await kept(arena, heard)
    outcome.resume_s = resumed
    drained = time.monotonic() - returned
    if not all(refused):
        outcome.broken.append(f"refused in the outage over (HTTP, gRPC): {refused}: none proves nothing")
    if heard.slowest > REFUSED_IN_S:
        outcome.broken.append(f"an answer took {heard.slowest:.2f} s, {REFUSED_IN_S:g} s are promised")
    if memory.growth > HELD_TIMES * arena.settings.max_body_bytes:
        outcome.broken.append(f"the gateway grew by {memory.growth / MB:.0f} MB")
    if drained > DRAINED_IN_S:
        outcome.broken.append(f"drained after {drained:.1f} s, {DRAINED_IN_S:g} s are promised")
    return outcome


async def _called(change: Callable[[], object]) -> None:
    found = change()
    if asyncio.iscoroutine(found):
        await found


@attack("the broker is killed and comes back", own_broker=True)
async def broker_away(arena: Arena) -> Outcome:
    """Connections are refused: 60 s of it in `make faults`."""
    assert arena.broker
    return await _away(arena, arena.broker.kill, arena.broker.start)


@attack("the broker stalls and goes on", own_broker=True)
async def broker_stalls(arena: Arena) -> Outcome:
    """Connections stay open and nothing is answered, for 60 s in `make faults`."""
    assert arena.broker
    return await _away(arena, arena.broker.pause, arena.broker.resume)


@attack("the broker answers 200 ms later", own_broker=True)
async def broker_slow(arena: Arena) -> Outcome:
    """Under 500 spans/s: answers come in time, and none is an error but 503.

    A request may wait for the one that is under way to the broker, then for its own: two round trips.
    """
    assert arena.proxy
    await arena.stack.start("gateway", "stream", "api")
    senders = Senders(arena.stack, 33)
    senders.http(50, every_s=0.5)
    arena.proxy.delay_s = SLOWER_S / 2  # there, and back
    await asyncio.sleep(60 if arena.thorough else 10)  # what is measured
    heard = await senders.stop()
    arena.proxy.delay_s = 0.0
    outcome = await kept(arena, heard)
    limit_s = SLOW_P99_S if arena.thorough else 2 * SLOW_P99_S  # two attacks share the suite's machine
    if heard.percentile(0.99) > limit_s:
        outcome.broken.append(f"p99 of ingest {heard.percentile(0.99):.2f} s, {limit_s:g} s are promised")
    if not heard.accepted:
        outcome.broken.append(f"nothing was taken: {heard.answers}")
    return outcome


def _bombs() -> Iterator[tuple[str, dict[str, str], bytes | list[bytes], int]]:
    """(what, headers, body, status) of requests that cost their sender little and must cost us little."""
    json, gzipped = {"content-type": "application/json"}, {"content-encoding": "gzip"}
    zeros = _zeros(1000 * MB)
    yield "gzip bomb, 1 MB to 1 GB", PROTOBUF | gzipped, zeros, 413
    yield "gzip bomb, 1 MB to 1 GB, as JSON", json | gzipped, zeros, 413
    nested = gzip.compress(zeros)
    assert len(nested) < 10_000
    yield "deflate bomb", PROTOBUF | {"content-encoding": "deflate"}, _zeros(1000 * MB, 15), 413
    yield "gzip bomb in a gzip, 10 kB to 1 GB", PROTOBUF | gzipped, nested, 400
    yield "the same, both named", PROTOBUF | {"content-encoding": "gzip, gzip"}, nested, 415
    yield "65 MiB", PROTOBUF, bytes(65 * MIB), 413
    yield "65 MiB without a length", PROTOBUF, list(chunks(bytes(65 * MIB), MIB)), 413
    million = length_delimited(2, length_delimited(1, bytes(16))) * 1_000_000
    yield "1e6 spans", PROTOBUF, _one_scope(million), 413
    yield "1e6 spans, compressed", PROTOBUF | gzipped, gzip.compress(_one_scope(million), 1), 413
    yield "1e6 groups", PROTOBUF, b"\x0a\x00" * 1_000_000, 413
    yield "1e6 empty spans", PROTOBUF, _one_scope(b"\x12\x00" * 1_000_000), 413
    yield "1e7 groups", PROTOBUF, b"\x0a\x00" * 10_000_000, 413
    spans = b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}'
    yield "1e6 spans in JSON", json, spans % (b"{}," * 999_999 + b"{}"), 413
    yield "4e5 groups in JSON", json, b'{"resourceSpans":[' + b"{}," * 400_000 + b"{}]}", 413
    value = b'{"attributes":[{"key":"k","value":%s}]}'
    array, end = b'{"arrayValue":{"values":[', b"]}}"
    yield "deep nesting in JSON", json, spans % (value % (array * 20_000 + b"{}" + end * 20_000)), 400
    yield "deep nesting in JSON, never closed", json, b"[" * 10 * MB, 413
    yield "deep nesting in JSON, never closed, less", json, b"[" * (MB // 2), 400
    yield "deep nesting", PROTOBUF, _one_scope(length_delimited(2, _deep_attribute(20_000))), 400


def _zeros(size: int, window_bits: int = 31) -> bytes:
    """So many zeros, compressed a thousand times smaller."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    piece = bytes(10 * MB)
    return b"".join(packer.compress(piece) for _ in range(size // len(piece))) + packer.flush()


def _one_scope(spans: bytes) -> bytes:
    return length_delimited(1, length_delimited(2, spans))


def _deep_attribute(depth: int) -> bytes:
    """An attribute of arrays in arrays."""
    value = b"\x18\x01"
    for _ in range(depth):
        value = length_delimited(5, length_delimited(1, value))
    return length_delimited(9, length_delimited(1, b"k") + length_delimited(2, value))


@attack("gzip bombs, 65 MiB, a million spans, deep nesting")
async def hostile_requests(arena: Arena) -> Outcome:
    """Each is refused in time and without memory; what honest senders send meanwhile is taken."""
    gateway, *_ = await arena.stack.start("gateway", "stream", "api")
    senders = Senders(arena.stack, 34)
    senders.http(2, every_s=0.1)
    broken = []
    # In the suite two attacks share the machine: whole stacks compete with the decoding of a million spans.
    limit_s = ANSWERED_IN_S if arena.thorough else 4 * ANSWERED_IN_S
    bombs = _bombs()
    async with httpx.AsyncClient(base_url=arena.stack.otlp, timeout=PATIENCE_S) as client:
        while bomb := await asyncio.to_thread(next, bombs, None):
            what, headers, body, status = bomb
            async with watched(gateway) as memory:
                began = time.monotonic()
                content = body if isinstance(body, bytes) else _pieces(body)
                answer = await client.post("/v1/traces", content=content, headers=headers)
                took = time.monotonic() - began
            if answer.status_code != status:
                broken.append(f"{what}: {answer.status_code}, not {status}")
            if took > limit_s:
                broken.append(f"{what}: answered after {took:.2f} s, {limit_s:g} s are promised")
            if memory.growth > GROWTH_BYTES:
                broken.append(f"{what}: the gateway grew by {memory.growth / MB:.0f} MB")
    for what, body, packing in (
        ("65 MiB over gRPC", bytes(65 * MIB), grpc.Compression.NoCompression),
        ("gzip bomb over gRPC, 0.2 MB to 200 MB", bytes(200 * MB), grpc.Compression.Gzip),
    ):
        async with watched(gateway) as memory:
            code = await _called_by_grpc(arena, body, packing)
        if code is not grpc.StatusCode.RESOURCE_EXHAUSTED:
            broken.append(f"{what}: {code}")
        if memory.growth > GROWTH_BYTES:
            broken.append(f"{what}: the gateway grew by {memory.growth / MB:.0f} MB")
    heard = await senders.stop()
    outcome = await kept(arena, heard)
    outcome.broken += broken
    if not heard.accepted:
        outcome.broken.append(f"honest senders were answered {dict(heard.answers)}")
    return outcome


async def _called_by_grpc(arena: Arena, body: bytes, packing: grpc.Compression) -> grpc.StatusCode:
    """The answer's code."""
    async with aio.insecure_channel(f"127.0.0.1:{arena.stack.grpc_port}", compression=packing) as channel:
        try:
            await channel.unary_unary(GRPC_METHOD)(body, timeout=PATIENCE_S)
        except aio.AioRpcError as error:
            code: grpc.StatusCode = error.code()
            return code
    return grpc.StatusCode.OK


async def _pieces(pieces: list[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


UPLOADING = (
    b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-protobuf\r\n"
    b"content-length: 10000\r\n\r\n" + bytes(100)
)


@attack("SIGTERM of gateway and api under load, with Kafka there and with Kafka deaf", own_broker=True)
async def sigterm_under_load(arena: Arena) -> Outcome:
    """Each ends in time with exit status 0, whatever its clients are at."""
    assert arena.proxy
    broken: list[str] = []
    senders = Senders(arena.stack, 36)
    for path in (arena.stack.otlp, arena.stack.api_url):
        senders.http(5, every_s=0.05, path=path)
    senders.grpc(3, every_s=0.05)
    heard = senders.heard

    async def stopped(process: Process, said: str) -> None:
        began = time.monotonic()
        code = await asyncio.to_thread(process.stop, 3 * STOPPED_IN_S)
        took = time.monotonic() - began
        if code:
            broken.append(f"{process.name} {said}: exit status {code}")
        if took > STOPPED_IN_S:
            broken.append(f"{process.name} {said}: ended after {took:.1f} s, {STOPPED_IN_S:g} s are promised")

    for said in ("under load", "with Kafka deaf"):
        processes = await arena.stack.start("gateway", "api")
        before = len(heard.accepted)

        async def begun(before: int = before) -> bool:
            return len(heard.accepted) > before + 200

        await eventually(begun, SETTLE_S, lambda: f"nothing is taken: {heard.answers} {heard.broken}")
        # Clients in the middle of a request that they never end.
        half = [
            await asyncio.open_connection("127.0.0.1", port)
            for port in (arena.stack.otlp_port, arena.stack.api_port)
        ]
        for _, writer in half:
            writer.write(UPLOADING)
            await writer.drain()
        arena.proxy.deaf(said == "with Kafka deaf")
        await asyncio.sleep(0.5)  # requests are under way
        await asyncio.gather(*(stopped(process, said) for process in processes))
        for _, writer in half:
            writer.close()
    arena.proxy.deaf(False)
    await senders.stop()
    # A server that goes says so in words of gRPC's own, which clients take for "send it again" as well.
    heard.broken -= {"gRPC UNAVAILABLE without RetryInfo", "gRPC CANCELLED instead of UNAVAILABLE"}
    await arena.stack.start("stream", "api")
    outcome = await kept(arena, heard)
    outcome.broken += broken
    return outcome
