"""A message as it lies on a landing topic, handed to the normaliser as Faust hands it over."""

from types import SimpleNamespace
from typing import Any

from aiokafka import ConsumerRecord
from faust.types import TP


def event(record: ConsumerRecord) -> Any:
    """The event of a record that was read from Kafka."""
    message = SimpleNamespace(
        topic=record.topic,
        partition=record.partition,
        tp=TP(record.topic, record.partition),
        offset=record.offset,
        value=record.value,
        headers=list(record.headers or ()),
        timestamp=record.timestamp / 1000.0,
        timestamp_type=record.timestamp_type,
    )
    return SimpleNamespace(message=message)
