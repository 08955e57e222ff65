"""Bounds of a request: bytes of its body, and its time; queries that run too long really end."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import cramjam
import pytest
from fastapi import FastAPI, Request
from starlette.responses import StreamingResponse
from starlette.testclient import TestClient

from api.access.keyrings import keyring_of
from lumina_api.rest import create_app
from lumina_api.rest.doors import Cursor
from lumina_api.views import Views
from lumina_api.views.store import Store
from lumina_schemas.settings import Settings

LIMIT = 10_000
ENDLESS = "SELECT count(*) FROM range(1000000000) a, range(1000000) b WHERE (a.range * b.range) % 7 = 3"


class Slow:
    """The real application, with handlers of the test's own beside its own."""

    def __init__(self, folder: Path, timeout_s: float) -> None:
        path = folder / "views.duckdb"
        settings = Settings(views_path=path, request_timeout_s=timeout_s, max_request_bytes=LIMIT)
        self.views = Views(settings)
        self.store = self.views._store = Store.open(path, self.views.applied)
        self.app: FastAPI = create_app(self.views, keyring=keyring_of(settings))
        self.client = TestClient(self.app, "http://127.0.0.1", raise_server_exceptions=False)
        self.ended = threading.Event()
        self._add()

    def _add(self) -> None:
        @self.app.get("/slow-query")
        def slow_query(cursor: Cursor) -> Any:
            try:
                return cursor.execute(ENDLESS).fetchall()
            finally:
                self.ended.set()

        @self.app.get("/many-queries")
        def many_queries(cursor: Cursor) -> Any:
            for _ in range(1_000_000):
                cursor.execute("SELECT sum(range) FROM range(2000000)").fetchall()

        @self.app.get("/slow-wait")
        async def slow_wait() -> None:
            try:
                await asyncio.sleep(60)
            finally:
                self.ended.set()

        @self.app.get("/stream")
        async def stream() -> StreamingResponse:
            async def events() -> AsyncIterator[str]:
                for number in range(4):
                    yield f"data: {number} {'x' * 2_000}\n\n"
                    await asyncio.sleep(0.3)

            return StreamingResponse(events(), media_type="text/event-stream")

        @self.app.post("/body")
        async def body(request: Request) -> int:
            return len(await request.body())

        @self.app.get("/large")
        def large() -> list[str]:
            return ["a word that comes again"] * 1_000


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Slow]:
    running = Slow(tmp_path, 0.5)
    yield running
    running.store.close()


def test_a_query_that_runs_too_long_is_answered_and_ends(slow: Slow) -> None:
    began = time.monotonic()
    answer = slow.client.get("/slow-query")
    assert (answer.status_code, answer.headers["content-type"]) == (504, "application/problem+json")
    assert "0.5 s" in answer.json()["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert slow.ended.wait(5)
    assert time.monotonic() - began < 5
    assert not slow.store._reading
    assert slow.client.get("/api/v1/traces").status_code == 200  # and others are not touched


def test_many_short_queries_end_too(slow: Slow) -> None:
    assert slow.client.get("/many-queries").status_code == 504
    assert not slow.store._reading


def test_whoever_waits_too_long_is_cancelled(slow: Slow) -> None:
    answer = slow.client.get("/slow-wait")
    assert (answer.status_code, answer.headers["content-type"]) == (504, "application/problem+json")
    assert slow.ended.is_set()


def test_a_stream_that_has_begun_goes_on_and_is_not_packed(slow: Slow) -> None:
    answer = slow.client.get("/stream", headers={"accept-encoding": "zstd, gzip"})
    assert answer.status_code == 200
    assert answer.text.count("data: ") == 4
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_beyond_the_limit_is_refused(slow: Slow, more: int, chunked: bool) -> None:
    body = b"x" * (LIMIT + more)

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(body), 1_000):
            yield body[start : start + 1_000]

    answer = slow.client.post("/body", content=pieces() if chunked else body)
    if more:
        assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
        assert "LUMINA_MAX_REQUEST_BYTES" in answer.json()["detail"]
    else:
        assert (answer.status_code, answer.json()) == (200, LIMIT)


def test_a_false_length_does_not_help(slow: Slow) -> None:
    for length in ("99999999999999999999999999999999", str(LIMIT + 1)):
        answer = slow.client.post("/body", content=b"x", headers={"content-length": length})
        assert answer.status_code == 413


@pytest.mark.parametrize(
    ("accepted", "packed"),
    [
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0", "gzip"),
        ("zstd;q=0.000, gzip; q=0.5", "gzip"),
        ("br", None),
        ("identity", None),
        ("", None),
        ("GZIP", "gzip"),
    ],
)
def test_answers_are_packed_as_they_are_taken(slow: Slow, accepted: str, packed: str | None) -> None:
    answer = slow.client.get("/large", headers={"accept-encoding": accepted})
    assert answer.headers.get("content-encoding") == packed
    assert answer.headers["vary"] == "Accept-Encoding"
    if packed == "zstd":
        with slow.client.stream("GET", "/large", headers={"accept-encoding": accepted}) as raw:
            text = bytes(cramjam.zstd.decompress(b"".join(raw.iter_raw())))
    else:
        text = answer.content
    assert text.count(b"a word that comes again") == 1_000
    if packed:
        assert int(answer.headers["content-length"]) < 1_000


def test_small_answers_are_left_alone(slow: Slow) -> None:
    answer = slow.client.get("/health", headers={"accept-encoding": "zstd, gzip"})
    assert "content-encoding" not in answer.headers
