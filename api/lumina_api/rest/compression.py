"""Answers packed as the client takes them: zstd (RFC 8878), else gzip. Streams of events never are.

What is packed, and when, is Starlette's; the choice and zstd are ours.
"""

import cramjam
from starlette.datastructures import Headers
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipResponder, IdentityResponder
from starlette.types import ASGIApp, Receive, Scope, Send

LEAST_BYTES = 1_000
"""A smaller answer fits a packet as it is."""

ZSTD_LEVEL = 3
GZIP_LEVEL = 5
EXCLUDED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/vnd.apache.parquet")


class Compression:
    """ASGI middleware that packs answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepted = accepted_by(",".join(Headers(scope=scope).getlist("accept-encoding")))
        responder: IdentityResponder
        if "zstd" in accepted:
            responder = _Zstd(self._app, LEAST_BYTES, exclude_content_types=EXCLUDED)
        elif "gzip" in accepted:
            responder = GZipResponder(self._app, LEAST_BYTES, GZIP_LEVEL, exclude_content_types=EXCLUDED)
        else:
            responder = IdentityResponder(self._app, LEAST_BYTES, exclude_content_types=EXCLUDED)
        await responder(scope, receive, send)


class _Zstd(GZipResponder):
    content_encoding = "zstd"

    def __init__(self, app: ASGIApp, minimum_size: int, *, exclude_content_types: tuple[str, ...]) -> None:
        super().__init__(app, minimum_size, exclude_content_types=exclude_content_types)
        self._zstd: cramjam.zstd.Compressor | None = None

    def _compress_body(self, body: bytes, more_body: bool) -> bytes:
        if self._zstd is None:
            self._zstd = cramjam.zstd.Compressor(level=ZSTD_LEVEL)
        self._zstd.compress(body)
        return bytes(self._zstd.flush() if more_body else self._zstd.finish())


def accepted_by(header: str) -> frozenset[str]:
    """Encodings that an `Accept-Encoding` (RFC 9110, section 12.5.3) names and does not refuse by `q=0`."""
    accepted = set()
    for part in header.lower().split(","):
        name, _, parameter = part.partition(";")
        weight = parameter.replace(" ", "").replace("\t", "").removeprefix("q=")
        if name.strip() and (not parameter or weight.strip("0.") != ""):
            accepted.add(name.strip())
    return frozenset(accepted)
