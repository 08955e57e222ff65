"""The API process: `python -m lumina_api.server`. Views, REST, and OTLP on the same port.

Settings come from the environment.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import structlog
import uvicorn
from fastapi import FastAPI

from lumina_api.access.keyring import Keyring
from lumina_api.gateway.app import otlp_routes
from lumina_api.gateway.doorway import Doorway
from lumina_api.gateway.sink import Sink
from lumina_api.pipeline import Pipeline
from lumina_api.process import GRACE_S, Server, run
from lumina_api.rest import create_app
from lumina_api.series_baselines import SeriesBaselines
from lumina_api.views import Views
from lumina_api.writer import Writer
from lumina_schemas.settings import Settings

log = structlog.get_logger(__name__)


@contextlib.asynccontextmanager
async def otlp_mounted(app: FastAPI, settings: Settings) -> AsyncIterator[None]:
    """Have the application take OTLP at /v1/traces, /v1/logs and /v1/metrics, as the gateway does.

    One URL to remember, for trials; the gateway's own port serves applications.
    """
    sink = Sink(settings)
    doorway = Doorway(settings, sink, keyring=app.state.keyring)
    app.router.routes.extend(otlp_routes(doorway))
    app.state.metrics.also(doorway.measures.registry)
    app.state.limiter = doorway.limiter
    await doorway.start()
    try:
        yield
    finally:
        await doorway.stop()


@contextlib.asynccontextmanager
async def ended(app: FastAPI, server: Server) -> AsyncIterator[None]:
    """Let watchers of the stream go as soon as the process is told to stop: they would hold it for its
    grace.
    """

    async def close() -> None:
        await server.stopping.wait()
        app.state.hub.close()

    closing = asyncio.create_task(close(), name="stream-end")
    try:
        yield
    finally:
        closing.cancel()
        app.state.runner.close()


async def serve(settings: Settings) -> None:
    """Follow the log and answer requests until told to stop."""
    views = Views(settings)
    writer = Writer(settings)
    keyring = Keyring(settings, shows_uses=True)
    app = create_app(views, writer, keyring)
    app.state.baselines = SeriesBaselines(settings)
    app.state.pipeline = pipeline = Pipeline(settings)
    server = Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            ws="none",
            loop="none",
            lifespan="off",
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    async with otlp_mounted(app, settings), ended(app, server):
        await keyring.start()
        await views.start()
        await writer.start()
        await pipeline.start()
        log.info("api listens", host=settings.host, port=settings.port, views=str(views.path))
        try:
            await server.serve()
        finally:
            await keyring.stop()
            await pipeline.stop()
            await writer.stop()
            await views.stop()


def main() -> None:
    """Run the process; exit status 1 where the port cannot be had."""
    run("api", serve)


if __name__ == "__main__":
    main()
