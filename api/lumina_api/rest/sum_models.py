"""What REST answers about sums, for OpenAPI."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from lumina_api.rest.models import Answer, CallItem, Cost, Coverage

Share = Annotated[float | None, Field(ge=0, description="Of the whole, 0 to 1; null where there is nothing")]
Usd = Annotated[float, Field(description="USD")]
Ms = Annotated[float | None, Field(description="ms, within 1 %; null without calls")]
Quality = Annotated[float | None, Field(ge=0, le=1, description="0 to 1; null where no answer was judged")]


_PLACE = {"service": "checkout", "model": "gpt-4o-mini"}


def example_of(**values: Any) -> ConfigDict:
    """What OpenAPI shows of a model that no other inherits."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class Timed(Answer):
    """An answer about a time."""

    since: str | None
    until: str | None


class Grouped(Answer):
    """Values of what is grouped by; what is not grouped by is absent."""

    project: str | None = None
    service: str | None = None
    endpoint: str | None = None
    environment: str | None = None
    provider: str | None = None
    model: str | None = None
    prompt_name: str | None = None
    prompt_version: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    tag: str | None = None


class Step(Answer):
    """One step of a timeline. Steps without calls are left out."""

    start: str
    start_ns: int


class CostSums(Answer):
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


class CostItem(Grouped, CostSums):
    """Sums of one group."""

    model_config = example_of(
        **_PLACE,
        calls=1200,
        cost_usd=3.18,
        coverage=0.98,
        priced_calls=1176,
        estimated_calls=14,
        unknown_calls=24,
        errors=9,
        input_tokens=1_940_000,
        cache_read_tokens=610_000,
        cache_write_tokens=0,
        output_tokens=212_000,
        reasoning_tokens=0,
        seen_calls=1200,
        sampling=None,
        share=0.41,
    )
    share: Share


class CostBreakdown(Timed):
    """Costs by group, the dearest first, and of all calls together."""

    group_by: list[str]
    totals: CostSums
    items: list[CostItem]


class CostStep(Step, CostSums):
    """Sums of one step."""


class CostLine(Grouped):
    """One group over time."""

    timeline: list[CostStep]


class CostTimeline(Timed):
    """Costs over time, a line a group; without groups one line of all calls."""

    group_by: list[str]
    interval: str
    items: list[CostLine]


class FormerCosts(Timed, CostSums):
    """Sums of the time before."""


class CostChange(Answer):
    """Why priced calls cost more or less than before, in USD; the parts add up to `usd`."""

    model_config = example_of(
        usd=1.5,
        price=0.0,
        volume=0.9,
        input_tokens=0.35,
        output_tokens=0.05,
        cache_hits=-0.2,
        model_mix=0.4,
        new=0.0,
    )
    usd: Usd
    price: float = Field(description="Another price of the same tokens")
    volume: float = Field(description="More or fewer calls, at the old cost of a call")
    input_tokens: float = Field(description="Longer or shorter prompts")
    output_tokens: float = Field(description="Longer or shorter answers")
    cache_hits: float = Field(description="More or less of the prompts out of the provider's cache")
    model_mix: float = Field(description="Other models than before")
    new: float = Field(description="All of it, where nothing was priced in one of the two times")


class CostSummary(Timed):
    """What a time cost, against the same time before it."""

    totals: CostSums
    before: FormerCosts
    change: CostChange
    cache_savings_usd: float | None = Field(
        description="What cached input saved against its full price, less what writing to the cache cost "
        "above it, by the prices in force; null: nothing was cached, or no price is known"
    )
    cache_savings_coverage: float | None = Field(
        ge=0,
        le=1,
        description="Share of the cached and written tokens whose price is known; null: there are none",
    )


class TopValue(CostSums):
    """What is of one value of a group."""

    value: str
    prompt_name: str | None = Field(default=None, description="By prompt_version: the prompt that has it")


class TopTrace(Step, CostSums):
    """The calls of one trace that fit the filters."""

    project: str
    trace_id: str
    service: str = Field(description="Of the first of the calls")


