"""How long REST takes over a file of ten million spans, while two thousand spans a second arrive.

The file is made first (`views_file.py`; two to three minutes), or taken from `--file`. Then a broker and an
api process start; a process of its own writes normalised spans and scores to Kafka, another asks. Gateway and
workers are left out: on a cluster they are other machines.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import psutil
from aiokafka import AIOKafkaProducer

import views_file
from lumina_api.provision import provision
from lumina_api.stack.broker import running_broker
from lumina_api.stack.environment import environment
from lumina_api.stack.ports import free_port
from lumina_schemas.settings import Settings
from machine import facts

SPANS_PER_MESSAGE = 50
SEND_EVERY_S = 0.05


class Question(NamedTuple):
    """One way to ask; `limit_ms` is what p99 has to stay below."""

    name: str
    path: str
    limit_ms: float
    share: int = 10
    """How often it is asked, against the others."""


QUESTIONS = (
    Question("trace list, three filters", "traces?project=shop&service=search&model=gpt-4o&limit=50", 50),
    Question("trace list, newest", "traces?limit=50", 50),
    Question("trace list, costliest of the day", "traces?project=shop&order=costliest&limit=50", 50),
    Question("trace detail", "traces/{trace_id}", 50),
    Question("cost timeline 24 h", "costs/timeline?interval=15m", 50),
    Question("breakdown 24 h, two dimensions", "costs/breakdown?group_by=service&group_by=model", 50),
    Question("alerts list", "alerts?limit=50", 50),
    Question("breakdown 7 d", "costs/breakdown?group_by=service&group_by=model&since=7d", 150),
    Question("latency breakdown 7 d", "latency/breakdown?group_by=service&since=7d", 150),
    Question("quality breakdown 7 d", "quality/breakdown?group_by=service&since=7d", 150),
    Question("text within 24 h", "traces?text=quibra%20shaom&limit=50", 1000, 1),
)


async def produce(settings: Settings, rate: float, seconds: float) -> None:
    """Write spans of new traces, and the scores of their calls, at this rate."""
    rng = random.Random(1)
    text = " ".join(rng.choices(["order", "refund", "parcel", "answer", "question", "policy"], k=80))
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap_servers, acks="all", linger_ms=5)
    await producer.start()
    begin, sent, number = time.monotonic(), 0, 0
    try:
        while (passed := time.monotonic() - begin) < seconds:
            lines: list[bytes] = []
            scores: list[bytes] = []
            while sent < passed * rate and len(lines) < 500:
                number += 1
                for line, score in trace_lines(rng, number, text):
                    lines.append(line)
                    scores += [score] if score else []
                sent += views_file.PER_TRACE
            for first in range(0, len(lines), SPANS_PER_MESSAGE):
                value = b"\n".join(lines[first : first + SPANS_PER_MESSAGE])
                await producer.send(settings.topic("spans"), value)
            if scores:
                await producer.send(settings.topic("scores"), b"\n".join(scores))
            await asyncio.sleep(SEND_EVERY_S)
        await producer.flush()
    finally:
        await producer.stop()
    print(json.dumps({"sent": sent}))


def trace_lines(rng: random.Random, number: int, text: str) -> Iterator[tuple[bytes, bytes | None]]:
    """The lines of one trace as normalise writes them; calls with the line of their score."""
    now, trace_id = time.time_ns(), f"{rng.getrandbits(128):032x}"
    root = f"{rng.getrandbits(64):016x}"
    service = views_file.SERVICES[number % len(views_file.SERVICES)]
    provider, model = views_file.MODELS[number % len(views_file.MODELS)]
    for place, kind in enumerate(("span", "agent", "llm", "llm", "retrieval")):
        call = kind == "llm"
        span_id = f"{rng.getrandbits(64):016x}" if place else root
        line: dict[str, Any] = {
            "type": "span",
            "v": 1,
            "src": ["live", "otlp", number % 8, number, place],
            "series_id": f"{number % 40:016x}",
            "trace_id": trace_id,
            "span_id": span_id,
            "parent_span_id": root if place else "",
            "project": views_file.PROJECTS[number % 2],
            "service": service,
            "endpoint": f"/endpoint-{1 + number % 5}",
            "environment": "production",
            "name": f"chat {model}" if call else kind,
            "kind": kind,
            "start_ns": now + place,
            "duration_ms": 500.0 + number % 900,
            "status": "ok" if call else "unset",
            "session_id": f"session-{number // 8}",
            "user_id": f"user-{number % 20_000}",
            "scope": "opentelemetry.util.genai.handler",
            "attributes": {"http.route": "/chat", "server.address": "api.example"},
            "resource": {"service.name": service},
        }
        if call:
            message = {"parts": [{"type": "text", "content": f"{number} {text}"}]}
            line |= {
                "provider": provider,
                "request_model": model,
                "response_model": model,
                "response_id": f"chatcmpl-{rng.getrandbits(64):016x}",
                "input_messages": [{"role": "user", **message}],
                "output_messages": [{"role": "assistant", **message}],
                "input_tokens": 900,
                "output_tokens": 150,
                "cost_usd": 0.0002,
                "cost_status": "exact",
                "priced": True,
            }
        score = {
            **{name: line[name] for name in ("v", "project", "series_id", "trace_id", "span_id", "start_ns")},
            "quality": 0.9,
            "quality_tier": "signs",
        }
        yield json.dumps(line).encode(), json.dumps(score).encode() if call else None


@contextmanager
def running_api(settings: Settings, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """An api process with these settings."""
    with (folder / "api.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "lumina_api.server"],
            env=os.environ | environment(settings),
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


async def ready(session: aiohttp.ClientSession, base: str) -> None:
    """Wait until the api has caught up."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        try:
            async with session.get(f"{base}/ready") as response:
                if response.status == 200:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.2)
    raise TimeoutError("the api did not get ready")


