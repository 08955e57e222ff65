"""Query parameters of REST, one model a list. An unknown parameter is an error, never ignored."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lumina_api.rest.moment import NS, Moment, MomentParameter
from lumina_api.views.queries import Filters, Group, Order
from lumina_schemas.alert import AlertKind, AlertState, Severity
from lumina_schemas.score import QualityReason

# Lists show the last day unless asked otherwise: older spans are there, but seldom what is looked for.
DEFAULT_SINCE = Moment(24 * 3600 * NS, before_now=True)

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Names = Annotated[list[Name], Field(max_length=50)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Limit = Annotated[int, Field(ge=1, le=1000, description="Most items of one page.")]
Cursor = Annotated[
    str | None,
    Field(
        max_length=20_000,
        description="`next_cursor` of the page before. Keep the other parameters as they were.",
    ),
]


def _any_of(what: str) -> str:
    return f"{what}; repeated: any of them."


class NoParameters(BaseModel):
    """A path without query parameters."""

    model_config = ConfigDict(extra="forbid")


class SpanParameters(NoParameters):
    """What spans are narrowed to."""

    project: Names = Field(default=[], description=_any_of("Project"))
    service: Names = Field(default=[], description=_any_of("Service"))
    endpoint: Names = Field(default=[], description=_any_of("Endpoint"))
    model: Names = Field(default=[], description=_any_of("Model, as requested or as answered"))
    provider: Names = Field(default=[], description=_any_of("Provider, such as openai or anthropic"))
    status: list[Literal["unset", "ok", "error"]] = Field(
        default=[],
        max_length=3,
        description=_any_of("Status (a trace's is error when one of its spans has it)"),
    )
    trace_id: Annotated[str, StringConstraints(to_lower=True, max_length=64)] | None = Field(
        default=None, description="Trace, 32 hex digits"
    )
    since: MomentParameter | None = Field(
        default=None,
        description="Started at or after: RFC 3339, or before now (15m, 24h, 7d). Default 24h; "
        "with trace_id: ever.",
    )
    until: MomentParameter | None = Field(
        default=None, description="Started before: RFC 3339, or before now. Default: no end."
    )
    min_cost: Amount | None = Field(default=None, description="Cost at least, USD")
    min_duration_ms: Amount | None = Field(default=None, description="Duration at least, ms")
    max_quality: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        default=None,
        description="Quality at most, 0 to 1, of the judged ones (a trace: of one of its calls)",
    )
    quality_reason: list[QualityReason] = Field(
        default=[],
        max_length=20,
        description=_any_of("Why quality is low; empty: nothing is wrong with a judged answer"),
    )

    def filters(self, now_ns: int) -> Filters:
        """The same for the views; relative times resolved."""
        since = self.since or (None if self.trace_id is not None else DEFAULT_SINCE)
        return Filters(
            project=tuple(self.project),
            service=tuple(self.service),
            endpoint=tuple(self.endpoint),
            model=tuple(self.model),
            provider=tuple(self.provider),
            status=tuple(self.status),
            trace_id=self.trace_id,
            since=since.resolve(now_ns) if since is not None else None,
            until=self.until.resolve(now_ns) if self.until is not None else None,
            min_cost=self.min_cost,
            min_duration_ms=self.min_duration_ms,
            max_quality=self.max_quality,
            quality_reason=tuple(self.quality_reason),
        )


class SpanListParameters(SpanParameters):
    """A list of calls or traces."""

    limit: Limit = 50
    order: Order = Field(default="newest", description="By start, by cost or by duration.")
    cursor: Cursor = None


class CostParameters(SpanParameters):
    """Sums of cost."""

    group_by: list[str] = Field(
        default=[],
        max_length=5,
        description="Any of project, service, endpoint, model, provider; repeated or separated by commas.",
    )
    interval: Literal["1m", "5m", "15m", "1h", "6h", "1d"] | None = Field(
        default=None, description="Adds a timeline in steps of this length to each item."
    )
    limit: Limit = 50


class SeriesParameters(NoParameters):
    """A list of series."""

    project: Names = Field(default=[], description=_any_of("Project"))
    service: Names = Field(default=[], description=_any_of("Service"))
    endpoint: Names = Field(default=[], description=_any_of("Endpoint"))
    since: MomentParameter | None = Field(
        default=None,
        description="With calls at or after: RFC 3339, or before now (15m, 24h, 7d). Default 24h.",
    )
    until: MomentParameter | None = Field(
        default=None, description="With calls before: RFC 3339, or before now. Default: no end."
    )
    limit: Limit = 50

    def filters(self, now_ns: int) -> Filters:
        """The same for the views; relative times resolved."""
        return Filters(
            project=tuple(self.project),
            service=tuple(self.service),
            endpoint=tuple(self.endpoint),
            since=(self.since or DEFAULT_SINCE).resolve(now_ns),
            until=self.until.resolve(now_ns) if self.until is not None else None,
        )


class AlertParameters(NoParameters):
    """A list of alerts."""

    state: list[AlertState] = Field(default=[], max_length=4, description=_any_of("State"))
    kind: list[AlertKind] = Field(default=[], max_length=20, description=_any_of("Kind"))
    severity: list[Severity] = Field(default=[], max_length=3, description=_any_of("Severity"))
    project: Names = Field(default=[], description=_any_of("Project"))
    service: Names = Field(default=[], description=_any_of("Service"))
    endpoint: Names = Field(default=[], description=_any_of("Endpoint"))
    since: MomentParameter | None = Field(default=None, description="Opened at or after. Default: ever.")
    until: MomentParameter | None = Field(default=None, description="Opened before. Default: no end.")
    order: Literal["newest", "oldest"] = Field(default="newest", description="By opening.")
    limit: Limit = 50
    cursor: Cursor = None

    def filters(self, now_ns: int) -> Filters:
        """The same for the views; relative times resolved."""
        return Filters(
            state=tuple(self.state),
            kind=tuple(self.kind),
            severity=tuple(self.severity),
            project=tuple(self.project),
            service=tuple(self.service),
            endpoint=tuple(self.endpoint),
            since=self.since.resolve(now_ns) if self.since is not None else None,
            until=self.until.resolve(now_ns) if self.until is not None else None,
        )


class TraceParameters(NoParameters):
    """One trace."""

    project: Name | None = Field(
        default=None, description="Needed only where several projects have spans of this trace."
    )


GROUPS: tuple[Group, ...] = ("project", "service", "endpoint", "model", "provider")
