"""All captures through the real stack, one span a message, in reversed order, over four partitions."""

import asyncio
from typing import Any

from aiokafka import AIOKafkaProducer
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from api.views.test_views_settling import record
from corpus.single import one_span_each
from corpus.truth import CORPUS, check, names
from e2e.stack import Stack, eventually
from lumina_schemas.kafka import client_options
from lumina_schemas.settings import Settings

SETTLED_S = 45.0
EVER = "1970-01-01T00:00:00Z"


def one_record_each(body: bytes, project: str) -> list[bytes]:
    """Encoded requests of one log record, in order, each with its resource and scope, in a project."""
    bodies: list[bytes] = []
    for resource_logs in ExportLogsServiceRequest.FromString(body).resource_logs:
        for scope_logs in resource_logs.scope_logs:
            for log in scope_logs.log_records:
                request = ExportLogsServiceRequest()
                group = request.resource_logs.add()
                group.resource.CopyFrom(resource_logs.resource)
                group.resource.attributes.add(key="lumina.project").value.string_value = project
                scope = group.scope_logs.add()
                scope.scope.CopyFrom(scope_logs.scope)
                scope.log_records.add().CopyFrom(log)
                bodies.append(request.SerializeToString())
    return bodies


def messages(partitions: int) -> list[tuple[str, int, bytes]]:
    """(topic, partition, message) of all captures, the last first; each in a project of its own name.

    Spans are dealt out to all partitions. Log records come before their spans, on one partition and in order:
    of prompts that are logged message by message, only their order in the log tells which was first.
    """
    found: list[tuple[str, int, bytes]] = []
    for number, name in enumerate(reversed(names())):
        logs, spans = CORPUS / f"{name}.logs.pb", CORPUS / f"{name}.otlp.pb"
        if logs.exists():
            bodies = one_record_each(logs.read_bytes(), name)
            found += [("otlp-logs", number % partitions, body) for body in bodies]
        if spans.exists():
            bodies = one_span_each(spans.read_bytes(), name)[::-1]
            found += [("otlp", place % partitions, body) for place, body in enumerate(bodies, number)]
    return found


async def land(settings: Settings) -> int:
    """Produce them; returns how many."""
    sent = messages(settings.partitions)
    producer = AIOKafkaProducer(acks="all", enable_idempotence=True, **client_options(settings))
    await producer.start()
    try:
        acknowledged = [
            await producer.send(settings.topic(topic), body, partition=partition)
            for topic, partition, body in sent
        ]
        await asyncio.gather(*acknowledged)
    finally:
        await producer.stop()
    return len(sent)


async def fault(stack: Stack, name: str) -> str:
    """What differs from the truth in a capture's calls, as REST shows them; nothing where nothing does."""
    shown = await stack.get("/api/v1/calls", project=name, since=EVER, order="oldest", limit=1000)
    items: list[dict[str, Any]] = shown["items"]
    try:
        check(name, [record(item) for item in items])
    except AssertionError as error:
        return f"{name} ({len(items)} calls): {str(error)[:600]}"
    return ""


async def test_every_capture_one_span_a_message_in_reversed_order(stack: Stack) -> None:
    """In the end the views show its calls, field by field, with content of logs and with cost."""
    await stack.start("stream", "api")
    assert await land(stack.settings) > len(names())
    faults = {name: "not looked at" for name in names()}

    async def all_true() -> bool:
        for name in list(faults):
            faults[name] = await fault(stack, name)
            if not faults[name]:
                del faults[name]
        return not faults

    await eventually(
        all_true,
        SETTLED_S,
        lambda: "\n\n".join([f"{len(faults)} captures differ from their truth:", *faults.values()]),
    )
    # What came last may have corrected what was right before: all of them again, at rest.
    late = [text for name in names() if (text := await fault(stack, name))]
    assert not late, "\n\n".join(late)
