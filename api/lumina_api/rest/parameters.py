"""Query parameters of REST, one model a list. An unknown parameter is an error, never ignored."""

from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from lumina_api.rest.attribute import attributes
from lumina_api.rest.moment import NS, Moment, MomentParameter
from lumina_api.rest.problem import wrong_parameter
from lumina_api.views.facets import FACETS, Facet
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Order
from lumina_schemas.alert import AlertKind, AlertState, Severity
from lumina_schemas.score import QualityReason
from lumina_schemas.span import CostStatus, Status

# Lists show the last day unless asked otherwise: older spans are there, but seldom what is looked for.
DEFAULT_SINCE = Moment(24 * 3600 * NS, before_now=True)

# A text is looked for in every prompt and answer of its time, so that is bounded.
MOST_TEXT_NS = 7 * 24 * 3600 * NS

# By how much that time may grow while its pages are fetched.
PAGING_NS = 3600 * NS

# Filters that are asked for under their own names, and as they are.
_TAKEN = {field.name for field in fields(Filters)} - {"attribute", "since", "until"}

Name = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Names = Annotated[list[Name], Field(max_length=50)]
Values = Annotated[list[Annotated[str, StringConstraints(max_length=1000)]], Field(max_length=50)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
Quality = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

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


def _or_none(what: str) -> str:
    return f"{what}, empty: those without; repeated: any of them."


AT_LEAST = r"^[A-Za-z0-9._-]{1,249}:[0-9]{1,6}:[0-9]{1,18}$"
"""Full name of a topic, partition, offset."""

AtLeast = Annotated[
    list[Annotated[str, StringConstraints(pattern=AT_LEAST)]],
    Field(
        max_length=50,
        description="The answer must show the record at this position of Kafka, `topic:partition:offset`, "
        "such as `Lumina-Position` of a write; waits up to 5 s, then 503. Repeated: all of them.",
    ),
]


class BareParameters(BaseModel):
    """A path without query parameters."""

    model_config = ConfigDict(extra="forbid")


class NoParameters(BareParameters):
    """A path that reads the views, without parameters of its own."""

    at_least: AtLeast = []


class SpanParameters(NoParameters):
    """What spans are narrowed to: the one grammar of all lists. docs/rest.md explains it."""

    project: Names = Field(default=[], description=_any_of("Project"), examples=[["shop"]])
    service: Names = Field(default=[], description=_any_of("Service"), examples=[["checkout"]])
    endpoint: Names = Field(default=[], description=_any_of("Endpoint"), examples=[["answer"]])
    model: Names = Field(
        default=[], description=_any_of("Model, as requested or as answered"), examples=[["gpt-4o-mini"]]
    )
    provider: Names = Field(
        default=[], description=_any_of("Provider, such as openai or anthropic"), examples=[["openai"]]
    )
    status: list[Status] = Field(
        default=[],
        max_length=3,
        description=_any_of("Status (a trace's is error when one of its spans has it)"),
        examples=[["error"]],
    )
    environment: Values = Field(default=[], description=_or_none("Environment"), examples=[["production"]])
    release: Values = Field(default=[], description=_or_none("Release of the service"), examples=[["1.4.2"]])
    session_id: Values = Field(default=[], description=_or_none("Session"), examples=[["s-17"]])
    user_id: Values = Field(default=[], description=_or_none("User"), examples=[["u-42"]])
    prompt_name: Values = Field(default=[], description=_or_none("Name of the prompt"), examples=[["greet"]])
    prompt_version: Values = Field(
        default=[], description=_or_none("Version of the prompt"), examples=[["3"]]
    )
    tag: Names = Field(default=[], description=_any_of("Tag"), examples=[["beta"]])
    trace_id: Annotated[str, StringConstraints(to_lower=True, max_length=64)] | None = Field(
        default=None, description="Trace, 32 hex digits", examples=["0af7651916cd43dd8448eb211c80319c"]
    )
    since: MomentParameter | None = Field(
        default=None,
        description="Started at or after: RFC 3339, or before now (15m, 24h, 7d). Default 24h; "
        "with trace_id and no text: ever.",
    )
    until: MomentParameter | None = Field(
        default=None, description="Started before: RFC 3339, or before now. Default: no end."
    )
    min_cost: Amount | None = Field(default=None, description="Cost at least, USD", examples=[0.01])
    max_cost: Amount | None = Field(default=None, description="Cost at most, USD", examples=[0.5])
    min_duration_ms: Amount | None = Field(default=None, description="Duration at least, ms", examples=[500])
    max_duration_ms: Amount | None = Field(default=None, description="Duration at most, ms", examples=[5000])
    min_ttft_ms: Amount | None = Field(
        default=None, description="Time to the first token at least, ms (a trace: of one of its calls)"
    )
    max_ttft_ms: Amount | None = Field(
        default=None, description="Time to the first token at most, ms (a trace: of one of its calls)"
    )
    min_input_tokens: Count | None = Field(default=None, description="Tokens of the prompt at least")
    max_input_tokens: Count | None = Field(default=None, description="Tokens of the prompt at most")
    min_output_tokens: Count | None = Field(default=None, description="Tokens of the answer at least")
    max_output_tokens: Count | None = Field(default=None, description="Tokens of the answer at most")
    min_total_tokens: Count | None = Field(default=None, description="Tokens of both together at least")
    max_total_tokens: Count | None = Field(default=None, description="Tokens of both together at most")
    cost_status: list[CostStatus] = Field(
        default=[],
        max_length=3,
        description=_any_of("Whether the cost is exact, estimated or unknown (a trace: of one of its spans)"),
    )
    min_quality: Quality | None = Field(
        default=None,
        description="Quality at least, 0 to 1, of the judged ones (a trace: of one of its calls)",
    )
    max_quality: Quality | None = Field(
        default=None,
        description="Quality at most, 0 to 1, of the judged ones (a trace: of one of its calls)",
    )
    quality_reason: list[QualityReason] = Field(
        default=[],
        max_length=20,
        description=_any_of("Why quality is low; empty: nothing is wrong with a judged answer"),
    )
    attribute: Annotated[
        list[Annotated[str, StringConstraints(min_length=1, max_length=2000)]], Field(max_length=20)
    ] = Field(
        default=[],
        description="Attribute of the span or its resource: key=value, or a key alone where it must only "
        "be there. A = in the key is written \\=, a \\ is \\\\. Repeated: any value of one key, and each of "
        "several keys.",
        examples=[["tenant.plan=gold", "retries"]],
    )
    text: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = Field(
        default=None,
        description="In the prompt, the answer or a tool's call or result, whatever the case of its "
        "letters. The time may be 7 days at most.",
        examples=["where is my parcel"],
    )

    def filters(self, now_ns: int) -> Filters:
        """The same for the views; relative times resolved. Problem 422 for a text in too long a time."""
        ever = self.trace_id is not None and self.text is None
        since = self.since or (None if ever else DEFAULT_SINCE)
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value := getattr(self, name), list) else value
            for name in _TAKEN & set(SpanParameters.model_fields)
        }
        filters = Filters(
            **given,
            attribute=attributes(self.attribute),
            since=since.resolve(now_ns) if since is not None else None,
            until=self.until.resolve(now_ns) if self.until is not None else None,
        )
        if filters.text is not None:
            end = now_ns if filters.until is None else min(now_ns, filters.until)
            if end - (filters.since or 0) > MOST_TEXT_NS + PAGING_NS:
                raise wrong_parameter("text", "is looked for within 7 days at most: name a later since")
        return filters


