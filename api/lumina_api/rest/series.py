"""`/api/v1/series`: endpoints with calls, and whether their prompts and answers are sent."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from lumina_api.rest.answer import answer, coverage, optional_moment
from lumina_api.rest.doors import Cursor, Now
from lumina_api.rest.models import SeriesList
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.parameters import SeriesParameters
from lumina_api.views import queries
from lumina_api.views.queries import Row
from lumina_schemas.mapping.instrumentations import content_setting

router = APIRouter(prefix="/api/v1", tags=["series"])


@router.get("/series", response_model=SeriesList)
def series(cursor: Cursor, now: Now, asked: Annotated[SeriesParameters, Query()]) -> Response:
    """Series (project, service, endpoint) with calls, the lately used first.

    Where no prompts and answers come, `content_setting` says what turns them on.
    """
    filters = asked.filters(now)
    return answer(
        {
            "items": [_item(row) for row in queries.series(cursor, filters, asked.limit)],
            "since": optional_moment(filters.since),
            "until": optional_moment(filters.until),
        }
    )


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
