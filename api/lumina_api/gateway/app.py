"""The gateway as an ASGI application."""

from msgspec import json
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from lumina_api.access.address import is_here
from lumina_api.access.origins import allowed_origins, cross_origin
from lumina_api.access.refused import Refused
from lumina_api.gateway.doorway import Doorway
from lumina_api.gateway.http import Endpoint, Receive, Scope, Send, encoding_of, respond
from lumina_api.gateway.refusal import Code, Refusal
from lumina_api.gateway.status import failure
from lumina_streams.core.otlp import LOGS, TRACES


def otlp_routes(doorway: Doorway) -> list[BaseRoute]:
    """/v1/traces, /v1/logs and /v1/metrics, for any Starlette or FastAPI application."""
    return [
        Route("/v1/traces", Endpoint(doorway, TRACES)),
        Route("/v1/logs", Endpoint(doorway, LOGS)),
        Route("/v1/metrics", Endpoint(doorway, None)),
    ]


def create_app(doorway: Doorway) -> Starlette:
    """OTLP/HTTP with /health, /ready, /metrics and /ingest. Whoever runs it starts and stops the doorway."""

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    def refused(request: Request) -> Refused | None:
        """Why a page about this process is not shown; None where it is."""
        try:
            caller = doorway.keyring.caller(request.headers.getlist("authorization"))
            caller = caller or doorway.keyring.anybody()
        except Refused as error:
            return error
        if caller.may("read"):
            return None
        return Refused(403, f"This needs a key with the scope `read`; `{caller.name}` does not have it.")

    async def ready(request: Request) -> JSONResponse:
        reasons = doorway.reasons
        shown = reasons if is_here(request) or refused(request) is None else []
        return JSONResponse(
            {"status": "starting" if reasons else "ready", "reasons": shown},
            status_code=503 if reasons else 200,
        )

    async def metrics(request: Request) -> Response:
        if error := refused(request):
            return JSONResponse({"detail": error.message}, error.status, error.headers)
        page, content_type = doorway.measures.page(request.headers.get("accept", ""))
        return Response(page, headers={"content-type": content_type})

    async def ingest(request: Request) -> Response:
        if not is_here(request):
            return JSONResponse(
                {"detail": "The last requests are shown on the gateway's own machine only, over loopback."},
                403,
            )
        return Response(json.encode(doorway.recent.all()), media_type="application/json")

    app = Starlette(
        routes=[
            *otlp_routes(doorway),
            Route("/health", health),
            Route("/ready", ready),
            Route("/metrics", metrics),
            Route("/ingest", ingest),
        ]
    )
    if origins := allowed_origins(doorway.settings):
        app.add_middleware(CORSMiddleware, **cross_origin(origins, cookies=False))
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
