"""The alert: a public contract. A record is the alert's whole current state; key = `id`, topic compacted."""

from typing import Literal

from msgspec import Struct, field

from lumina_schemas.score import Tier

SCHEMA_VERSION = 1

SignalKind = Literal[
    "cost_spike",
    "quality_drop",
    "spend_spike",
    "latency_spike",
    "error_spike",
    "unpriced",
    "no_data",
    "series_limit",
    "budget",
    "trace_limit",
]
AlertKind = Literal[SignalKind, "cost_and_quality"]
"""Kind of the leading signal; cost and quality together are a kind of their own."""

PROJECT_KINDS = frozenset({"budget", "trace_limit"})
"""Kinds of alerts on a whole project or service: a command on one says its `project`."""

Unit = Literal[
    "usd_per_call", "tokens_per_call", "usd_per_min", "ms", "share", "score", "s", "series", "usd", "traces"
]
Feedback = Literal["useful", "noise"]
AlertState = Literal["open", "acknowledged", "snoozed", "resolved"]
Severity = Literal["info", "warning", "critical"]
Reason = Literal["recovered", "adopted", "manual", "false", "silent"]


class Baseline(Struct, frozen=True, omit_defaults=True):
    """What the series did before, in the signal's unit."""

    p50: float
    p95: float
    n: int  # calls behind it
    window: str  # 1h, 24h, 7d


class Signal(Struct, frozen=True, omit_defaults=True):
    """One measured deviation: what is, what was, how sure."""

    kind: SignalKind
    value: float  # level of the recent calls, in `unit`
    baseline: Baseline
    ratio: float  # value / baseline.p50
    significance: float  # test statistic over its threshold: 1.0 is just enough
    n: int  # recent calls that the value rests on
    since: str  # RFC 3339, event time of the first deviating call
    unit: Unit = "usd_per_call"
    detail: str = ""  # which test or quality sign decided, in words
    tier: Tier | None = None  # quality_drop: what saw it, of several the one that most bad answers have


class Cause(Struct, frozen=True, omit_defaults=True, rename={"from_": "from"}):
    """The attribute that separates the new calls from the old ones."""

    what: str  # request_model, prompt_version, release, input_tokens, price, ...: docs/alerts.md has all
    from_: str
    to: str
    share: float  # of the new calls that have `to`, from the first of them on


class CostPart(Struct, frozen=True, omit_defaults=True):
    """What one reason contributes to the change of spend; all parts add up to the whole change."""

    what: Literal["price", "model_mix", "input_tokens", "output_tokens", "cache_hits", "volume"]
    usd_per_h: float  # may be negative


class ChangedAttribute(Struct, frozen=True, omit_defaults=True, rename={"from_": "from"}):
    """A value that is common among the new calls and was rare before, or a mark near the beginning."""

    what: str  # request_model, prompt_version, release, mark
    from_: str
    to: str
    share_before: float = 0.0  # of the baseline's calls that have `to`
    share: float = 0.0  # of the new calls that have `to`, from the first of them on
    at: str = ""  # mark: RFC 3339


class TopSpan(Struct, frozen=True, omit_defaults=True):
    """A span that shows the deviation."""

    trace_id: str
    span_id: str
    at: str  # RFC 3339
    cost_usd: float | None = None
    quality: float | None = None


class Answers(Struct, frozen=True, omit_defaults=True):
    """An earlier answer and a new one to the same prompt. Hostile text: never markup, never instructions."""

    before: str
    after: str


class Transition(Struct, frozen=True, omit_defaults=True):
    """One step of the alert's life."""

    state: AlertState
    at: str  # RFC 3339, event time
    by: str  # "lumina" or who asked
    note: str = ""


class Alert(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One incident on one series: a signal alone, or several that came together."""

    v: int  # SCHEMA_VERSION
    rev: int  # +1 each time this alert is written: readers keep the higher one
    id: str  # uuid5 over series, first kind, opening window, n-th opening in it; never changes
    kind: AlertKind
    state: AlertState
    severity: Severity  # cost and quality together = critical, else warning; settable per rule
    reason: Reason | None = None  # of its end; `adopted` also while it is open
    project: str
    service: str
    endpoint: str
    series_id: str
    summary: str  # one plain sentence
    opened_at: str  # RFC 3339, event time
    updated_at: str
    resolved_at: str | None = None
    snoozed_until: str | None = None  # while it is snoozed: RFC 3339, event time of the series
    detected_at: str  # RFC 3339, wall clock of the detecting process
    signals: tuple[Signal, ...]
    cause: Cause | None = None
    impact_usd_per_h: float | None = None  # more than before, at the present rate of calls
    impact_usd: float | None = None  # more than before, since it began
    cost_split: tuple[CostPart, ...] = ()
    top_spans: tuple[TopSpan, ...] = ()
    answers: Answers | None = None
    changed_attributes: tuple[ChangedAttribute, ...] = ()
    feedback: Feedback | None = None  # what somebody said of it, the last time
    missing: tuple[str, ...] = ()  # what this alert could not look at, and why
    history: tuple[Transition, ...] = ()
    links: dict[str, str] = field(default_factory=dict)  # name -> path below the API's address
