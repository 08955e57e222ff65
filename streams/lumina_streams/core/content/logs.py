"""OTLP logs in, prompts and answers by span out: some instrumentations send content as log events.

One event a message (`gen_ai.user.message`, `gen_ai.choice`, OTel 1.28 to 1.36) or one for the whole call
(`gen_ai.client.inference.operation.details`, 1.37 and later).
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from lumina_schemas.mapping.content import MESSAGE_EVENTS, OPERATION_DETAILS, SYSTEM
from lumina_schemas.source import Source
from lumina_schemas.span import SCHEMA_VERSION, Content, Message, Span
from lumina_streams.core.content.events import event_messages
from lumina_streams.core.content.messages import Messages, messages_of, split_system, system_of, tool_calls_of
from lumina_streams.core.span.attributes import plain, value_of
from lumina_streams.core.span.normalise import Landing, context_of

INPUT, OUTPUT = "gen_ai.input.messages", "gen_ai.output.messages"


class LogContent(Struct, frozen=True):
    """Content of one span, found in log records. `src` is their message; ordinals rise in the list."""

    src: Source
    project: str
    trace_id: str
    span_id: str
    system: str = ""
    input_messages: Messages = ()
    output_messages: Messages = ()

    def joined(self, later: "LogContent") -> "LogContent":
        """With what a later record of the same span adds."""
        again = later.src <= self.src
        return (
            self
            if again
            else replace(
                later,
                system=self.system or later.system,
                input_messages=once(self.input_messages + later.input_messages),
                output_messages=self.output_messages + later.output_messages,
            )
        )

    def line(self, series_id: str) -> Content:
        """The line for the log of the span's series."""
        return Content(
            v=SCHEMA_VERSION,
            src=self.src,
            series_id=series_id,
            trace_id=self.trace_id,
            span_id=self.span_id,
            project=self.project,
            system=self.system,
            input_messages=self.input_messages,
            output_messages=self.output_messages,
        )


class _Found:
    """Content of one span while its records are read."""

    def __init__(self) -> None:
        self.system = ""
        self.inputs: Messages = ()
        self.outputs: Messages = ()


def normalise_logs(request: ExportLogsServiceRequest, landing: Landing) -> list[LogContent]:
    """Content by span, in the order of their first records; records of no span or known event are skipped."""
    records: list[tuple[int, int, str, Any]] = []
    index = 0
    for resource_logs in request.resource_logs:
        for scope_logs in resource_logs.scope_logs:
            project = context_of(resource_logs.resource, scope_logs.scope.name, landing).project
            for record in scope_logs.log_records:
                records.append(
                    (record.time_unix_nano or record.observed_time_unix_nano, index, project, record)
                )
                index += 1
    records.sort(key=lambda entry: entry[:2])
    found: dict[tuple[str, str, str], _Found] = {}
    for _, _, project, record in records:
        name = record.event_name or _event_name(record)
        if name != OPERATION_DETAILS and name not in MESSAGE_EVENTS:
            continue
        if len(record.trace_id) != 16 or len(record.span_id) != 8:
            continue
        key = (project, record.trace_id.hex(), record.span_id.hex())
        entry = found.get(key)
        if entry is None:
            entry = found[key] = _Found()
        if name == OPERATION_DETAILS:
            _details(record, entry)
        else:
            side, messages = event_messages(name, value_of(record.body))
            if side == "input":
                entry.inputs += messages
            else:
                entry.outputs += messages
    contents: list[LogContent] = []
    for (project, trace_id, span_id), entry in found.items():
        leading, inputs = split_system(once(entry.inputs))
        system = entry.system or leading
        if system or inputs or entry.outputs:
            src = Source(landing.epoch, landing.origin, landing.partition, landing.offset, len(contents))
            contents.append(LogContent(src, project, trace_id, span_id, system, inputs, entry.outputs))
    return contents


def with_content(span: Span, content: LogContent) -> Span:
    """The span with what its log records add; what the span itself says stays."""
    outputs = span.output_messages or content.output_messages
    reasons = tuple(message.finish_reason for message in outputs if message.finish_reason)
    return replace(
        span,
        system=span.system or content.system,
        input_messages=span.input_messages or content.input_messages,
        output_messages=outputs,
        tool_calls=span.tool_calls or tool_calls_of(outputs),
        finish_reasons=span.finish_reasons or reasons,
    )


def once(messages: Messages) -> Messages:
    """The messages without results of tools that were given before: some send one in two events."""
    seen: set[str] = set()
    kept: list[Message] = []
    for message in messages:
        again = {
            index
            for index, part in enumerate(message.parts)
            if part.type == "tool_call_response" and part.id is not None and part.id in seen
        }
        seen |= {part.id for part in message.parts if part.type == "tool_call_response" and part.id}
        if again:
            message = replace(
                message, parts=tuple(part for index, part in enumerate(message.parts) if index not in again)
            )
            if not message.parts:
                continue
        kept.append(message)
    return tuple(kept)


def _event_name(record: Any) -> str:
    """Name of an event by its attribute, as it was written before log records had a field for it."""
    for pair in record.attributes:
        if pair.key == "event.name":
            name: str = pair.value.string_value
            return name
    return ""


def _details(record: Any, entry: _Found) -> None:
    """Take the content attributes of an event about a whole call."""
    attributes = plain(record.attributes)
    body = value_of(record.body)
    if isinstance(body, dict):
        attributes = body | attributes
    if SYSTEM in attributes:
        entry.system = entry.system or system_of(attributes[SYSTEM])
    entry.inputs = entry.inputs or messages_of(attributes.get(INPUT), "user")
    entry.outputs = entry.outputs or messages_of(attributes.get(OUTPUT), "assistant")
