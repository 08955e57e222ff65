"""What REST answers about series, for OpenAPI."""

from typing import Literal

from pydantic import Field

from lumina_api.rest.models import AlertItem, Answer, Coverage, record_model
from lumina_api.rest.sum_models import Quality, Step, Timed, example_of
from lumina_schemas.baseline import SeriesBaseline
from lumina_schemas.control import Mark

BaselineItem = record_model(SeriesBaseline)
MarkItem = record_model(Mark)


class SeriesItem(Answer):
    """One series: the calls of an endpoint, and whether their prompts and answers are sent."""

    project: str
    service: str
    endpoint: str
    series_id: str
    calls: int
    coverage: Coverage
    last_call: str | None = Field(description="Start of the last call, RFC 3339; null: none in the time")
    last_call_ns: int | None
    content: Literal["captured", "none"] = Field(
        description="Whether the last calls (20 at most) have prompts or answers"
    )
    content_setting: str | None = Field(
        description="What turns prompts and answers on for the instrumentation of the last call; "
        "null where they are captured"
    )


class SeriesList(Answer):
    """Series, the lately used first."""

    items: list[SeriesItem]
    since: str | None
    until: str | None


class Band(Answer):
    """What calls of a step were, and what was usual: the calls of the seven days before the step."""

    model_config = example_of(
        calls=60, p10=0.0019, p50=0.0026, p95=0.0041, usual_calls=9800, usual_p50=0.0025, usual_p95=0.004
    )
    calls: int
    p10: float | None
    p50: float | None
    p95: float | None
    usual_calls: int
    usual_p50: float | None
    usual_p95: float | None


class SeriesStep(Step):
    """One step of a series; measures within 1 %."""

    cost_usd: Band = Field(description="USD a call")
    latency_ms: Band
    tokens: Band = Field(description="Input and output tokens a call")
    judged_calls: int
    quality: Quality = Field(description="Mean of the judged answers: how much like earlier ones they are")


class SeriesDetail(SeriesItem, Timed):
    """One series over time, beside what it is used to."""

    interval: str
    timeline: list[SeriesStep]
    baseline: BaselineItem | None = Field(description="What detection has learned by now")  # type: ignore[valid-type]
    baseline_missing: str | None = Field(description="Why there is none; null where there is")
    alerts: list[AlertItem] = Field(description="Those that are not resolved")  # type: ignore[valid-type]
    marks: list[MarkItem] = Field(  # type: ignore[valid-type]
        description="What people said they did in the time, here or everywhere; the latest first"
    )
