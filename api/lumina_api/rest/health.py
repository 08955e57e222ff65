"""`/health`, `/ready`, `/metrics`, and the links at `/`: for those who run Lumina."""

from fastapi import APIRouter, Depends, Request, Response

from lumina_api.access.address import is_here
from lumina_api.rest.answer import answer
from lumina_api.rest.doors import AnyViews, Caller, bare
from lumina_api.rest.metrics import OPENMETRICS, Metrics
from lumina_api.rest.models import Health, Readiness
from lumina_api.views import Views
from lumina_api.views.progress import Progress

router = APIRouter(tags=["health"], dependencies=[Depends(bare)])

LINKS = {
    "name": "lumina",
    "traces": "/api/v1/traces",
    "calls": "/api/v1/calls",
    "sessions": "/api/v1/sessions",
    "costs": "/api/v1/costs/summary",
    "latency": "/api/v1/latency/breakdown",
    "quality": "/api/v1/quality/breakdown",
    "errors": "/api/v1/errors",
    "series": "/api/v1/series",
    "alerts": "/api/v1/alerts",
    "usage": "/api/v1/usage",
    "rules": "/api/v1/rules",
    "prices": "/api/v1/prices",
    "marks": "/api/v1/marks",
    "budgets": "/api/v1/budgets",
    "projects": "/api/v1/projects",
    "keys": "/api/v1/keys",
    "erasures": "/api/v1/erasures",
    "settings": "/api/v1/settings",
    "audit": "/api/v1/audit",
    "query": "/api/v1/query",
    "export": "/api/v1/export",
    "stream": "/api/v1/stream",
    "retention": "/api/v1/retention",
    "pipeline": "/api/v1/pipeline",
    "docs": "/docs",
    "openapi": "/openapi.json",
    "health": "/health",
    "ready": "/ready",
    "metrics": "/metrics",
    "otlp": "/v1/traces",
}


@router.get("/")
async def index() -> dict[str, str]:
    """Where everything is."""
    return LINKS


@router.get("/health", response_model=Health)
async def health() -> Response:
    """The process is alive."""
    return answer({"status": "ok"})


@router.get("/ready", response_model=Readiness, responses={503: {"model": Readiness}})
async def ready(request: Request, views: AnyViews, caller: Caller) -> Response:
    """200 once the views show all that lay in the log at the start; before, or stopped: 503.

    Whoever comes without a key that may read, and from another machine, hears no more than that.
    """
    keyring = request.app.state.keyring
    keys = [keyring.why] if keyring.required and keyring.why else []
    reasons = [*views.progress.reasons, *keys]
    shows = caller.may("read") or is_here(request)
    told: dict[str, object] = {"ready": not reasons, "reasons": reasons, "rebuilding": _rebuilding(views)}
    told |= _pace(views.progress)
    if not shows:
        told |= {"reasons": [], "rebuilding": None, "topics": [], "records_per_s": None, "eta_s": None}
    body = answer(told)
    body.status_code = 503 if reasons else 200
    return body


def _rebuilding(views: Views) -> dict[str, object] | None:
    """How far the file of this release is, while the former one answers."""
    former, building = views.former, views.building
    if former is None or building is None:
        return None
    return _pace(building) | {
        "replayed": building.replayed,
        "reasons": building.reasons,
        "former": former.unfit,
    }


def _pace(progress: Progress) -> dict[str, object]:
    return {
        "topics": [
            {"topic": topic.name, "replayed": topic.replayed, "behind": topic.behind, "lag": topic.lag}
            for topic in progress.topics.values()
        ],
        "records_per_s": progress.records_per_s,
        "eta_s": progress.eta_s,
    }


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Metrics", "content": {"text/plain": {}, OPENMETRICS: {}}}},
)
async def metrics(request: Request) -> Response:
    """Prometheus' text, or OpenMetrics where `Accept` asks for it."""
    shown = request.app.state.metrics
    assert isinstance(shown, Metrics)
    page, content_type = shown.page(request.headers.get("accept", ""))
    return Response(page, headers={"content-type": content_type})
