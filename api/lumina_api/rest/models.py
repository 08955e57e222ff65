"""What REST answers, for OpenAPI. Records are derived from their structs, so that a field has one home.

Handlers encode rows directly (msgspec) for speed; tests hold their answers against these models.
"""

from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import NODEFAULT, Struct
from msgspec.structs import fields
from pydantic import BaseModel, ConfigDict, Field, create_model

from lumina_schemas.alert import Alert
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

Coverage = Annotated[
    float | None, Field(ge=0, le=1, description="Share of the calls whose cost is known; null without calls")
]
Cost = Annotated[float | None, Field(description="USD, of the calls whose cost is known; null where none is")]


class _Answer(BaseModel):
    model_config = _STRICT


class _Listed(_Answer):
    next_cursor: str | None = Field(description="Cursor of the page that follows; null on the last one")


class TraceSummary(_Answer):
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
    cost_usd: Cost
    coverage: Coverage
    models: list[str]


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

    input_tokens: int
    output_tokens: int
    spans: list[SpanNode]  # type: ignore[valid-type]
    alerts: list[AlertItem]  # type: ignore[valid-type]
    truncated: bool = Field(description="Whether the trace has more spans than are shown")


class CostSums(_Answer):
    """Sums over calls."""

    calls: int
    cost_usd: Cost
    coverage: Coverage
    priced_calls: int = Field(description="Calls whose cost is known, exactly or estimated")
    estimated_calls: int
    unknown_calls: int = Field(description="Calls whose cost is not known; not in cost_usd")
    errors: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    seen_calls: int = Field(description="Calls that arrived; fewer than `calls` where traffic is sampled")
    sampling: str | None = Field(description="Says that sums are estimated, where sampled traffic is in them")


class CostStep(CostSums):
    """One step of a timeline. Steps without calls are left out."""

    start: str
    start_ns: int


class CostItem(CostSums):
    """Sums of one group; what is not grouped by is absent."""

    project: str | None = None
    service: str | None = None
    endpoint: str | None = None
    model: str | None = None
    provider: str | None = None
    timeline: list[CostStep] | None = None


class Costs(_Answer):
    """Costs by group, the dearest first, and of all calls together."""

    totals: CostSums
    items: list[CostItem]
    group_by: list[str]
    interval: str | None
    timeline: list[CostStep] | None = Field(default=None, description="Of all calls together")
    since: str | None
    until: str | None


class SeriesItem(_Answer):
    """One series: the calls of an endpoint, and whether their prompts and answers are sent."""

    project: str
    service: str
    endpoint: str
    series_id: str
    calls: int
    coverage: Coverage
    last_call: str = Field(description="Start of the last call, RFC 3339")
    last_call_ns: int
    content: Literal["captured", "none"] = Field(
        description="Whether the last calls (20 at most) have prompts or answers"
    )
    content_setting: str | None = Field(
        description="What turns prompts and answers on for the instrumentation of the last call; "
        "null where they are captured"
    )


class SeriesList(_Answer):
    """Series, the lately used first."""

    items: list[SeriesItem]
    since: str | None
    until: str | None


class AlertList(_Listed):
    """Alerts, each as it stands on its topic."""

    items: list[AlertItem]  # type: ignore[valid-type]


class Health(_Answer):
    """The process is alive."""

    status: Literal["ok"]


class TopicState(_Answer):
    """How far the views are on one topic."""

    topic: str
    replayed: float = Field(ge=0, le=1, description="Share applied of what lay there at the start")
    behind: int = Field(description="Records to go until ready")
    lag: int = Field(description="Records not yet applied")


class Readiness(_Answer):
    """Whether the views show what lay in the log when the process started, and if not, why."""

    ready: bool
    reasons: list[str]
    topics: list[TopicState]
