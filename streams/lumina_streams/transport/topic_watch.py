"""The topics that a worker reads, as the broker's answers to its fetches tell of them."""

from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.protocol.fetch import FetchRequest

from lumina_streams.transport.failure import die


class TopicWatch:
    """Prevents: a recreated topic that is read on under the old one's id and at the old one's offset.

    aiokafka fetches by name: once the topic is there again it goes on at its position, past everything that
    lies before, and positions under the old id make what it does read look old. But a topic is away for a
    moment before it can be made again, and no fetch in that moment succeeds. A worker that hears of it ends;
    its successor waits for the topic, has no committed offset (Kafka has removed them with the topic), and
    reads it from the beginning, under its new id.
    """

    def watch(self, client: AIOKafkaClient) -> None:
        """Look at every answer to a fetch of this client from now on."""
        send = client.send

        async def watched(node_id: int, request: Any, **options: Any) -> Any:
            response = await send(node_id, request, **options)
            if isinstance(request, FetchRequest):
                self.look(response)
            return response

        client.send = watched

    def look(self, response: Any) -> None:
        """Judge one answer to a fetch: topics of (name, [(partition, error code, ...)])."""
        for topic, partitions in response.topics or ():
            for partition, code, *_ in partitions:
                if code == UnknownTopicOrPartitionError.errno:
                    die(
                        "A topic that this worker reads is gone. It stops; its successor reads the topic "
                        "from its beginning, should it be made again.",
                        topic=topic,
                        partition=partition,
                    )
