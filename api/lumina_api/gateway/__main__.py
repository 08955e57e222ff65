"""The gateway process: `python -m lumina_api.gateway`. Settings come from the environment."""

import asyncio

import structlog
import uvicorn

from lumina_api.gateway.app import create_app
from lumina_api.gateway.doorway import Doorway
from lumina_api.gateway.grpc import create_server
from lumina_api.gateway.sink import Sink
from lumina_api.process import GRACE_S, Server, run
from lumina_schemas.settings import Settings

log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Serve OTLP over HTTP and gRPC until told to stop."""
    sink = Sink(settings)
    doorway = Doorway(settings, sink)
    grpc_server = create_server(doorway, f"{settings.host}:{settings.otlp_grpc_port}")
    server = Server(
        uvicorn.Config(
            create_app(doorway),
            host=settings.host,
            port=settings.otlp_http_port,
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
    await doorway.start()
    await grpc_server.start()
    log.info("gateway listens", http=settings.otlp_http_port, grpc=settings.otlp_grpc_port)

    async def stop_grpc() -> None:
        await server.stopping.wait()
        await grpc_server.stop(GRACE_S)

    stopping = asyncio.create_task(stop_grpc(), name="gateway-stop-grpc")
    try:
        await server.serve()
    finally:
        server.stopping.set()
        await stopping
        await doorway.stop()


def main() -> None:
    """Run the process; exit status 1 where a port cannot be had."""
    run("gateway", serve)


if __name__ == "__main__":
    main()
