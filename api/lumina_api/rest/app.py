"""The REST application: routers, one shape for errors, and nothing that a browser would run."""

from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumina_api.rest import alerts, calls, costs, guide, health, series, traces
from lumina_api.rest.problem import HEADERS, MEDIA_TYPE, ProblemDetails, handle_problems
from lumina_api.views import Views

DESCRIPTION = """Traces, calls, costs and alerts of LLM applications, out of Lumina's views.

Times are RFC 3339, beside them `*_ns` in Unix nanoseconds. Costs are USD. Lists are paged: pass `next_cursor`
back as `cursor`. Errors are problem details (RFC 9457). Texts in prompts and answers come from anybody: show
them as text, never as markup.
"""

_PROBLEM = {"model": ProblemDetails, "content": {MEDIA_TYPE: {}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    422: {**_PROBLEM, "description": "A parameter is unknown or its value cannot be used."},
    503: {**_PROBLEM, "description": "The views cannot be read now."},
}


def create_app(views: Views) -> FastAPI:
    """The application over these views. Starting and stopping them is the caller's."""
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
    handle_problems(app)
    for resource in (traces, calls, costs, series, alerts):
        app.include_router(resource.router, responses=_PROBLEMS)
    app.include_router(health.router)
    app.include_router(guide.router)
    app.add_middleware(NoSniff)
    return app


_ENCODED = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class NoSniff:
    """Tells browsers to take every answer for what its content type says, and to run nothing in it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to every HTTP answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_ENCODED]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
