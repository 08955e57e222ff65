"""What a user decides about detection; everything else is learned from the series."""

from typing import Self

from msgspec import Struct

from lumina_schemas.settings import Settings


class Rules(Struct, frozen=True):
    """The rule in force for a series. Defaults are those of `Settings`."""

    cost_spike_pct: float = 20.0  # a smaller rise is no alert, however certain
    quality_min: float = 0.7  # an answer scoring below this is bad
    correlation_s: float = 300.0  # cost and quality this close (event time) are one alert
    min_samples: int = 200  # below: learning, only overwhelming evidence alerts
    cooldown_s: float = 1800.0  # a signal that returns within this reopens its alert
    silent_after_s: float = 86_400.0  # an alert whose series has no call for so long is resolved
    adopt_calls: int = 500  # a level that holds for so many calls ...
    adopt_after_s: float = 6 * 3600.0  # ... or so long becomes the baseline

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The rule that the environment asks for."""
        return cls(
            cost_spike_pct=settings.cost_spike_pct,
            quality_min=settings.quality_min,
            correlation_s=settings.correlation_s,
            min_samples=settings.min_samples,
            cooldown_s=settings.cooldown_s,
            silent_after_s=settings.silent_after_s,
        )
