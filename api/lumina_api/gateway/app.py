"""The gateway as an ASGI application."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import BaseRoute, Route

from lumina_api.gateway.doorway import Doorway
from lumina_api.gateway.http import Endpoint, Receive, Scope, Send, encoding_of, respond
from lumina_api.gateway.refusal import Code, Refusal
from lumina_api.gateway.sink import Sink
from lumina_api.gateway.status import failure
from lumina_schemas.settings import Settings
from lumina_streams.core.otlp import LOGS, TRACES


def otlp_routes(doorway: Doorway) -> list[BaseRoute]:
    """/v1/traces, /v1/logs and /v1/metrics, for any Starlette or FastAPI application."""
    return [
        Route("/v1/traces", Endpoint(doorway, TRACES)),
        Route("/v1/logs", Endpoint(doorway, LOGS)),
        Route("/v1/metrics", Endpoint(doorway, None)),
    ]


def create_app(settings: Settings, sink: Sink, doorway: Doorway | None = None) -> Starlette:
    """OTLP/HTTP with /health, /ready and /metrics. Whoever runs it starts and stops the sink."""
    doorway = doorway or Doorway(settings, sink)

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> JSONResponse:
        reasons = [] if sink.ready else [sink.reason]
        return JSONResponse(
            {"status": "starting" if reasons else "ready", "reasons": reasons},
            status_code=503 if reasons else 200,
        )

    async def metrics(_: Request) -> PlainTextResponse:
        return PlainTextResponse(doorway.measures.text(), media_type="text/plain; version=0.0.4")

    app = Starlette(
        routes=[
            *otlp_routes(doorway),
            Route("/health", health),
            Route("/ready", ready),
            Route("/metrics", metrics),
        ]
    )
    app.router.redirect_slashes = False
    app.router.default = _not_found
    return app


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Any other path: an address that was mistyped should hear where OTLP is."""
    if scope["type"] != "http":
        return
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    encoding = encoding_of(headers) or "json"
    refusal = Refusal(
        404,
        Code.NOT_FOUND,
        "There is nothing at this path. OTLP/HTTP is at /v1/traces, /v1/logs and /v1/metrics.",
    )
    await respond(send, refusal.status, encoding, failure(encoding, refusal))
