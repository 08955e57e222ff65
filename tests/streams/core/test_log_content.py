"""Prompts and answers in OTLP logs."""

from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from lumina_schemas.span import Content
from lumina_streams.core.content.logs import normalise_logs
from lumina_streams.core.span.normalise import Landing

LANDING = Landing("epoch", "otlp-logs", 0, 9)


def record(request: ExportLogsServiceRequest, at: int, name: str, span: bytes = b"s" * 8) -> Any:
    if not request.resource_logs:
        request.resource_logs.add().scope_logs.add()
    made = request.resource_logs[0].scope_logs[0].log_records.add()
    made.trace_id, made.span_id, made.event_name, made.time_unix_nano = b"t" * 16, span, name, at
    return made


def test_one_event_a_message_in_the_order_of_time() -> None:
    request = ExportLogsServiceRequest()
    choice = record(request, 3, "gen_ai.choice").body.kvlist_value.values
    choice.add(key="finish_reason").value.string_value = "stop"
    message = choice.add(key="message").value.kvlist_value.values
    message.add(key="content").value.string_value = "Paris."
    record(request, 2, "gen_ai.user.message").body.string_value = '{"content":"Capital?","role":"user"}'
    record(request, 1, "gen_ai.system.message").body.kvlist_value.values.add(
        key="content"
    ).value.string_value = "Be brief."
    record(request, 4, "some.other.event")
    record(request, 4, "gen_ai.user.message", span=b"").body.string_value = "of no span"
    (content,) = normalise_logs(request, LANDING)
    assert content.src == ("epoch", "otlp-logs", 0, 9, 0)
    assert content.system == "Be brief."
    assert content.input_messages[0].parts[0].content == "Capital?"
    assert content.output_messages[0].parts[0].content == "Paris."
    assert content.output_messages[0].finish_reason == "stop"
    line = content.line("series")
    assert isinstance(line, Content)
    assert (line.trace_id, line.span_id, line.series_id) == ("74" * 16, "73" * 8, "series")


def test_event_name_as_attribute_and_details_in_the_body() -> None:
    request = ExportLogsServiceRequest()
    made = record(request, 1, "")
    made.attributes.add(key="event.name").value.string_value = "gen_ai.client.inference.operation.details"
    body = made.body.kvlist_value.values
    for key, value in (
        ("gen_ai.input.messages", '[{"role":"user","parts":[{"type":"text","content":"Hi"}]}]'),
        ("gen_ai.output.messages", "Hello"),
        ("gen_ai.system_instructions", "Be brief."),
    ):
        body.add(key=key).value.string_value = value
    (content,) = normalise_logs(request, LANDING)
    assert content.system == "Be brief."
    assert content.input_messages[0].parts[0].content == "Hi"
    assert content.output_messages[0].parts[0].content == "Hello"


def test_events_without_content_give_nothing() -> None:
    request = ExportLogsServiceRequest()
    record(request, 1, "gen_ai.client.inference.operation.details")
    record(request, 1, "gen_ai.user.message").body.kvlist_value.SetInParent()
    assert normalise_logs(request, LANDING) == []
