"""`/health`, `/ready`, `/metrics`, and the links at `/`: for those who run Lumina."""

from fastapi import APIRouter, Depends, Response

from lumina_api.rest.answer import answer
from lumina_api.rest.doors import AnyViews, no_parameters
from lumina_api.rest.models import Health, Readiness
from lumina_api.views import Views
from lumina_api.views.trouble import Cause

router = APIRouter(tags=["health"], dependencies=[Depends(no_parameters)])

LINKS = {
    "name": "lumina",
    "traces": "/api/v1/traces",
    "calls": "/api/v1/calls",
    "costs": "/api/v1/costs",
    "series": "/api/v1/series",
    "alerts": "/api/v1/alerts",
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
async def ready(views: AnyViews) -> Response:
    """200 once the views show all that lay in the log at the start; before, or stopped: 503."""
    reasons = views.progress.reasons
    body = answer(
        {
            "ready": not reasons,
            "reasons": reasons,
            "topics": [
                {"topic": topic.name, "replayed": topic.replayed, "behind": topic.behind, "lag": topic.lag}
                for topic in views.progress.topics.values()
            ],
        }
    )
    body.status_code = 503 if reasons else 200
    return body


@router.get("/metrics", response_class=Response)
async def metrics(views: AnyViews) -> Response:
    """Prometheus text."""
    return Response(_metrics(views), media_type="text/plain; version=0.0.4; charset=utf-8")


def _metrics(views: Views) -> str:
    applied = views.applied
    lines: list[str] = []

    def metric(name: str, kind: str, said: str, samples: dict[str, float]) -> None:
        lines.append(f"# HELP {name} {said}")
        lines.append(f"# TYPE {name} {kind}")
        lines.extend(f"{name}{labels} {value:g}" for labels, value in samples.items())

    for name, said, value in (
        ("lines", "Lines of lumina.spans read", applied.lines),
        ("spans", "Spans stored", applied.spans),
        ("duplicates", "Spans seen again", applied.duplicates),
        ("contents", "Contents stored", applied.contents),
        ("alerts", "Alert revisions read", applied.alerts),
        ("scores", "Scores of answers read", applied.scores),
        ("batches", "Transactions", applied.batches),
    ):
        metric(f"lumina_views_{name}_total", "counter", said, {"": value})
    metric(
        "lumina_views_skipped_total",
        "counter",
        "Lines and records left out, by reason",
        {f'{{reason="{reason}"}}': count for reason, count in sorted(applied.skipped.items())},
    )
    metric(
        "lumina_views_lag_records",
        "gauge",
        "Records not yet applied",
        {f'{{topic="{topic.name}"}}': topic.lag for topic in views.progress.topics.values()},
    )
    metric(
        "lumina_views_replayed_ratio",
        "gauge",
        "Share applied of what lay there at the start, 0 to 1",
        {f'{{topic="{topic.name}"}}': topic.replayed for topic in views.progress.topics.values()},
    )
    metric(
        "lumina_views_stopped",
        "gauge",
        "1 while the views stand still, by cause; /ready says what to do",
        {f'{{cause="{cause}"}}': float(cause is views.progress.cause) for cause in Cause},
    )
    metric(
        "lumina_views_stops_total",
        "counter",
        "How often the views were stopped, by cause",
        {f'{{cause="{cause}"}}': views.progress.stops[cause] for cause in Cause},
    )
    metric("lumina_views_ready", "gauge", "1 when ready", {"": float(views.ready)})
    return "\n".join(lines) + "\n"
