"""`/api/v1/usage`: how much of its daily limit of traces each project has used."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from lumina_api.rest.answer import answer
from lumina_api.rest.doors import Caller, needs, seen_projects
from lumina_api.rest.models import UsageList
from lumina_api.rest.parameters import UsageParameters
from lumina_api.rest.problem import Problem, problems, wrong_parameter
from lumina_api.usage.limiter import Limiter

router = APIRouter(prefix="/api/v1", tags=["usage"], dependencies=[Depends(needs("read"))])

_HIDDEN = problems({403: "The key may not read, or not this project."})


def limiter_of(request: Request) -> Limiter:
    """What this process knows of today's traces. Raises Problem 503 until it knows all of them."""
    limiter: Limiter | None = getattr(request.app.state, "limiter", None)
    why = limiter.why if limiter else "This process does not follow what the gateways take."
    if limiter is None or why:
        raise Problem(503, f"{why} Ask again in a moment.", headers={"Retry-After": "2"})
    return limiter


@router.get("/usage", response_model=UsageList, responses=_HIDDEN)
async def usage(
    caller: Caller,
    limiter: Annotated[Limiter, Depends(limiter_of)],
    asked: Annotated[UsageParameters, Query()],
) -> Response:
    """Distinct traces that the gateways took today (UTC), each project's limit, and when it is reset.

    Gateways tell each other within 5 s, sooner near a limit. What reaches Kafka past them does not count.
    """
    after = _after(asked.cursor)
    projects = seen_projects(caller, asked.project)
    names = sorted(set(projects)) if projects else limiter.projects()
    names = [name for name in names if name > after]
    shown = names[: asked.limit]
    return answer(
        {
            "items": [limiter.usage(name) for name in shown],
            "next_cursor": _cursor(shown[-1]) if len(names) > len(shown) else None,
        }
    )


def _cursor(project: str) -> str:
    return urlsafe_b64encode(project.encode()).decode()


def _after(cursor: str | None) -> str:
    """The name that the page follows; "" for the first one."""
    try:
        return urlsafe_b64decode((cursor or "").encode("ascii")).decode()
    except ValueError:
        raise wrong_parameter(
            "cursor", "is no cursor of this list; leave it out to start at the first page"
        ) from None