class TopItem(Answer):
    """One of the dearest, under the name of what was asked for."""

    share: Share
    call: CallItem | None = None
    trace: TopTrace | None = None
    project: TopValue | None = None
    service: TopValue | None = None
    endpoint: TopValue | None = None
    environment: TopValue | None = None
    provider: TopValue | None = None
    model: TopValue | None = None
    prompt_name: TopValue | None = None
    prompt_version: TopValue | None = None
    user_id: TopValue | None = None
    session_id: TopValue | None = None
    tag: TopValue | None = None


class CostTop(Timed):
    """What costs most."""

    by: str
    totals: CostSums
    items: list[TopItem]


class Latencies(Answer):
    """Percentiles over calls; those of sampled traffic count for as many as they stand for."""

    calls: int
    p50_ms: Ms
    p95_ms: Ms
    p99_ms: Ms
    ttft_calls: int = Field(description="Calls that tell their time to first token")
    ttft_p50_ms: Ms
    ttft_p95_ms: Ms
    ttft_p99_ms: Ms


class LatencyItem(Grouped, Latencies):
    """Percentiles of one group."""

    model_config = example_of(
        **_PLACE,
        calls=1200,
        p50_ms=812.0,
        p95_ms=2340.0,
        p99_ms=5120.0,
        ttft_calls=1100,
        ttft_p50_ms=310.0,
        ttft_p95_ms=790.0,
        ttft_p99_ms=1310.0,
    )


class LatencyBreakdown(Timed):
    """Latency by group, the slowest first."""

    group_by: list[str]
    totals: Latencies
    items: list[LatencyItem]


class LatencyStep(Step, Latencies):
    """Percentiles of one step."""


class LatencyLine(Grouped):
    """One group over time."""

    timeline: list[LatencyStep]


class LatencyTimeline(Timed):
    """Latency over time, a line a group."""

    group_by: list[str]
    interval: str
    items: list[LatencyLine]


class Qualities(Answer):
    """What answers are worth, of those that were judged."""

    calls: int
    judged_calls: int
    mean: Quality
    p10: Quality
    p50: Quality
    low_share: Quality = Field(description="Share of the judged ones below quality_min")


class QualityItem(Grouped, Qualities):
    """Quality of one group."""

    model_config = example_of(
        **_PLACE, calls=1200, judged_calls=1140, mean=0.93, p10=0.81, p50=1.0, low_share=0.04
    )
    quality_reason: str | None = None
    quality_tier: str | None = None


class QualityBreakdown(Timed):
    """Quality by group, the worst first."""

    quality_min: float
    group_by: list[str]
    totals: Qualities
    items: list[QualityItem]


class QualityStep(Step, Qualities):
    """Quality of one step."""


class QualityLine(Grouped):
    """One group over time."""

    timeline: list[QualityStep]


class QualityTimeline(Timed):
    """Quality over time, a line a group."""

    quality_min: float
    group_by: list[str]
    interval: str
    items: list[QualityLine]


class ErrorItem(Grouped):
    """Calls that failed alike."""

    model_config = example_of(
        **_PLACE,
        error="RateLimitError",
        errors=7,
        share=0.78,
        first="2026-01-31T11:58:02.000000000Z",
        last="2026-01-31T12:04:41.000000000Z",
        message="Too many requests",
        trace_ids=["0af7651916cd43dd8448eb211c80319c"],
    )
    error: str = Field(description="Type of the error")
    errors: int
    share: Share = Field(description="Of all failed calls")
    first: str
    last: str
    message: str | None = Field(description="Of the last one; anybody's text")
    trace_ids: list[str] = Field(description="Of the last three")


class ErrorStep(Step):
    """Failed calls of one step."""

    calls: int
    errors: int
    share: Share


class Errors(Timed):
    """Failed calls by type and group, and over time."""

    group_by: list[str]
    calls: int
    errors: int
    share: Share
    items: list[ErrorItem]
    interval: str
    timeline: list[ErrorStep]
