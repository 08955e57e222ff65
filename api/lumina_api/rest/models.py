"""What REST answers, for OpenAPI. Records are derived from their structs, so that a field has one home.

Handlers encode rows directly (msgspec) for speed; tests hold their answers against these models.
"""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields
from pydantic import BaseModel, ConfigDict, Field, create_model

from lumina_api.usage.report import ProjectUsage
from lumina_api.views.facets import Facet
from lumina_schemas.alert import Alert, AlertKind, AlertState, Feedback, Severity
from lumina_schemas.score import QualityReason, Tier
from lumina_schemas.span import Span

_STRICT = ConfigDict(extra="forbid")
_MODELS: dict[type[Struct], type[BaseModel]] = {}


def record_model(record: type[Struct]) -> type[BaseModel]:
    """A pydantic model of a record as msgspec encodes it: same fields, same names, same optionality."""
    if record not in _MODELS:
        hints = get_type_hints(record)
        members: dict[str, Any] = {}
        for field in fields(record):
            default = field.default
            if default is NODEFAULT and field.default_factory is not NODEFAULT:
                default = field.default_factory()
            members[field.name] = (
                _translated(hints[field.name]),
                Field(alias=field.encode_name)
                if default is NODEFAULT
                else Field(default, alias=field.encode_name),
            )
        _MODELS[record] = create_model(record.__name__, __config__=_STRICT, **members)
    return _MODELS[record]


