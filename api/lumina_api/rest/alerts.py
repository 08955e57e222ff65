"""`/api/v1/alerts`: alerts as they stand on their topic."""

from typing import Annotated, get_args

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response

from lumina_api.rest.answer import answer, raw
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs, no_parameters
from lumina_api.rest.models import AlertItem, AlertList, AlertStatistics
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.parameters import AlertFilterParameters, AlertParameters
from lumina_api.rest.problem import REFUSED, UNKNOWN, Problem
from lumina_api.views import queries
from lumina_api.views.alert_statistics import Mean, alert_statistics
from lumina_schemas.alert import AlertState, Feedback

# Of all services, those with the most alerts.
MOST_SERVICES = 50

router = APIRouter(
    prefix="/api/v1", tags=["alerts"], dependencies=[Depends(needs("read"))], responses=REFUSED
)


class _Place(msgspec.Struct):
    project: str


_PLACE = msgspec.json.Decoder(_Place)


@router.get("/alerts", response_model=AlertList)
def alerts(cursor: Cursor, caller: Caller, now: Now, asked: Annotated[AlertParameters, Query()]) -> Response:
    """Alerts, the last opened first."""
    filters, page = page_of(
        "alerts", asked.cursor, narrowed(caller, asked.filters(now)), asked.order, asked.limit
    )
    rows, following = next_cursor("alerts", queries.alerts(cursor, filters, page), filters, page)
    return answer({"items": [raw(str(row["record"])) for row in rows], "next_cursor": following})


@router.get("/alerts/stats", response_model=AlertStatistics)
def stats(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[AlertFilterParameters, Query()]
) -> Response:
    """How many alerts of which sort and day, how soon they were looked at, and how many were noise."""
    made = alert_statistics(cursor, narrowed(caller, asked.filters(now)))
    return answer(
        {
            "alerts": made.alerts,
            "by_state": {state: made.by_state[state] for state in get_args(AlertState)},
            "by_kind": dict(made.by_kind.most_common()),
            "by_severity": dict(made.by_severity.most_common()),
            "by_service": [
                {"service": name, "alerts": count}
                for name, count in made.by_service.most_common(MOST_SERVICES)
            ],
            "by_day": [{"day": day, "alerts": count} for day, count in sorted(made.by_day.items())],
            "time_to_acknowledge": _mean(made.to_acknowledge),
            "time_to_resolve": _mean(made.to_resolve),
            "feedback": {said: made.feedback[said] for said in get_args(Feedback)},
            "noise_share": made.noise,
        }
    )


@router.get(
    "/alerts/{alert_id}",
    response_model=AlertItem,
    dependencies=[Depends(no_parameters)],
    responses=UNKNOWN,
)
def alert(
    cursor: Cursor,
    caller: Caller,
    alert_id: Annotated[str, Path(max_length=200, description="The alert's id")],
) -> Response:
    """One alert, whole."""
    record = queries.alert(cursor, alert_id)
    if record is None or not caller.sees(_PLACE.decode(record).project):
        raise Problem(
            404, "No alert has this id. `/api/v1/alerts` lists them; erased and expired ones are gone."
        )
    return Response(record, media_type="application/json")


def _mean(mean: Mean) -> dict[str, object]:
    return {"mean_s": mean.seconds, "alerts": mean.alerts}