async def ask(base: str, seconds: float, traces: list[str], pid: int) -> dict[str, Any]:
    """Ask one question after the other for the given time; times in ms by question."""
    rng = random.Random(2)
    times: dict[str, list[float]] = {question.name: [] for question in QUESTIONS}
    failed: dict[str, str] = {}
    process, peak = psutil.Process(pid), 0
    async with aiohttp.ClientSession() as session:
        await ready(session, base)
        warm = True
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            for question in QUESTIONS if warm else rng.choices(QUESTIONS, [q.share for q in QUESTIONS], k=20):
                path = question.path.format(trace_id=rng.choice(traces))
                started = time.perf_counter()
                async with session.get(f"{base}/api/v1/{path}") as response:
                    body = await response.read()
                    if response.status != 200:
                        failed[question.name] = f"{response.status} {body[:200]!r}"
                if not warm:
                    times[question.name].append((time.perf_counter() - started) * 1e3)
                await asyncio.sleep(0.01)
            peak, warm = max(peak, process.memory_info().rss), False
        async with session.get(f"{base}/metrics") as response:
            lag = [
                line for line in (await response.text()).splitlines() if line.startswith("lumina_views_lag")
            ]
    return {
        "questions": {
            question.name: {
                "asked": len(times[question.name]),
                **_percentiles(times[question.name]),
                "limit_ms": question.limit_ms,
                "holds": bool(times[question.name])
                and _percentiles(times[question.name])["p99_ms"] < question.limit_ms
                and question.name not in failed,
            }
            for question in QUESTIONS
        },
        "failed": failed,
        "peak_mb": round(peak / 1e6),
        "lag": lag,
    }


def _percentiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    ordered = sorted(values)
    return {
        "p50_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 1),
        "max_ms": round(ordered[-1], 1),
    }


def main() -> None:
    """Run the bench and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=10_000_000)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--words", type=int, default=60, help="words in each prompt and each answer")
    parser.add_argument("--rate", type=float, default=2_000, help="spans a second that arrive")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--file", type=Path, help="views file to use; made there where it is missing")
    parser.add_argument("--produce", type=float, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.produce:
        asyncio.run(produce(Settings(), options.rate, options.produce))
        return
    with tempfile.TemporaryDirectory(prefix="lumina-bench-") as temporary:
        folder = Path(temporary)
        file = options.file or folder / "views.duckdb"
        made: dict[str, Any] = {}
        if not file.exists():
            made = views_file.make(file, options.spans, options.days, time.time_ns(), options.words)
        traces = views_file.some_traces(file, 500)
        with running_broker(folder / "kafka") as broker:
            settings = Settings(
                kafka_bootstrap_servers=broker.bootstrap_servers,
                partitions=4,
                replication=1,
                data_dir=folder,
                views_path=file,
                port=free_port(),
                retention_days=0,
            )
            asyncio.run(provision(settings))
            with running_api(settings, folder) as process:
                producing = subprocess.Popen(
                    [
                        sys.executable,
                        __file__,
                        "--rate",
                        str(options.rate),
                        "--produce",
                        str(options.seconds + 20),
                    ],
                    env=os.environ | environment(settings),
                    stdout=subprocess.PIPE,
                )
                base = f"http://127.0.0.1:{settings.port}"
                try:
                    seen = asyncio.run(ask(base, options.seconds, traces, process.pid))
                finally:
                    producing.terminate()
                    producing.wait(30)
        print(
            json.dumps(
                {
                    "bench": "api",
                    **made,
                    "bytes_per_span": round(file.stat().st_size / options.spans),
                    "rate": options.rate,
                    **seen,
                    "machine": facts(),
                }
            )
        )


if __name__ == "__main__":
    main()