class SpanListParameters(SpanParameters):
    """A list of calls or traces."""

    limit: Limit = 50
    order: Order = Field(default="newest", description="By start, by cost or by duration.")
    cursor: Cursor = None


class SessionListParameters(SpanParameters):
    """A list of sessions."""

    limit: Limit = 50
    order: Order = Field(
        default="newest",
        description="By the start of its last trace (oldest: of its first), by cost or by duration.",
    )
    cursor: Cursor = None


class SessionParameters(NoParameters):
    """One session with its traces."""

    project: Name | None = Field(
        default=None, description="Needed only where several projects have traces of this session."
    )
    limit: Limit = 50
    order: Order = Field(default="oldest", description="Of its traces: by start, by cost or by duration.")
    cursor: Cursor = None


class FacetParameters(SpanParameters):
    """Values that a list could be narrowed to."""

    facet: list[Facet] = Field(
        default=[], max_length=len(FACETS), description="What to count the values of; default: all of it."
    )
    limit: Annotated[int, Field(ge=1, le=200, description="Most values of one facet.")] = 20


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


class UsageParameters(NoParameters):
    """A list of projects with traces today."""

    project: Names = Field(default=[], description=_any_of("Project, whether it has traces today or not"))
    limit: Limit = 50
    cursor: Cursor = None


class AlertFilterParameters(NoParameters):
    """What alerts are narrowed to."""

    state: list[AlertState] = Field(default=[], max_length=4, description=_any_of("State"))
    kind: list[AlertKind] = Field(default=[], max_length=20, description=_any_of("Kind"))
    severity: list[Severity] = Field(default=[], max_length=3, description=_any_of("Severity"))
    project: Names = Field(default=[], description=_any_of("Project"))
    service: Names = Field(default=[], description=_any_of("Service"))
    endpoint: Names = Field(default=[], description=_any_of("Endpoint"))
    since: MomentParameter | None = Field(default=None, description="Opened at or after. Default: ever.")
    until: MomentParameter | None = Field(default=None, description="Opened before. Default: no end.")

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


class AlertParameters(AlertFilterParameters):
    """A list of alerts."""

    order: Literal["newest", "oldest"] = Field(default="newest", description="By opening.")
    limit: Limit = 50
    cursor: Cursor = None


class TraceParameters(NoParameters):
    """One trace."""

    project: Name | None = Field(
        default=None, description="Needed only where several projects have spans of this trace."
    )
