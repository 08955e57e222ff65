"""Headers that every answer has: a browser runs nothing in it, keeps nothing of it, tells nobody of it."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lumina_api.rest.problem import HEADERS

_ENCODED = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
_HTTPS_ONLY = (b"strict-transport-security", b"max-age=31536000")


class SecurityHeaders:
    """ASGI middleware that adds them where the answer does not say otherwise itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers to every HTTP answer."""
        wanted = [*_ENCODED, _HTTPS_ONLY] if scope.get("scheme") == "https" else _ENCODED

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                more = [header for header in wanted if header[0] not in there]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)
