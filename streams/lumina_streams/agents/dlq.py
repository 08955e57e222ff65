"""What could not be processed leaves as it came, with the reason beside it."""

Headers = list[tuple[str, bytes]]

TOPIC = "lumina-dlq-topic"
PARTITION = "lumina-dlq-partition"
OFFSET = "lumina-dlq-offset"
STAGE = "lumina-dlq-stage"
ERROR = "lumina-dlq-error"

MAX_ERROR = 500


def headers(topic: str, partition: int, offset: int, stage: str, error: str) -> Headers:
    """Where the message came from, which stage gave it up, and why (the set that Kafka Connect uses)."""
    return [
        (TOPIC, topic.encode()),
        (PARTITION, str(partition).encode()),
        (OFFSET, str(offset).encode()),
        (STAGE, stage.encode()),
        (ERROR, error[:MAX_ERROR].encode("utf-8", "replace")),
    ]
