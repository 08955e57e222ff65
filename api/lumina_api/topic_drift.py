"""How long topics keep their records beside what LUMINA_RETENTION_DAYS wants, and making them so.

Kafka's retention bounds what views can be rebuilt from, and how long an outage may last. Nothing is changed
but by `provision`, and there only where LUMINA_MANAGE_TOPICS says so.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int8, Int16, Int32, Schema, String

from lumina_schemas.kafka import ClientOptions
from lumina_schemas.settings import Settings
from lumina_schemas.topics import CALLS, CORRECTIONS, DAY_MS, OTLP, OTLP_LOGS, SCORES, SPANS, Topic

RETENTION = "retention.ms"
FOR_EVER = -1

AS_LONG = (OTLP, OTLP_LOGS, SPANS, CALLS)
"""Kept as long as the views keep their spans."""

TWICE_AS_LONG = (SCORES, CORRECTIONS)
"""Kafka deletes whole segments, so that a span may be there for up to as long again: what belongs to it must
outlast it."""


class Difference(NamedTuple):
    """A topic's setting that is not as LUMINA_RETENTION_DAYS wants it."""

    topic: str
    setting: str
    found: str
    wanted: str


def retention_ms(topic: Topic, retention_days: float) -> int | None:
    """How long a topic should keep its records, ms; -1 = for ever; None where it does not depend on it.

    Never less than its declaration where others rely on that.
    """
    if topic not in (*AS_LONG, *TWICE_AS_LONG):
        return None
    if retention_days == 0:
        return FOR_EVER
    wanted = round(retention_days * DAY_MS)
    if topic in AS_LONG:
        return max(1, wanted)
    return max(2 * wanted, topic.retention_ms or 0)


def differences(
    settings: Settings, found: Mapping[str, Mapping[str, str]], topics: Iterable[Topic]
) -> list[Difference]:
    """Where these topics differ. `found`: Kafka's settings of each, by full name; one that is missing is
    passed over.
    """
    different: list[Difference] = []
    for topic in topics:
        name = settings.topic(topic)
        wanted = retention_ms(topic, settings.retention_days)
        value = found.get(name, {}).get(RETENTION)
        if wanted is not None and value is not None and value != str(wanted):
            different.append(Difference(name, RETENTION, value, str(wanted)))
    return different


async def alter(options: ClientOptions, changes: Iterable[Difference]) -> None:
    """Set these settings, and leave all others of the topics as they are. `options`: aiokafka's.

    Raises aiokafka's KafkaError where Kafka refuses one; the others are set nevertheless.
    """
    listed = [(_TOPIC, one.topic, [(one.setting, _SET, one.wanted)]) for one in changes]
    if not listed:
        return
    client = AIOKafkaClient(**options)
    try:
        await client.bootstrap()
        response = await client.send(client.get_random_node(), _IncrementalAlterConfigs(listed))
    finally:
        await client.close()
    for code, message, _, name in response.responses:
        if code:
            raise for_code(code)(f"{name}: {message}")


# aiokafka has only the older request, which drops every setting that it does not name (KIP-339).
_TOPIC = 2
_SET = 0


class _IncrementalAlterConfigsResponse(Response):
    API_KEY = 44
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(
                ("error_code", Int16),
                ("error_message", String("utf-8")),
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
            ),
        ),
    )


class _IncrementalAlterConfigsV0(RequestStruct):
    API_KEY = 44
    API_VERSION = 0
    RESPONSE_TYPE = _IncrementalAlterConfigsResponse
    SCHEMA = Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", String("utf-8")),
                (
                    "configs",
                    Array(
                        ("name", String("utf-8")),
                        ("config_operation", Int8),
                        ("value", String("utf-8")),
                    ),
                ),
            ),
        ),
        ("validate_only", Boolean),
    )


class _IncrementalAlterConfigs(Request[_IncrementalAlterConfigsV0]):
    API_KEY = 44

    def __init__(self, resources: list[Any]) -> None:
        self._resources = resources

    def build(self, request_struct_class: type[_IncrementalAlterConfigsV0]) -> _IncrementalAlterConfigsV0:
        return request_struct_class(self._resources, False)
