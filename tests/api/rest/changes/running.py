"""REST as it runs: views, writer and a server on loopback, over a real Kafka; asked as anybody."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from lumina_api.access.principal import ANONYMOUS, PRINCIPAL, Principal
from lumina_api.process import Server
from lumina_api.rest import create_app
from lumina_api.stack.ports import free_port
from lumina_api.views import Views
from lumina_api.writer import Writer
from lumina_schemas.settings import Settings

DEADLINE_S = 30.0
AS = "x-test-as"

CALLERS: Mapping[str, Principal] = {
    "nobody": Principal("nobody", frozenset()),
    "reader": Principal("reader", frozenset({"read"})),
    "writer": Principal("writer", frozenset({"write"})),
    "admin": Principal("admin", frozenset({"admin"})),
    "shop-reader": Principal("shop-reader", frozenset({"read"}), "shop"),
    "shop-writer": Principal("shop-writer", frozenset({"write"}), "shop"),
    "shop-admin": Principal("shop-admin", frozenset({"admin"}), "shop"),
}


class As:
    """Stands for the middleware that finds out who asks."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            name = dict(scope["headers"]).get(AS.encode(), b"").decode()
            scope[PRINCIPAL] = CALLERS.get(name, ANONYMOUS)
        await self._app(scope, receive, send)


class Api:
    """One API and a client of it."""

    def __init__(self, views: Views, writer: Writer, client: httpx.AsyncClient) -> None:
        self.views = views
        self.writer = writer
        self.client = client

    async def ask(self, method: str, path: str, expect: int = 200, who: str = "", **more: Any) -> Any:
        """The JSON of an answer that has the expected status; its headers are in `self.headers`."""
        headers = {AS: who} | more.pop("headers", {})
        response = await self.client.request(method, path, headers=headers, **more)
        assert response.status_code == expect, f"{response.status_code}: {response.text}"
        self.headers = response.headers
        if expect >= 400:
            assert response.headers["content-type"] == "application/problem+json"
        return response.json() if response.content else None

    async def get(self, path: str, expect: int = 200, who: str = "", **params: Any) -> Any:
        return await self.ask("GET", path, expect, who, params=params)

    async def put(self, path: str, body: Any, expect: int = 200, who: str = "") -> Any:
        return await self.ask("PUT", path, expect, who, json=body)

    async def post(self, path: str, body: Any = None, expect: int = 200, who: str = "") -> Any:
        more = {} if body is None else {"json": body}
        return await self.ask("POST", path, expect, who, **more)

    async def delete(self, path: str, expect: int = 204, who: str = "") -> Any:
        return await self.ask("DELETE", path, expect, who)

    @property
    def position(self) -> str:
        """What the last answer says to pass as `at_least`."""
        return str(self.headers["lumina-position"])


@asynccontextmanager
async def serving(settings: Settings, file: Path, follow: bool = True) -> AsyncIterator[Api]:
    """An API with a views' file of its own; `follow`: waits until its views are ready."""
    views = Views(settings.model_copy(update={"views_path": file}))
    writer = Writer(settings)
    port = free_port()
    config = uvicorn.Config(
        As(create_app(views, writer)),
        host="127.0.0.1",
        port=port,
        lifespan="off",
        log_level="warning",
        access_log=False,
    )
    server = Server(config)
    serve = asyncio.create_task(server.serve())
    await views.start()
    await writer.start()
    try:
        deadline = asyncio.get_running_loop().time() + DEADLINE_S
        while not (server.started and (views.ready or not follow)):
            assert asyncio.get_running_loop().time() < deadline, views.progress.reasons
            await asyncio.sleep(0.02)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
            yield Api(views, writer, client)
    finally:
        server.should_exit = True
        await serve
        await writer.stop()
        await views.stop()
