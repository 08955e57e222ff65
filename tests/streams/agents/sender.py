"""A plain producer in the place of the app's."""

from typing import Any

from aiokafka import AIOKafkaProducer


class Sender:
    """Sends as the app's producer does."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def send(
        self, topic: str, key: bytes | None, value: bytes, partition: int | None, at: None, headers: Any
    ) -> Any:
        return await self._producer.send(topic, value, key, partition, at, headers or ())
