"""`/api/v1/alerts`: alerts as they stand on their topic."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from lumina_api.rest.answer import answer, raw
from lumina_api.rest.doors import Cursor, Now, no_parameters
from lumina_api.rest.models import AlertItem, AlertList
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.parameters import AlertParameters
from lumina_api.rest.problem import Problem
from lumina_api.views import queries

router = APIRouter(prefix="/api/v1", tags=["alerts"])


@router.get("/alerts", response_model=AlertList)
def alerts(cursor: Cursor, now: Now, asked: Annotated[AlertParameters, Query()]) -> Response:
    """Alerts, the last opened first."""
    filters, page = page_of("alerts", asked.cursor, asked.filters(now), asked.order, asked.limit)
    rows, following = next_cursor("alerts", queries.alerts(cursor, filters, page), filters, page)
    return answer({"items": [raw(str(row["record"])) for row in rows], "next_cursor": following})


@router.get("/alerts/{alert_id}", response_model=AlertItem, dependencies=[Depends(no_parameters)])
def alert(
    cursor: Cursor, alert_id: Annotated[str, Path(max_length=200, description="The alert's id")]
) -> Response:
    """One alert, whole."""
    record = queries.alert(cursor, alert_id)
    if record is None:
        raise Problem(
            404, "No alert has this id. `/api/v1/alerts` lists them; erased and expired ones are gone."
        )
    return Response(record, media_type="application/json")
