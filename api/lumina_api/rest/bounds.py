"""What a request of REST may take: bytes of its body, and time until its answer begins.

OTLP is bounded by the gateway's own means. An answer that has begun, such as a stream of events, may go on.
"""

import asyncio

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumina_api.deadline import DEADLINE, Deadline
from lumina_api.rest.gate import OTLP
from lumina_api.rest.problem import Problem, took_too_long

AGAIN_S = 0.05
GRACE_S = 1.0
"""A handler whose query was interrupted says so itself within this time. Others are cancelled."""


class BodyLimit:
    """ASGI middleware that reads the body before the handler does, up to a limit; beyond it answers 413."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in OTLP:
            await self._app(scope, receive, send)
            return
        headers = HTTPConnection(scope).headers
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > self._limit:
            await self._refuse(scope, receive, send)
            return
        pieces: list[bytes] = []
        size, more = 0, length not in ("", "0") or "transfer-encoding" in headers
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self._limit:
                await self._refuse(scope, receive, send)
                return
            more = message.get("more_body", False)
        body: Message | None = {"type": "http.request", "body": b"".join(pieces), "more_body": False}

        async def again() -> Message:
            nonlocal body
            message, body = body, None
            return message if message is not None else await receive()

        await self._app(scope, again, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        problem = Problem(
            413,
            f"The body has more than {self._limit} bytes. Send less, or raise LUMINA_MAX_REQUEST_BYTES.",
            headers={"Connection": "close"},  # the rest of it is not read
        )
        await problem.response()(scope, receive, send)


class TimeLimit:
    """ASGI middleware that ends requests whose answer does not begin in time: 504."""

    def __init__(self, app: ASGIApp, limit_s: float) -> None:
        self._app = app
        self._limit_s = limit_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or scope["path"] in OTLP:
            await self._app(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        deadline = Deadline()
        end = loop.time() + self._limit_s
        begun = False
        timer: asyncio.TimerHandle

        def strike() -> None:
            nonlocal timer
            deadline.strike()
            if loop.time() > end + GRACE_S and not deadline.reads:
                whole.reschedule(loop.time())
            else:
                timer = loop.call_later(AGAIN_S, strike)

        async def beginning(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                timer.cancel()
            await send(message)

        timer = loop.call_at(end, strike)
        before = DEADLINE.set(deadline)
        try:
            async with asyncio.timeout(None) as whole:
                await self._app(scope, receive, beginning)
        except TimeoutError:
            if begun or not whole.expired():
                raise
            await took_too_long(self._limit_s).response()(scope, receive, send)
        finally:
            timer.cancel()
            DEADLINE.reset(before)
