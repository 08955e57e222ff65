"""What Kafka says of a topic: its id tells a recreated topic from the one that it replaced.

aiokafka stops at version 5 of the metadata request; ids came with version 12 (KIP-516, Kafka 3.1), so
that one is spoken here.
"""

import uuid
from io import BytesIO
from typing import Any, NamedTuple

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

from lumina_schemas.kafka import ClientOptions


class TopicFacts(NamedTuple):
    """A topic as its cluster has it. `epoch` is its Kafka id, 32 hex digits."""

    epoch: str
    partitions: int


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


_TEXT = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)
_BROKER = CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS)
_PARTITION = CompactArray(
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline_replicas", CompactArray(Int32)),
    _TAGS,
)
_TOPIC = CompactArray(
    ("error_code", Int16),
    ("name", _TEXT),
    ("topic_id", _Uuid),
    ("is_internal", Boolean),
    ("partitions", _PARTITION),
    ("authorized_operations", Int32),
    _TAGS,
)


class _MetadataResponse(Response):
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", _BROKER),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        ("topics", _TOPIC),
        _TAGS,
    )


class _MetadataRequestV12(RequestStruct):
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _TEXT), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        _TAGS,
    )


class _MetadataRequest(Request[_MetadataRequestV12]):
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestV12]) -> _MetadataRequestV12:
        wanted: list[Any] = [(uuid.UUID(int=0), topic, {}) for topic in self._topics]
        return request_struct_class(wanted, False, False, {})


async def describe(options: ClientOptions, topics: list[str]) -> dict[str, TopicFacts]:
    """The facts of each of these topics; those that do not exist, or have no leader, are left out.

    `options` are aiokafka's client options. Raises aiokafka's KafkaError where no broker can be reached.
    """
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), _MetadataRequest(topics))
    finally:
        await client.close()
    return {
        name: TopicFacts(topic_id.hex, len(partitions))
        for error, name, topic_id, _, partitions, *_ in response.topics
        if not error and all(leader >= 0 for _, _, leader, *_ in partitions)
    }
