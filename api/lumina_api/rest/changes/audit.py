"""`/api/v1/audit`: who changed what."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from lumina_api.rest.answer import answer, raw
from lumina_api.rest.changes.parameters import AuditParameters
from lumina_api.rest.changes.setting import list_model
from lumina_api.rest.doors import Caller, Cursor, Now, needs, seen_projects
from lumina_api.rest.models import record_model
from lumina_api.rest.pagination import next_cursor, page_of
from lumina_api.rest.problem import REFUSED
from lumina_api.views import decided_queries
from lumina_api.views.decided_queries import AuditFilters
from lumina_schemas.audit import AuditEntry

router = APIRouter(prefix="/api/v1", tags=["audit"], dependencies=[Depends(needs("admin"))])

AuditList = list_model("AuditList", record_model(AuditEntry))


@router.get("/audit", response_model=AuditList, responses=REFUSED)
def audit(cursor: Cursor, caller: Caller, now: Now, asked: Annotated[AuditParameters, Query()]) -> Response:
    """Changes through REST and the command line, the latest first. An entry is written before its
    change: one that failed behind it is here too.
    """
    asked_for = asked.filters(seen_projects(caller, asked.project), now)
    filters, page = page_of("audit", asked.cursor, asked_for, "newest", asked.limit)
    assert isinstance(filters, AuditFilters)
    rows, following = next_cursor("audit", decided_queries.audit(cursor, filters, page), filters, page)
    return answer({"items": [raw(str(row["record"])) for row in rows], "next_cursor": following})
