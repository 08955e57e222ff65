"""What detection has learned of a series, for REST: read from the changelog, and kept for some seconds."""

import asyncio
import time
from threading import Lock
from typing import NamedTuple

from aiokafka.errors import KafkaError

from lumina_api.baselines import Unreadable, known_series
from lumina_schemas.baseline import SeriesBaseline
from lumina_schemas.kafka import KafkaSettingsError
from lumina_schemas.settings import Settings

KEPT_S = 30.0
FAILURE_KEPT_S = 5.0
WAIT_S = 3.0
MOST_KEPT = 1_000


class Known(NamedTuple):
    """The baseline of a series, or why there is none to show."""

    baseline: SeriesBaseline | None
    missing: str | None


class SeriesBaselines:
    """Asks Kafka for one series at a time, from a thread of the caller's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: dict[str, tuple[float, Known]] = {}
        self._lock = Lock()

    def of(self, series_id: str) -> Known:
        """What detection has learned of a series by now, or some seconds ago."""
        with self._lock:
            until, known = self._kept.get(series_id, (0.0, Known(None, None)))
        if time.monotonic() < until:
            return known
        known = self._ask(series_id)
        kept_s = FAILURE_KEPT_S if known.baseline is None else KEPT_S
        with self._lock:
            if len(self._kept) >= MOST_KEPT:
                self._kept.clear()
            self._kept[series_id] = time.monotonic() + kept_s, known
        return known

    def _ask(self, series_id: str) -> Known:
        try:
            baseline = asyncio.run(asyncio.wait_for(self._read(series_id), WAIT_S))
        except TimeoutError:
            return Known(
                None, f"Kafka did not give it within {WAIT_S:.0f} s. `lumina baselines` waits for longer."
            )
        except (KafkaSettingsError, LookupError, Unreadable, KafkaError, OSError) as error:
            return Known(None, f"Kafka does not give it: {error}")
        if baseline is None:
            return Known(
                None, "Detection does not know this series (yet): a second after its first call it does."
            )
        return Known(baseline, None)

    async def _read(self, series_id: str) -> SeriesBaseline | None:
        now_ms = time.time_ns() // 1_000_000
        found = known_series(self._settings, lambda _: True, now_ms, series_id)
        return next(iter([one async for one in found]), None)
