"""OTLP/HTTP: one ASGI endpoint a signal."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from lumina_api.gateway.body import Disconnected, read_body
from lumina_api.gateway.doorway import Doorway, unexpected
from lumina_api.gateway.intake import NOTHING, Intake
from lumina_api.gateway.refusal import Code, Refusal, body_too_large
from lumina_api.gateway.status import CONTENT_TYPES, Encoding, failure, success
from lumina_streams.core.otlp import Signal

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Endpoint:
    """POST of a signal's export request; None as signal takes metrics and drops them.

    Metrics are answered with success because exporters send all signals to one address: an error there would
    make a default set-up complain for ever.
    """

    def __init__(self, doorway: Doorway, signal: Signal | None) -> None:
        self._doorway = doorway
        self._signal = signal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        began = time.perf_counter()
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        encoding = encoding_of(headers)
        authorization = [
            value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"
        ]
        project = headers.get(b"x-lumina-project")
        refusal: Refusal | None = None
        intake = NOTHING
        try:
            project = self._doorway.enter(authorization, project)
            intake = await self._intake(scope["method"], encoding, headers, project, receive)
            answer = success(encoding or "protobuf", intake.rejected, intake.problem)
        except Disconnected:
            return
        except Refusal as error:
            refusal = error
        except Exception as error:
            refusal = unexpected(error)
        if refusal:
            answer = failure(encoding or "protobuf", refusal)
        status = refusal.status if refusal else 200
        self._doorway.answered(
            self._signal,
            "http",
            encoding or "unknown",
            str(status),
            time.perf_counter() - began,
            intake,
            refusal,
            project=project,
            client=headers.get(b"user-agent", ""),
        )
        await respond(send, status, encoding or "protobuf", answer, _extra(refusal) if refusal else {})

    async def _intake(
        self,
        method: str,
        encoding: Encoding | None,
        headers: dict[bytes, str],
        project: str | None,
        receive: Receive,
    ) -> Intake:
        if method != "POST":
            raise Refusal(405, Code.UNIMPLEMENTED, f"OTLP is sent by POST, not by {method[:20]}.")
        if encoding is None:
            given = headers.get(b"content-type", "")[:100]
            raise Refusal(
                415,
                Code.INVALID_ARGUMENT,
                f"Content-Type {given!r} is not OTLP. Use application/x-protobuf or application/json.",
            )
        if self._signal is None:
            return NOTHING
        length = headers.get(b"content-length", "")
        if length.isdecimal() and int(length[:20]) > self._doorway.settings.max_body_bytes:
            raise body_too_large(self._doorway.settings.max_body_bytes)
        if length != "0":
            self._doorway.sink.check()
        with self._doorway.hold() as hold:
            compression = headers.get(b"content-encoding", "").strip().lower()
            body = await read_body(receive, compression, self._doorway.settings.max_body_bytes, hold)
            return await self._doorway.take(self._signal, encoding, body, project)


def encoding_of(headers: dict[bytes, str]) -> Encoding | None:
    """OTLP encoding that a request's Content-Type names, parameters such as charset aside."""
    media_type = headers.get(b"content-type", "").partition(";")[0].strip().lower().encode("latin-1")
    return next((encoding for encoding, known in CONTENT_TYPES.items() if known == media_type), None)


async def respond(
    send: Send, status: int, encoding: Encoding, body: bytes, more: dict[bytes, bytes] | None = None
) -> None:
    """Send a whole answer."""
    headers = [
        (b"content-type", CONTENT_TYPES[encoding]),
        (b"content-length", str(len(body)).encode()),
        *(more or {}).items(),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _extra(refusal: Refusal) -> dict[bytes, bytes]:
    """Headers that go with a refusal."""
    headers = {name.encode(): value.encode() for name, value in refusal.headers.items()}
    if refusal.retry_after_s is not None:
        headers[b"retry-after"] = str(refusal.retry_after_s).encode()
    if refusal.status == 405:
        headers[b"allow"] = b"POST"
    return headers
