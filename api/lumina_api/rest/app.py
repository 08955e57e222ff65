"""The REST application: routers, one shape for errors, and nothing that a browser would run."""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from lumina_api.access.keyring import Keyring
from lumina_api.access.origins import allowed_origins, cross_origin
from lumina_api.access.throttle import Throttle
from lumina_api.live.hub import Hub
from lumina_api.query.runner import Runner
from lumina_api.rest import (
    alerts,
    calls,
    costs,
    errors,
    export,
    facets,
    guide,
    health,
    latency,
    login,
    pipeline,
    quality,
    query,
    retention,
    series,
    sessions,
    stream,
    traces,
    usage,
)
from lumina_api.rest.bounds import BodyLimit, TimeLimit
from lumina_api.rest.changes.routers import ROUTERS as CHANGES
from lumina_api.rest.compression import Compression
from lumina_api.rest.gate import Gate
from lumina_api.rest.measures import Timed
from lumina_api.rest.metrics import Metrics
from lumina_api.rest.openapi import described
from lumina_api.rest.problem import handle_problems, problems
from lumina_api.rest.security import SecurityHeaders
from lumina_api.views import Views
from lumina_api.writer import Writer

DESCRIPTION = """Traces, calls, costs and alerts of LLM applications, out of Lumina's views.

Times are RFC 3339, beside them `*_ns` in Unix nanoseconds. Costs are USD. Lists are paged: pass `next_cursor`
back as `cursor`. Errors are problem details (RFC 9457). Texts in prompts and answers come from anybody: show
them as text, never as markup.
"""

_PROBLEMS = problems(
    {
        422: "A parameter is unknown or its value cannot be used.",
        503: "The views cannot be read now.",
    }
)

_OF_QUERIES = problems(
    {
        403: "The key is not an admin's, or is of one project.",
        422: "The statement is refused, wrong, or takes too much memory.",
        503: "Another statement is running, or the views cannot be read now.",
        504: "The statement took longer than its time.",
    }
)


def create_app(views: Views, writer: Writer | None = None, keyring: Keyring | None = None) -> FastAPI:
    """The application over these views, which writes through this writer and opens to these keys. Starting
    and stopping them is the caller's; without a writer that runs, what would be written is answered 503, and
    without a keyring whatever needs a key.
    """
    settings = views.settings
    keyring = keyring or Keyring(settings)
    # FastAPI's documentation pages load scripts from foreign hosts: none is served.
    app = FastAPI(
        title="Lumina",
        version="1",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.views = views
    app.state.runner = Runner()
    app.state.hub = Hub()
    views.committed = app.state.hub.committed
    app.state.writer = writer or Writer(settings)
    app.state.keyring = keyring
    app.state.key_last_used = keyring.uses.last.of
    app.state.throttle = Throttle()
    app.state.metrics = metrics = Metrics(views)
    handle_problems(app)
    # Facets before traces: `traces/facets` is no trace's id.
    for resource in (
        *(facets, traces, calls, sessions, costs, latency, quality, errors, series, alerts),
        *(usage, retention, pipeline, export, stream),
    ):
        app.include_router(resource.router, responses=_PROBLEMS)
    app.include_router(query.router, responses=_PROBLEMS | _OF_QUERIES)
    for router in CHANGES:
        app.include_router(router, responses=_PROBLEMS)
    app.include_router(login.router)
    app.include_router(health.router)
    app.include_router(guide.router)
    described(app)
    # The last one added is the first that a request comes to.
    app.add_middleware(TimeLimit, limit_s=settings.request_timeout_s)
    app.add_middleware(BodyLimit, limit=settings.max_request_bytes)
    app.add_middleware(Gate, keyring=keyring, settings=settings)
    app.add_middleware(Compression)
    if origins := allowed_origins(settings):
        app.add_middleware(CORSMiddleware, **cross_origin(origins, cookies=True))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Timed, registry=metrics.registry)
    return app
