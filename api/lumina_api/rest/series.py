"""`/api/v1/series`: endpoints with calls, whether their texts are sent, and what each is used to."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field

from lumina_api.rest.answer import answer, coverage, optional_moment, raw
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.moment import MomentParameter, rfc3339
from lumina_api.rest.parameters import DEFAULT_SINCE, NoParameters, SeriesParameters
from lumina_api.rest.problem import REFUSED, UNKNOWN, Problem
from lumina_api.rest.series_models import SeriesDetail, SeriesList
from lumina_api.rest.sums import Interval, bound, interval_of, step_of
from lumina_api.series_baselines import SeriesBaselines
from lumina_api.views import series as queries
from lumina_api.views import sums
from lumina_api.views.filters import Filters
from lumina_api.views.queries import Row
from lumina_api.views.series import Measure
from lumina_api.views.sums import Asked, snapshot
from lumina_schemas.mapping.instrumentations import content_setting

router = APIRouter(
    prefix="/api/v1", tags=["series"], dependencies=[Depends(needs("read"))], responses=REFUSED
)

_MEASURES: tuple[Measure, ...] = ("cost_usd", "latency_ms", "tokens")
_NOTHING = {
    "calls": 0,
    "p10": None,
    "p50": None,
    "p95": None,
    "usual_calls": 0,
    "usual_p50": None,
    "usual_p95": None,
}


@router.get("/series", response_model=SeriesList)
def series(cursor: Cursor, caller: Caller, now: Now, asked: Annotated[SeriesParameters, Query()]) -> Response:
    """Series (project, service, endpoint) with calls, the lately used first.

    Where no prompts and answers come, `content_setting` says what turns them on.
    """
    filters = narrowed(caller, asked.filters(now))
    return answer(
        {
            "items": [_item(row) for row in queries.series(cursor, filters, asked.limit)],
            "since": optional_moment(filters.since),
            "until": optional_moment(filters.until),
        }
    )


class SeriesDetailParameters(NoParameters):
    """One series over time."""

    since: MomentParameter | None = Field(
        default=None, description="From: RFC 3339, or before now (15m, 24h, 7d). Default 24h."
    )
    until: MomentParameter | None = Field(default=None, description="Until before. Default: now.")
    interval: Interval | None = Field(
        default=None, description="Length of a step. Default: the shortest with at most 200 steps."
    )


@router.get("/series/{series_id}", response_model=SeriesDetail, responses=UNKNOWN)
def one_series(
    request: Request,
    cursor: Cursor,
    caller: Caller,
    now: Now,
    series_id: Annotated[str, Path(pattern="^[0-9a-f]{16}$", description="16 hex digits")],
    asked: Annotated[SeriesDetailParameters, Query()],
) -> Response:
    """What the calls of a series cost, took and were worth, step by step, beside what was usual then.

    `baseline` is what detection has learned by now; it is read from Kafka.
    """
    since = (asked.since or DEFAULT_SINCE).resolve(now)
    until = asked.until.resolve(now) if asked.until is not None else now
    place = queries.place(cursor, series_id, max(0, since - queries.USUAL_NS))
    if place is None or not caller.sees(place[0]):
        raise Problem(
            404,
            "No series with this id has had a span in this time or the week before it. `/api/v1/series` "
            "lists them.",
        )
    project, service, endpoint = place
    filters = Filters(project=(project,), service=(service,), endpoint=(endpoint,), since=since, until=until)
    interval = interval_of(asked.interval, filters, now)
    step_ns = bound(interval, filters, 1, now)
    with snapshot(cursor):
        listed = queries.series(cursor, filters, 1)
        bands = {
            measure: {
                row["start_ns"]: row
                for row in queries.bands(cursor, place, measure, (since, max(since, until - 1)), step_ns)
            }
            for measure in _MEASURES
        }
        quality = {row["start_ns"]: row for row in sums.quality(cursor, Asked(filters, (), step_ns))}
        alerts = queries.open_alerts(cursor, series_id, project)
        marks = queries.marks(cursor, filters)
    known: SeriesBaselines | None = getattr(request.app.state, "baselines", None)
    baseline, missing = known.of(series_id) if known else (None, "This api has no connection to Kafka.")
    return answer(
        {
            **(_item(listed[0]) if listed else _silent(place, series_id)),
            "since": optional_moment(since),
            "until": optional_moment(until),
            "interval": interval,
            "timeline": [
                _step(
                    start_ns,
                    {measure: bands[measure].get(start_ns) for measure in _MEASURES},
                    quality.get(start_ns),
                )
                for start_ns in sorted({start for measure in _MEASURES for start in bands[measure]})  # type: ignore[type-var]
            ],
            "baseline": baseline,
            "baseline_missing": missing,
            "alerts": [raw(record) for record in alerts],
            "marks": [raw(record) for record in marks],
        }
    )


def _step(start_ns: object, bands: dict[Measure, Row | None], quality: Row | None) -> dict[str, object]:
    shown: dict[str, object] = {
        measure: {name: row[name] for name in _NOTHING} if row else dict(_NOTHING)
        for measure, row in bands.items()
    }
    return {
        **step_of({"start_ns": start_ns}),
        **shown,
        "judged_calls": quality["judged_calls"] if quality else 0,
        "quality": quality["mean"] if quality else None,
    }


def _silent(place: tuple[str, str, str], series_id: str) -> dict[str, object]:
    """A series without calls in the time."""
    project, service, endpoint = place
    return {
        "project": project,
        "service": service,
        "endpoint": endpoint,
        "series_id": series_id,
        "calls": 0,
        "coverage": None,
        "last_call": None,
        "last_call_ns": None,
        "content": "none",
        "content_setting": None,
    }


def _item(row: Row) -> dict[str, object]:
    last_ns = row["last_call_ns"]
    assert isinstance(last_ns, int)
    captured = bool(row["captured"])
    return {
        **{name: row[name] for name in ("project", "service", "endpoint", "series_id", "calls")},
        "coverage": coverage(row["priced_calls"], row["calls"]),
        "last_call": rfc3339(last_ns),
        "last_call_ns": last_ns,
        "content": "captured" if captured else "none",
        "content_setting": None if captured else content_setting(str(row["scope"])),
    }
