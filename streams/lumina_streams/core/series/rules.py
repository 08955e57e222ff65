"""What a user decides about detection; everything else is learned from the series."""

from typing import Self, get_args

from msgspec import Struct
from msgspec.structs import replace

from lumina_schemas.alert import AlertKind, Severity, SignalKind
from lumina_schemas.settings import Settings


class Marker(Struct, frozen=True, array_like=True, gc=False):
    """Something that people said they did, as detection looks at it."""

    at_ms: int  # event time
    text: str
    expected: bool  # levels that change with it are accepted
    by: str


class Rules(Struct, frozen=True):
    """The rule in force for a series. Defaults are those of `Settings`.

    `active_series` and `marks` are of the log, not of a rule. No deadline may follow from them: see
    `Partition`.
    """

    cost_spike_pct: float = 20.0  # a smaller rise is no alert, however certain
    quality_min: float = 0.7  # an answer scoring below this is bad
    correlation_s: float = 300.0  # cost and quality this close (event time) are one alert
    min_samples: int = 200  # below: learning, only overwhelming evidence alerts
    cooldown_s: float = 1800.0  # a signal that returns within this reopens its alert
    silent_after_s: float = 86_400.0  # an alert whose series has no call for so long is resolved
    adopt_calls: int = 500  # a level that holds for so many calls ...
    adopt_after_s: float = 21_600.0  # ... or so long becomes the baseline
    spend_spike_pct: float = 200.0
    latency_spike_pct: float = 30.0
    error_spike_points: float = 5.0
    no_data_after_s: float = 0.0  # 0: silence is no alert
    false_critical_per_week: float = 1.0  # what the project bears
    false_warnings_per_week: float = 5.0
    off: tuple[SignalKind, ...] = ()  # signals that never alert
    severity: dict[AlertKind, Severity] = {}
    active_series: int = 1  # of the project, learned from the log: they share its budget
    marks: tuple[Marker, ...] = ()  # change markers that meet the series, newest last
    max_series: int = 10_000  # of the project
    imported: bool = (
        False  # for calls of another installation's past: they teach, and nothing is said of them
    )

    def of_the_past(self) -> Self:
        """The same for imported calls: no signal alerts."""
        return replace(self, off=get_args(SignalKind), imported=True)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The rule that the environment asks for."""
        return cls(
            **{name: getattr(settings, name) for name in cls.__struct_fields__ if hasattr(settings, name)}
        )
