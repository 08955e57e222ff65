"""What could not be processed leaves as it came, with the reason beside it."""

Headers = list[tuple[str, bytes]]

TOPIC = "lumina-dlq-topic"
PARTITION = "lumina-dlq-partition"
OFFSET = "lumina-dlq-offset"
STAGE = "lumina-dlq-stage"
ERROR = "lumina-dlq-error"
SPANS = "lumina-dlq-spans"
CUT_FROM = "lumina-dlq-cut-from"
"""Bytes of the original, where it was larger than a message of ours may be and only its beginning is kept."""

MAX_ERROR = 500


def headers(
    topic: str, partition: int, offset: int, stage: str, error: str, spans: int | None = None
) -> Headers:
    """Where the message came from, which stage gave it up, and why (the set that Kafka Connect uses).

    `spans` is how many spans of it are in the dead letter, where that is known.
    """
    counted = [(SPANS, str(spans).encode())] if spans is not None else []
    return [
        (TOPIC, topic.encode()),
        (PARTITION, str(partition).encode()),
        (OFFSET, str(offset).encode()),
        (STAGE, stage.encode()),
        (ERROR, error[:MAX_ERROR].encode("utf-8", "replace")),
        *counted,
    ]
