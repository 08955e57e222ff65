"""An OTLP/HTTP receiver for tests: a real server that keeps what it gets."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from lumina_schemas.span import Span
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.span.normalise import Landing, normalise

LANDING = Landing(epoch="e", origin="otlp", partition=0, offset=0, project=None)


class Receiver:
    """An OTLP/HTTP receiver that keeps what it gets; answers `status`."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                assert self.path == "/v1/traces"
                assert self.headers["content-type"] == "application/x-protobuf"
                if receiver.status == 200:
                    receiver.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(receiver.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def spans(self) -> list[Span]:
        """All spans as Lumina understands them."""
        prices = PriceBook()
        found: list[Span] = []
        for request in self.requests:
            normalised = normalise(request, LANDING, prices)
            assert not normalised.rejected
            found += normalised.spans
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
