"""The worker's loopback page: alive, ready, counters."""

import json
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Answer = tuple[int, str, str]
"""Status, content type, body."""


class Page(Thread):
    """Serves /health, /ready and /metrics on 127.0.0.1, in a thread of its own: it answers before Kafka is
    reached, while tables are restored and while the event loop is busy.

    `reasons` says why the worker does not process yet (empty: it does), `metrics` its counters as text.
    """

    def __init__(self, port: int, reasons: Callable[[], list[str]], metrics: Callable[[], str]) -> None:
        super().__init__(name="page", daemon=True)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, kind, body = answer(self.path.partition("?")[0], reasons, metrics)
                data = body.encode()
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """A look every second is no news."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port

    def run(self) -> None:
        """Serve until the process ends."""
        self._server.serve_forever()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def answer(path: str, reasons: Callable[[], list[str]], metrics: Callable[[], str]) -> Answer:
    """What is answered to a GET."""
    if path == "/health":
        return 200, "application/json", json.dumps({"status": "ok"})
    if path == "/ready":
        why = reasons()
        body = {"status": "starting" if why else "ready", "reasons": why}
        return 503 if why else 200, "application/json", json.dumps(body)
    if path == "/metrics":
        return 200, "text/plain; version=0.0.4; charset=utf-8", metrics()
    return 404, "text/plain", "There is /health, /ready and /metrics here.\n"
