"""Rules: what users decide about detection, place by place. Values of `lumina.settings`, and in the log.

Every partition of `lumina.spans` gets each change as a control message: a replay meets it among the same
calls as the first run did.
"""

from typing import Annotated

from msgspec import Meta, Struct

from lumina_schemas.alert import AlertKind, Severity, SignalKind
from lumina_schemas.source import Source

RULE_VERSION = 1

RULES = b"rules"
"""Value of the header `lumina-type`."""

KIND = "rules/"
"""What the key of a rule in `lumina.settings` begins with; its id follows."""

RuleId = Annotated[str, Meta(min_length=1, max_length=100)]
Name = Annotated[str, Meta(max_length=500)]


class Rule(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is asked of the series of a place. Absent fields are as the environment's settings say.

    An empty name stands for all. Where several rules meet a series, the most specific one is in force alone:
    endpoint before service before project; of equals the one with the smallest id.
    """

    v: int  # RULE_VERSION
    project: Name = ""
    service: Name = ""
    endpoint: Name = ""
    cost_spike_pct: Annotated[float, Meta(gt=0)] | None = None  # %; a smaller rise of cost is no alert
    quality_min: Annotated[float, Meta(ge=0, le=1)] | None = None  # an answer scoring below this is bad
    correlation_s: Annotated[float, Meta(gt=0)] | None = None  # cost and quality this close are one alert
    min_samples: Annotated[int, Meta(ge=10, le=1_000_000)] | None = None  # calls before a baseline is ready
    cooldown_s: Annotated[float, Meta(ge=0)] | None = None  # a signal back within this reopens its alert
    silent_after_s: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None  # no call so long: resolved
    adopt_after_s: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None  # a level that stays is adopted
    spend_spike_pct: Annotated[float, Meta(gt=0)] | None = None  # %; a smaller rise of spend is no alert
    latency_spike_pct: Annotated[float, Meta(gt=0)] | None = None  # %
    error_spike_points: Annotated[float, Meta(gt=0, le=100)] | None = None  # percentage points
    no_data_after_s: Annotated[float, Meta(ge=0, le=31_536_000)] | None = None  # 0: silence is no alert
    false_critical_per_week: Annotated[float, Meta(gt=0, le=1000)] | None = None  # a project's budget
    false_warnings_per_week: Annotated[float, Meta(gt=0, le=1000)] | None = None
    off: tuple[SignalKind, ...] | None = None  # signals that never alert here
    severity: dict[AlertKind, Severity] | None = None  # in place of the kinds' own


class RuleChange(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule in the log: set, changed, or removed (`rule` is null).

    `src` is `[epoch, "control", partition, offset, 0]` of `lumina.settings`. It has to be there: written to
    one partition of `lumina.spans` by hand, a rule would hold for some series and not for others.
    """

    v: int  # RULE_VERSION
    id: RuleId
    src: Source
    rule: Rule | None = None
