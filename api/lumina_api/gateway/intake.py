"""What becomes of a request's body: the Kafka messages to produce, and what to tell the sender. Pure."""

from collections import Counter, deque
from dataclasses import dataclass

from lumina_api.gateway.status import Encoding
from lumina_schemas.settings import Settings
from lumina_schemas.topics import DLQ
from lumina_streams.core.otlp import (
    MAX_ITEMS,
    TRACES,
    Signal,
    TooComplex,
    decode,
    decode_json,
    id_problem,
    split,
    valid_ids,
)

RECORD_OVERHEAD = 1_000
"""Bytes of a Kafka message beside its value, generously: batch and record framing, the project header."""


@dataclass(frozen=True)
class Intake:
    """A request understood. `messages` are encoded requests; without items there are none."""

    messages: tuple[bytes, ...]
    items: int
    rejected: int = 0
    problem: str = ""
    """In English, for the sender, where items are rejected."""


class Receiver:
    """Turns bodies into Intakes, for one set of settings."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.max_message_bytes - RECORD_OVERHEAD
        self._dlq = settings.topic(DLQ)

    def receive(self, signal: Signal, encoding: Encoding, body: bytes) -> Intake:
        """Raises Undecodable, and TooComplex for what has more parts than is sane.

        A protobuf body that fits a message is passed on byte for byte. Spans with invalid ids are passed on
        too (normalise keeps them in the dlq) and counted as rejected.
        """
        if encoding == "json":
            body = decode_json(signal, body).SerializeToString()
        messages: list[bytes] = []
        problems: Counter[str] = Counter()
        items = 0
        waiting = deque(split(signal, body, self._limit))
        while waiting:
            part = waiting.popleft()
            request, mended = decode(signal, part)
            if len(mended) > self._limit:  # U+FFFD is longer than the byte that it replaces
                waiting.extendleft(reversed(split(signal, mended, self._limit)))
                continue
            count = signal.count(request)
            items += count
            if items > MAX_ITEMS:
                raise TooComplex(f"The request has more than {MAX_ITEMS} items: send smaller batches.")
            if signal is TRACES:
                problems.update(str(id_problem(span)) for span in signal.each(request) if not valid_ids(span))
            if count:
                messages.append(mended)
        rejected = problems.total()
        return Intake(tuple(messages), items, rejected, self._explained(problems) if rejected else "")

    def _explained(self, problems: Counter[str]) -> str:
        found = ", ".join(f"{problem} ({count})" for problem, count in problems.most_common())
        return (
            f"{problems.total()} spans cannot be told apart and were not processed: {found}. All other spans "
            f"were accepted. The rejected ones are kept in the topic {self._dlq}."
        )
