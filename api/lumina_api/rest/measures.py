"""How long REST takes, by route; every request passes here."""

import time

from prometheus_client import CollectorRegistry, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LATENCY_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
NO_ROUTE = "none"
OTHER = "other"


class Timed:
    """Measures requests, from their head to the last byte of the answer.

    By the route's template, the method and the class of the status: what a caller writes into a path must not
    make series of its own. Streams of events end when their reader goes, and are left out.
    """

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self._app = app
        self._seconds = Histogram(
            "lumina_api_request_seconds",
            "From the head of a request to the last byte of its answer, streams of events left out",
            ("route", "method", "status"),
            buckets=LATENCY_S,
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note how long it took."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500  # where nothing is sent, an error handler outside of here answers
        stream = False

        async def sent(message: Message) -> None:
            nonlocal status, stream
            if message["type"] == "http.response.start":
                status = message["status"]
                stream = any(
                    name.lower() == b"content-type" and value.startswith(b"text/event-stream")
                    for name, value in message.get("headers", ())
                )
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            if not stream:
                route = getattr(scope.get("route"), "path", NO_ROUTE)
                method = scope["method"] if scope["method"] in METHODS else OTHER
                self._seconds.labels(route, method, f"{status // 100}xx").observe(time.perf_counter() - began)
