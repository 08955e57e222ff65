"""`/api/v1/retention`: how long the views keep what, what goes next, and what went last."""

from fastapi import APIRouter, Depends, Response

from lumina_api.rest.answer import answer
from lumina_api.rest.doors import AnyViews, Caller, Cursor, needs, no_parameters
from lumina_api.rest.models import RetentionPlan
from lumina_api.rest.moment import rfc3339
from lumina_api.rest.problem import REFUSED
from lumina_api.views import retention as kept
from lumina_api.views.retention import Cuts

router = APIRouter(prefix="/api/v1", tags=["retention"], dependencies=[Depends(needs("admin"))])


@router.get(
    "/retention",
    response_model=RetentionPlan,
    dependencies=[Depends(no_parameters)],
    responses=REFUSED,
)
def retention(cursor: Cursor, caller: Caller, views: AnyViews) -> Response:
    """What retention will delete from these views the next time, as of now, and what it did the last time."""
    policy, now_ns = views.policy, views.clock()
    cuts = policy.next(now_ns)
    run = kept.last_run(cursor)
    return answer(
        {
            "days": policy.days,
            "projects": [
                {"project": project, "days": days}
                for project, days in sorted(policy.projects.items())
                if caller.sees(project)
            ],
            "next_run": rfc3339(cuts.run_ns),
            "plan": [
                {
                    "project": one.project,
                    "table": one.table,
                    "rows": one.rows,
                    "oldest": rfc3339(one.oldest_ns),
                    "before": rfc3339(_before(cuts, one)),
                }
                for one in kept.plan(cursor, cuts)
                if caller.sees(one.project)
            ],
            "last_run": None
            if run is None
            else {
                "due": rfc3339(run.cuts.run_ns),
                "ended": rfc3339(run.ended_ns),
                "rows": None if caller.project else run.rows,
            },
        }
    )


def _before(cuts: Cuts, planned: kept.Planned) -> int:
    days = next(timed.days for timed in kept.PLANNED if timed.table == planned.table)
    return cuts.of(planned.project) if days is None else cuts.at_days(days)
