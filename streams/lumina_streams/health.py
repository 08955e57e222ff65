"""The worker's loopback page: alive, ready, counters."""

from typing import Any

import faust
from aiohttp import web
from mode import Service

from lumina_streams.metrics import Metrics


class Health(Service):
    """Serves /health, /ready and /metrics on 127.0.0.1."""

    def __init__(self, app: faust.App, metrics: Metrics, port: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.app = app
        self.metrics = metrics
        self.port = port
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        """Begin to listen."""
        pages = web.Application()
        pages.add_routes(
            [
                web.get("/health", self._health),
                web.get("/ready", self._ready),
                web.get("/metrics", self._metrics),
            ]
        )
        self._runner = web.AppRunner(pages, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._runner:
            await self._runner.cleanup()

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _ready(self, _: web.Request) -> web.Response:
        reasons = self._reasons()
        return web.json_response(
            {"status": "starting" if reasons else "ready", "reasons": reasons},
            status=503 if reasons else 200,
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(text=self.metrics.text(), content_type="text/plain")

    def _reasons(self) -> list[str]:
        """Why this worker does not process yet; empty once it does."""
        reasons = []
        recovery = self.app.tables.recovery
        if self.app.rebalancing or self.app.consumer_generation_id == 0:
            reasons.append("joining the consumer group")
        if not recovery.completed.is_set() or recovery.in_recovery:
            remaining = sum(recovery.active_remaining().values()) if recovery.active_highwaters else 0
            reasons.append(f"restoring tables from the changelog, {remaining} records to go")
        return reasons
