"""`lumina normalise`: captured files in, priced spans out, without any server."""

from pathlib import Path

import msgspec
import pytest
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typer.testing import CliRunner

from corpus.record import record
from corpus.truth import CORPUS, check, names
from lumina_api.cli import app

RUNNER = CliRunner()
NAMES = {
    *("trace_id", "span_id", "parent_span_id", "project", "service", "name", "start_ns", "status"),
    *("provider", "request_model", "response_model", "operation", "kind", "endpoint", "system"),
    *("input_messages", "output_messages", "tool_calls", "input_tokens", "cache_read_tokens"),
    *("cache_write_tokens", "output_tokens", "reasoning_tokens", "finish_reasons", "error", "ttft_ms"),
    *("duration_ms", "response_id", "session_id", "user_id", "prompt_name", "prompt_version"),
    *("cost_usd", "cost_status", "cost_reason", "priced"),
}


def files_of(name: str) -> list[str]:
    """Traces and logs of a capture."""
    return [str(path) for path in sorted(CORPUS.glob(f"{name}.*.pb"), reverse=True)]


@pytest.mark.parametrize("name", names())
def test_every_capture_is_what_it_truly_was(name: str) -> None:
    files = files_of(name)
    if not files:  # the instrumentation lost all
        return check(name, [])
    result = RUNNER.invoke(app, ["normalise", *files])
    assert result.exit_code == 0, result.stderr
    items = [msgspec.json.decode(line) for line in result.stdout.splitlines()]
    assert all(set(item) >= NAMES for item in items)
    check(name, [record(item) for item in items])


def test_json_and_protobuf_are_the_same(tmp_path: Path) -> None:
    source = CORPUS / "otel_genai_openai-chat.otlp.pb"
    request = ExportTraceServiceRequest.FromString(source.read_bytes())
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.parent_span_id = b""
    binary, text, many = tmp_path / "a.pb", tmp_path / "a.json", tmp_path / "a.ndjson"
    binary.write_bytes(request.SerializeToString())
    text.write_text(as_otlp_json(request))
    many.write_text(
        as_otlp_json(request).replace("\n", " ") + "\n" + as_otlp_json(request).replace("\n", " ")
    )
    printed = {
        RUNNER.invoke(app, ["normalise", str(path)]).stdout.replace(path.name, "")
        for path in (binary, text, many)
    }
    assert len(printed) == 1


def as_otlp_json(request: ExportTraceServiceRequest) -> str:
    """OTLP/JSON: ids in hex, where protobuf's own JSON has base64."""
    document = msgspec.json.decode(MessageToJson(request))
    for groups in document["resourceSpans"]:
        for scope in groups["scopeSpans"]:
            for made, span in zip(
                scope["spans"], request.resource_spans[0].scope_spans[0].spans, strict=True
            ):
                made["traceId"], made["spanId"] = span.trace_id.hex(), span.span_id.hex()
    return msgspec.json.encode(document).decode()


def test_a_bad_file_is_said_and_its_neighbours_are_read(tmp_path: Path) -> None:
    bad, none = tmp_path / "bad.otlp.pb", tmp_path / "none.json"
    bad.write_bytes(b"\xff\xff\xff")
    good = str(CORPUS / "otel_genai_openai-chat.otlp.pb")
    result = RUNNER.invoke(app, ["normalise", str(bad), good, str(none)])
    assert result.exit_code == 1
    assert "bad.otlp.pb: cannot be read" in result.stderr
    assert "No such file" in result.stderr
    assert len(result.stdout.splitlines()) == 1
