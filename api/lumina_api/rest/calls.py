"""`/api/v1/calls`: leaf calls, one by one."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from lumina_api.rest.answer import answer, optional_moment, span_item
from lumina_api.rest.doors import Caller, Cursor, Now, narrowed, needs
from lumina_api.rest.models import CallList
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.parameters import SpanListParameters
from lumina_api.rest.problem import REFUSED
from lumina_api.views import queries
from lumina_api.views.contents import whole

router = APIRouter(prefix="/api/v1", tags=["calls"], dependencies=[Depends(needs("read"))], responses=REFUSED)


@router.get("/calls", response_model=CallList)
def calls(
    cursor: Cursor, caller: Caller, now: Now, asked: Annotated[SpanListParameters, Query()]
) -> Response:
    """LLM, embedding and rerank calls with all fields; roll-ups and second sightings are left out."""
    filters, page = page_of(
        "calls", asked.cursor, narrowed(caller, asked.filters(now)), asked.order, asked.limit
    )
    found = queries.calls(cursor, filters, page)
    rows, following = next_cursor("calls", found, filters, page)
    rows = whole(cursor, rows)
    return answer(
        {
            "items": [span_item(row) for row in rows],
            "next_cursor": following,
            "since": optional_moment(filters.since),
            "until": optional_moment(filters.until),
        }
    )