def _translated(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        kept = [_translated(member) for member in get_args(annotation) if member is not NoneType]
        return (kept[0] if len(kept) == 1 else Any) | None
    if get_origin(annotation) is tuple and get_args(annotation)[1:] == (Ellipsis,):
        return list[_translated(get_args(annotation)[0])]  # type: ignore[misc]
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        return record_model(annotation)
    return annotation


def _span_members() -> dict[str, Any]:
    """The span's fields as rows have them: all there, null where unknown; `v` and `src` stay inside."""
    span = record_model(Span).model_fields
    return {name: (field.annotation, ...) for name, field in span.items() if name not in ("v", "src")}


_SHOWN: dict[str, Any] = {
    "quality": (
        float | None,
        Field(
            ge=0, le=1, description="What the answer is worth, 1 is as good as ever; null where not judged"
        ),
    ),
    "quality_tier": (Tier | None, Field(description="What decided about it; null where not judged")),
    "quality_reason": (
        QualityReason | None,
        Field(description="Why it is low; empty where nothing is wrong, null where not judged"),
    ),
    "start": (str, Field(description="`start_ns` as RFC 3339")),
    "model": (str, Field(description="The model that answered, else the one asked for")),
}

CallItem = create_model("CallItem", __config__=_STRICT, **_span_members(), **_SHOWN)
AlertItem = record_model(Alert)
UsageItem = record_model(ProjectUsage)

Coverage = Annotated[
    float | None, Field(ge=0, le=1, description="Share of the calls whose cost is known; null without calls")
]
Cost = Annotated[float | None, Field(description="USD, of the calls whose cost is known; null where none is")]


WorstQuality = Annotated[
    float | None,
    Field(ge=0, le=1, description="The lowest quality of its answers; null where none was judged"),
]


class Answer(BaseModel):
    """What every answer has in common: no field that is not named."""

    model_config = _STRICT


class _Listed(Answer):
    next_cursor: str | None = Field(description="Cursor of the page that follows; null on the last one")


class TraceSummary(Answer):
    """A trace in a list."""

    trace_id: str
    project: str
    name: str = Field(description="Name of the root span, or of the earliest where the root is not there")
    service: str
    start: str
    start_ns: int
    duration_ms: float | None
    status: Literal["unset", "ok", "error"]
    span_count: int
    call_count: int
    error_count: int = Field(description="Spans with status error")
    cost_usd: Cost
    coverage: Coverage
    input_tokens: int
    output_tokens: int
    models: list[str]
    session_id: str = Field(description="Empty where no span names one")
    user_id: str = Field(description="Empty where no span names one")
    worst_quality: WorstQuality


class TraceList(_Listed):
    """Traces, with the time that they were looked for in."""

    items: list[TraceSummary]
    since: str | None
    until: str | None


class CallList(_Listed):
    """Leaf calls, with the time that they were looked for in."""

    items: list[CallItem]  # type: ignore[valid-type]
    since: str | None
    until: str | None


_PLACE: dict[str, Any] = {
    "depth": (int, Field(description="0 is a root")),
    "children": (list[str], Field(description="Span ids")),
}
SpanNode = create_model("SpanNode", __config__=_STRICT, **_span_members(), **_SHOWN, **_PLACE)


class TraceDetail(TraceSummary):
    """A trace with its spans, parents before children, and the alerts that show it as evidence."""

    spans: list[SpanNode]  # type: ignore[valid-type]
    alerts: list[AlertItem]  # type: ignore[valid-type]
    truncated: bool = Field(description="Whether the trace has more spans than are shown")


class UsageList(_Listed):
    """Traces of the day by project, in the order of their names."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "project": "shop",
                            "traces": 46_210,
                            "estimated": False,
                            "limit": 50_000,
                            "percent": 92.4,
                            "refused_spans": 0,
                            "resets_at": "2026-11-28T00:00:00Z",
                        }
                    ],
                    "next_cursor": None,
                }
            ]
        },
    )

    items: list[UsageItem]  # type: ignore[valid-type]


class SessionSummary(Answer):
    """A session in a list: sums over its traces."""

    session_id: str
    project: str
    users: list[str] = Field(description="Whoever spoke in it, 20 at most")
    trace_count: int
    span_count: int
    call_count: int
    error_count: int = Field(description="Spans with status error")
    cost_usd: Cost
    coverage: Coverage
    input_tokens: int
    output_tokens: int
    worst_quality: WorstQuality
    status: Literal["unset", "ok", "error"]
    first: str = Field(description="Start of its first trace, RFC 3339")
    first_ns: int
    last: str = Field(description="Start of its last trace, RFC 3339")
    last_ns: int
    duration_ms: float | None = Field(description="From the start of the first to the end of all")


class SessionList(_Listed):
    """Sessions, with the time of the traces that they are made of."""

    items: list[SessionSummary]
    since: str | None
    until: str | None


class SessionDetail(SessionSummary):
    """A session over all of its time, with a page of its traces."""

    traces: list[TraceSummary]
    next_cursor: str | None = Field(description="Cursor of the traces that follow; null on the last page")


class FacetValue(Answer):
    """A value that the list could be narrowed to, and how many items it would have."""

    value: str
    count: int


_BY_FACET: dict[str, Any] = {facet: (list[FacetValue] | None, None) for facet in get_args(Facet)}
FacetValues = create_model("FacetValues", __config__=_STRICT, **_BY_FACET)


class Facets(Answer):
    """Values by facet, the most frequent first."""

    facets: FacetValues  # type: ignore[valid-type]
    since: str | None
    until: str | None


class AlertList(_Listed):
    """Alerts, each as it stands on its topic."""

    items: list[AlertItem]  # type: ignore[valid-type]


class MeanTime(Answer):
    """A mean, and over how many alerts."""

    mean_s: float | None = Field(description="Seconds; null without any")
    alerts: int


class ServiceAlerts(Answer):
    """Alerts of one service."""

    service: str
    alerts: int


class DayAlerts(Answer):
    """Alerts that were opened on one day."""

    day: str = Field(description="UTC", examples=["2026-01-31"])
    alerts: int


class AlertStatistics(Answer):
    """What the alerts come to."""

    alerts: int
    by_state: dict[AlertState, int]
    by_kind: dict[AlertKind, int] = Field(description="The most frequent first")
    by_severity: dict[Severity, int] = Field(description="The most frequent first")
    by_service: list[ServiceAlerts] = Field(description="The 50 with the most alerts")
    by_day: list[DayAlerts] = Field(description="By the day of opening; days without alerts are left out")
    time_to_acknowledge: MeanTime = Field(description="From opening to the first acknowledgement")
    time_to_resolve: MeanTime = Field(description="From opening to the end, of those that are resolved")
    feedback: dict[Feedback, int]
    noise_share: float | None = Field(
        ge=0, le=1, description="Of the alerts that somebody judged; null without any"
    )


class Health(Answer):
    """The process is alive."""

    status: Literal["ok"]


class TopicState(Answer):
    """How far the views are on one topic."""

    topic: str
    replayed: float = Field(ge=0, le=1, description="Share applied of what lay there at the start")
    behind: int = Field(description="Records to go until ready")
    lag: int = Field(description="Records not yet applied")


class Pace(Answer):
    """How far a file of the views is, and how fast."""

    topics: list[TopicState]
    records_per_s: float | None = Field(description="Records applied a second, lately; null: not known yet")
    eta_s: float | None = Field(
        description="Seconds until what lay there at the start is applied; null: not known"
    )


class Rebuilding(Pace):
    """A file that is built for this release while the former one answers."""

    replayed: float = Field(ge=0, le=1, description="Share applied of what lay in all topics at the start")
    reasons: list[str] = Field(description="Why it has not taken over yet")
    former: str = Field(description="What keeps the former file from following the log; empty: nothing")


class Readiness(Pace):
    """Whether the views show what lay in the log when the process started, and if not, why."""

    ready: bool
    reasons: list[str]
    rebuilding: Rebuilding | None = Field(
        description="Until the file of this release takes over from a former one; null: it has"
    )


class OwnRetention(Answer):
    """A project with a retention of its own."""

    project: str
    days: float = Field(ge=0, description="0 = for ever")


class PlannedRows(Answer):
    """Rows that go the next time."""

    project: str
    table: str
    rows: int
    oldest: str
    before: str = Field(description="Rows of a time before this one go")


class RetentionRun(Answer):
    """What a run has done."""

    due: str
    ended: str
    rows: dict[str, int] | None = Field(description="Rows deleted, by table; null for keys of one project")


class RetentionPlan(Answer):
    """How long rows are kept, what goes the next time, as of now, and what went the last time."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "days": 7,
                "projects": [{"project": "shop", "days": 30}],
                "next_run": "2026-02-01T02:00:00.000000000Z",
                "plan": [
                    {
                        "project": "bank",
                        "table": "spans",
                        "rows": 182_340,
                        "oldest": "2026-01-24T02:00:00.120000000Z",
                        "before": "2026-01-25T02:00:00.000000000Z",
                    }
                ],
                "last_run": {
                    "due": "2026-01-31T02:00:00.000000000Z",
                    "ended": "2026-01-31T02:01:12.480000000Z",
                    "rows": {"spans": 179_112, "scores": 90_210, "traces": 60_003},
                },
            }
        },
    )

    days: float = Field(ge=0, description="LUMINA_RETENTION_DAYS; 0 = for ever")
    projects: list[OwnRetention]
    next_run: str
    plan: list[PlannedRows]
    last_run: RetentionRun | None
