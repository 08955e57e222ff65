"""What a series is used to, as `lumina baselines --json` tells it: one record a series."""

from typing import Literal

from msgspec import Struct

from lumina_schemas.alert import Unit

BASELINE_VERSION = 1

Readiness = Literal["learning", "ready", "stale"]
MeasureName = Literal["cost", "latency", "ttft", "input_tokens", "output_tokens", "spend", "errors"]
WindowName = Literal["1h", "24h", "7d"]


class WindowBaseline(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A measure over one window, which ends at the series' newest call. Percentiles are within 2.5 %."""

    window: WindowName
    n: int  # calls behind it; of spend: spans of five minutes
    mean: float  # of errors the share of calls that failed
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    log_location: float | None = None  # natural log of the value: median ...
    log_spread: float | None = None  # ... and robust spread: of the middle half or of the upper 5 %


class MeasureBaseline(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A measure over its windows; those without calls are left out."""

    measure: MeasureName
    unit: Unit
    windows: tuple[WindowBaseline, ...] = ()


class SeriesBaseline(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a series is used to. Calls of an open alert have not taught it."""

    v: int  # BASELINE_VERSION
    project: str
    service: str
    endpoint: str
    series_id: str
    state: Readiness
    progress: str  # the state in words: learning (137/200, about 40 min)
    calls: int  # all that were counted
    known: int  # calls behind the level that decides
    wanted: int  # calls that it needs to be ready: `min_samples` of the rule in force
    ready_in_min: float | None = None  # at the present rate; absent where ready, or without calls
    calls_per_min: float = 0.0  # over the last hour before the newest call
    newest: str | None = None  # RFC 3339: event time of the newest call
    references: int = 0  # prompts whose earlier answers new ones are held against, 64 at most
    measures: tuple[MeasureBaseline, ...] = ()
