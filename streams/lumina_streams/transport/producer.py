"""Producer whose flush means what it says."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any

from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.protocol.produce import ProduceRequest
from faust.transport.drivers import aiokafka as driver
from faust.types import FutureMessage, HeadersArg, RecordMetadata

from lumina_streams.transport.failure import die
from lumina_streams.transport.lease import Lease


class Producer(driver.Producer):
    """Prevents: offsets committed before the state that they stand for.

    Faust's `ProducerBuffer.flush()` gives up after 0.1 s without progress (it returned with 49 of 50
    messages unsent) and failed sends are only logged. Here flush waits for every message that this producer
    was ever handed, and the first one that fails ends the process before any commit. Idempotent, so that a
    retry leaves neither a duplicate nor a gap in a partition.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._handed: set[asyncio.Future[Any]] = set()

    async def on_start(self) -> None:
        """Connect, and let nothing leave this process without the lease."""
        await super().on_start()
        _under_lease(self._ensure_producer().client, self.app.lease)

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}

    def send_soon(self, fut: FutureMessage) -> None:
        """Queue a message; `flush` waits for it from this moment on."""
        self._watch(fut)
        super().send_soon(fut)

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: HeadersArg | None,
        *,
        transactional_id: str | None = None,
    ) -> Awaitable[RecordMetadata]:
        """Hand a message to Kafka's client; the future resolves when all in-sync replicas have it."""
        future: asyncio.Future[Any] = await super().send(
            topic, key, value, partition, timestamp, headers, transactional_id=transactional_id
        )
        self._watch(future)
        return future

    async def flush(self) -> None:
        """Wait until everything handed over so far is acknowledged."""
        if self._handed:
            await asyncio.wait(set(self._handed))

    def _watch(self, future: asyncio.Future[Any]) -> None:
        self._handed.add(future)
        future.add_done_callback(self._settle)

    def _settle(self, future: asyncio.Future[Any]) -> None:
        self._handed.discard(future)
        if future.cancelled():
            return
        if error := future.exception():
            die(
                "Kafka did not take a message: this worker stops before it commits, and its successor reads "
                "the same input again. Check the brokers' state and `min.insync.replicas`.",
                error=repr(error),
            )


def _under_lease(client: AIOKafkaClient, lease: Lease) -> None:
    """Check the lease right before each produce request: what waits in a buffer while the process is paused
    must not leave after it. Metadata and the like may.
    """
    send = client.send

    async def leased(node_id: int, request: Any, **options: Any) -> Any:
        if isinstance(request, ProduceRequest):
            await client.ready(node_id, group=options.get("group", ConnectionGroup.DEFAULT))
            lease.check()  # from here to the socket nothing waits
        return await send(node_id, request, **options)

    client.send = leased
