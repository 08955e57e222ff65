"""What the gateways have told each other today: `lumina.usage` into a Tally."""

from collections.abc import Callable, Sequence

import msgspec
import structlog
from aiokafka import ConsumerRecord

from lumina_api.usage.tally import Tally
from lumina_schemas.topics import TYPE_HEADER
from lumina_schemas.usage import DAY_S, TRACES, UsedTraces, day_of

log = structlog.get_logger(__name__)

MARGIN_S = 600
"""Records are looked for from so long before midnight on: Kafka's clock and a gateway's may differ."""

_DECODER = msgspec.json.Decoder(UsedTraces)


class Shared:
    """A Reading of `lumina.usage`."""

    def __init__(self, tally: Tally, now: Callable[[], float], quiet: bool = False) -> None:
        self._quiet = quiet
        self._tally = tally
        self._now = now

    def since(self) -> int:
        """Where today's records begin, Unix ms by Kafka's clock."""
        return (day_of(self._now()) * DAY_S - MARGIN_S) * 1_000

    def begin(self) -> None:
        """Reading it again changes nothing."""

    def apply(self, records: Sequence[ConsumerRecord]) -> None:
        """Join the records of gateways. Others, and what is none, are passed over."""
        now_s = self._now()
        for record in records:
            if (TYPE_HEADER, TRACES) not in record.headers:
                continue
            try:
                self._tally.join(_DECODER.decode(record.value or b""), now_s)
            except (msgspec.MsgspecError, ValueError) as error:
                if not self._quiet:
                    log.error(
                        "a record of usage cannot be read and is passed over",
                        topic=record.topic,
                        partition=record.partition,
                        offset=record.offset,
                        why=str(error),
                    )

    def complete(self) -> None:
        """All that is known is in the tally."""
