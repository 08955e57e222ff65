"""What Kafka says of a topic: its id tells a recreated topic from the one that it replaced."""

import uuid
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)


class _Uuid:
    """Kafka's UUID: 16 bytes, big endian."""

    @classmethod
    def encode(cls, value: uuid.UUID) -> bytes:
        return value.bytes

    @classmethod
    def decode(cls, data: BytesIO) -> uuid.UUID:
        return uuid.UUID(bytes=data.read(16))

    @classmethod
    def repr(cls, value: uuid.UUID) -> str:
        return str(value)


class _MetadataResponse(Response):
    """Metadata response version 12 (KIP-516), the first that can be asked by name and tells ids."""

    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _MetadataRequestV12(RequestStruct):
    """Metadata request version 12."""

    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestV12]):
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestV12]) -> _MetadataRequestV12:
        wanted: list[Any] = [(uuid.UUID(int=0), topic, {}) for topic in self._topics]
        return request_struct_class(wanted, False, False, {})


@dataclass(frozen=True)
class TopicFacts:
    """What Kafka says of a topic."""

    topic_id: str
    """32 hex digits; a recreated topic has another."""
    partitions: int


async def describe(options: dict[str, Any], topics: list[str]) -> dict[str, TopicFacts]:
    """Id and partitions of each of these topics; those that do not exist are left out.

    `options` are aiokafka's client options. Needs brokers of Kafka 3.1 or later; raises aiokafka's
    KafkaError where none can be reached. aiokafka itself stops at metadata version 5, without ids.
    """
    client = AIOKafkaClient(**options)
    await client.bootstrap()
    try:
        response = await client.send(client.get_random_node(), _MetadataRequest(topics))
        return {
            name: TopicFacts(topic_id.hex, len(partitions))
            for error, name, topic_id, _, partitions, *_ in response.topics
            if error == 0
        }
    finally:
        await client.close()
