"""The places of series: noted in `lumina.series`, read from there, known to a replay and to other workers."""

from collections.abc import Mapping

import msgspec
import structlog

from lumina_schemas.series import KnownSeries
from lumina_schemas.settings import Settings
from lumina_schemas.topics import SERIES
from lumina_streams.agents.doors import UNREADABLE
from lumina_streams.agents.outbox import Outbox
from lumina_streams.core.span.registry import SeriesRegistry
from lumina_streams.metrics import Metrics
from lumina_streams.transport.producer import Producer
from lumina_streams.transport.settings_reader import SettingsReader

log = structlog.get_logger()

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(KnownSeries).decode


class Places:
    """The registry of a worker, and its way from and to Kafka."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.metrics = metrics
        self.topic = settings.topic(SERIES)
        self.registry = SeriesRegistry(settings.max_series)

    def follow(self, reader: SettingsReader) -> None:
        """Take what is noted, now and whenever somebody notes something."""
        reader.follow(self.take)

    def take(self, changed: Mapping[str, bytes | None]) -> None:
        """Notes that are new. What cannot be read is left out: nobody's span depends on it alone."""
        notes = []
        for key, value in changed.items():
            if value is None:
                continue  # who removes a note does not take a place: the others know it
            try:
                notes.append((key, _decode(value)))
            except UNREADABLE as error:
                self.metrics.add("bad_series")
                log.error("a note on a series cannot be read and is ignored", key=key[:100], error=str(error))
        self.registry.learn(notes)

    async def note(self, producer: Producer) -> None:
        """Write down who has taken a place, and see it onto Kafka: before the spans of these series leave.

        A worker that dies in between has noted series without spans, which does no harm. The other way round
        a replay could find their places taken.
        """
        news = self.registry.take_news()
        if not news:
            return
        outbox = Outbox()
        for series_id, note in news.items():
            outbox.add(self.topic, _encode(note), key=series_id.encode())
        await outbox.deliver(producer)
        self.metrics.add("series_noted", len(news))
