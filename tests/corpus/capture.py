"""Save what an OTLP exporter sends over HTTP, as one traces and one logs file: `capture.py PORT NAME`."""

import gzip
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SIGNALS: dict[str, tuple[Any, str]] = {
    "/v1/traces": (ExportTraceServiceRequest, ".otlp.pb"),
    "/v1/logs": (ExportLogsServiceRequest, ".logs.pb"),
}


class Receiver(HTTPServer):
    """Takes requests of both signals and keeps one growing file of each beside `path`."""

    def __init__(self, port: int, path: Path) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.requests = {route: request() for route, (request, _) in SIGNALS.items()}
        self.path = path

    def take(self, route: str, body: bytes) -> None:
        """Add a body to its signal's file."""
        request, end = SIGNALS[route]
        whole = self.requests[route]
        whole.MergeFrom(request.FromString(body))
        self.path.with_name(self.path.name + end).write_bytes(whole.SerializeToString())


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        known = self.path in SIGNALS
        if known:
            self.server.take(self.path, body)
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: bodies hold prompts."""


if __name__ == "__main__":
    Receiver(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()
