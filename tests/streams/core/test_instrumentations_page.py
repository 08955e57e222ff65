"""docs/instrumentations.md against the captures, and the tool that makes new ones."""

import threading
from pathlib import Path

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from corpus.capture import Receiver
from corpus.table import PAGE, page
from lumina_schemas.mapping.instrumentations import ANY_SETTING, INSTRUMENTATIONS, content_setting


def test_the_page_says_what_the_captures_tell() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "Run `make schemas`."


def test_every_scope_has_its_own_setting() -> None:
    for instrumentation in INSTRUMENTATIONS:
        for scope in instrumentation.scopes:
            assert content_setting(scope) == instrumentation.content
    assert content_setting("my.own.code") == ANY_SETTING
    assert content_setting("airflow") == ANY_SETTING  # not Vercel's `ai`


def test_a_capture_holds_what_the_exporter_sent(tmp_path: Path) -> None:
    receiver = Receiver(0, tmp_path / "mine-chat")
    thread = threading.Thread(target=receiver.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{receiver.server_port}/v1/traces"
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint=url)))
        for name in ("one", "two"):
            provider.get_tracer("test").start_span(name).end()
        provider.shutdown()
    finally:
        receiver.shutdown()
        thread.join()
        receiver.server_close()
    request = ExportTraceServiceRequest.FromString((tmp_path / "mine-chat.otlp.pb").read_bytes())
    spans = [span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]
    assert [span.name for span in spans] == ["one", "two"]
