"""Consumer that never stalls its busy partitions behind an idle one."""

from aiokafka import AIOKafkaConsumer
from faust.transport.drivers import aiokafka as driver

FETCH_MAX_WAIT_MS = 20
"""How long the broker may hold a fetch that finds nothing.

Faust hard-codes 1,500 ms and aiokafka keeps one fetch in flight per broker: whenever every busy partition
still has buffered records, the next fetch asks only for idle ones and blocks all others for its whole wait.
Measured on two hops: 2,600 spans/s at 1,500 ms, 12,500 spans/s at 20 ms.
"""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that owns aiokafka's consumer."""

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS
        return consumer


class Consumer(driver.Consumer):
    """Prevents: the fetch stall (a fetch for an idle partition blocks all others for 1.5 s)."""

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)
