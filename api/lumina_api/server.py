"""The API process: `python -m lumina_api.server`. Views, REST, and OTLP on the same port.

Settings come from the environment.
"""

import contextlib
from collections.abc import AsyncIterator

import structlog
import uvicorn
from fastapi import FastAPI

from lumina_api.gateway.app import otlp_routes
from lumina_api.gateway.doorway import Doorway
from lumina_api.gateway.sink import Sink
from lumina_api.process import GRACE_S, Server, run
from lumina_api.rest import create_app
from lumina_api.views import Views
from lumina_schemas.settings import Settings

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def otlp_mounted(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """Have the application take OTLP at /v1/traces, /v1/logs and /v1/metrics, as the gateway does.

    One URL to remember, for trials; the gateway's own port serves applications.
    """
    sink = Sink(settings)
    doorway = Doorway(settings, sink)
    app.router.routes.extend(otlp_routes(doorway))
    await sink.start()
    try:
        yield
    finally:
        await sink.stop()
        doorway.close()


async def serve(settings: Settings) -> None:
    """Follow the log and answer requests until told to stop."""
    views = Views(settings)
    app = create_app(views)
    server = Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            loop="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    async with otlp_mounted(app, settings):
        await views.start()
        log.info("api listens", host=settings.host, port=settings.port, views=str(views.path))
        try:
            await server.serve()
        finally:
            await views.stop()


def main() -> None:
    """Run the process; exit status 1 where the port cannot be had."""
    run("api", serve)


if __name__ == "__main__":
    main()
