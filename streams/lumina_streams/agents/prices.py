"""The user's own prices, from file and settings, in force for whatever is priced next."""

from collections.abc import Mapping

import structlog

from lumina_schemas import price_file
from lumina_schemas.price import KIND
from lumina_schemas.settings import Settings
from lumina_streams.core.price.book import PriceBook
from lumina_streams.core.price.overrides import of_file, of_settings
from lumina_streams.metrics import Metrics
from lumina_streams.transport.settings_reader import SettingsReader

log = structlog.get_logger()


class PriceWatch:
    """Keeps a price book up to date. Raises PriceFileError where the file cannot be used."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.metrics = metrics
        self._of_file = of_file(price_file.read(settings.prices_file))
        self.book = PriceBook(
            overrides=self._of_file,
            prefer_reported=settings.prefer_reported_cost,
            estimate_tokens=settings.estimate_tokens,
        )
        self._told: dict[str, bytes] = {}
        metrics.gauge("price_overrides", lambda: float(len(self.book.overrides)))

    def follow(self, reader: SettingsReader) -> None:
        """Take the prices among the settings, now and whenever they change."""
        reader.watch(KIND, self.take)

    def take(self, values: Mapping[str, bytes]) -> None:
        """All prices of the settings. One that is none is left out and said so: it stops nothing."""
        found, problems = of_settings(values)
        for key, problem in problems.items():
            if self._told.get(key) != values[key]:
                self._told[key] = values[key]
                self.metrics.add("bad_prices")
                log.error(
                    "a price in the settings cannot be used and is ignored; calls are priced without it. "
                    "Write it again, or remove it with an empty value",
                    key=key[:120],
                    problem=problem,
                )
        self._told = {key: self._told[key] for key in problems}
        self.book.override([*self._of_file, *found])
        log.info("prices of the settings in force", prices=[one.version for one in found][:50])
